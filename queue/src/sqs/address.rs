//! `sqs://PREFIX?region=REGION`: which queues, and where.

use crate::error::QueueError;
use crate::message::{Lane, LaneKind};

/// Stands where the URL names an account and no prefix.
const PREFIX_DEFAULT: &str = "callvault";
/// A queue's name has at most 80 characters; the longest suffix that is not of a backfill is `-transcribe-dead`.
const PREFIX_LENGTH_MOST: usize = 64;
/// `-transcribe-backfill` fits behind no more. Longer prefixes are older than the backfill's queues: theirs end in `-old`.
const PREFIX_LENGTH_MOST_BEFORE_BACKFILL: usize = 60;

/// A `sqs:` URL, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// The account that owns the queues, where it is not the credentials' own.
    pub(super) account: Option<String>,
    /// What the queues' names begin with.
    pub(super) prefix: String,
    /// Overrides AWS_REGION.
    pub(super) region: Option<String>,
    /// Overrides AWS_ENDPOINT_URL_SQS and AWS_ENDPOINT_URL.
    pub(super) endpoint: Option<String>,
}

impl Address {
    /// Reads what follows `sqs:`: `//PREFIX`, `//ACCOUNT` or `//ACCOUNT/PREFIX`, then `?region=` and `&endpoint=`.
    pub(super) fn parse(rest: &str) -> Result<Address, QueueError> {
        let wrong = |what: &str| QueueError::Unsupported(format!("sqs: {what}: expected sqs://PREFIX?region=REGION"));
        let rest = rest.strip_prefix("//").ok_or_else(|| wrong("the URL has no //"))?;
        let (names, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (account, prefix) = match names.trim_end_matches('/').split_once('/') {
            Some((account, prefix)) if is_account(account) => (Some(account), prefix),
            Some(_) => return Err(wrong("what stands before / is no account of 12 digits")),
            None if is_account(names) => (Some(names), PREFIX_DEFAULT),
            None => (None, names.trim_end_matches('/')),
        };
        if prefix.is_empty() || prefix.len() > PREFIX_LENGTH_MOST || !prefix.bytes().all(is_of_a_name) {
            return Err(wrong("the prefix has 1 to 64 letters, digits, - and _"));
        }
        let mut address =
            Address { account: account.map(str::to_owned), prefix: prefix.to_owned(), region: None, endpoint: None };
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match key.as_ref() {
                "region" => address.region = Some(value.into_owned()),
                "endpoint" => address.endpoint = Some(value.into_owned()),
                _ => return Err(wrong("the only parameters are region and endpoint")),
            }
        }
        Ok(address)
    }

    /// The name of a lane's queue: `PREFIX-archive`, `PREFIX-archive-backfill`, `PREFIX-archive-dead`.
    /// Behind a prefix of more than 60 characters a backfill's is `PREFIX-archive-old`.
    pub(super) fn queue_name(&self, lane: Lane) -> String {
        let kind = match lane.kind {
            LaneKind::Live => "",
            LaneKind::Backfill if self.prefix.len() > PREFIX_LENGTH_MOST_BEFORE_BACKFILL => "-old",
            LaneKind::Backfill => "-backfill",
            LaneKind::Dead => "-dead",
        };
        format!("{}-{}{kind}", self.prefix, lane.stage)
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::stage::Stage;

    fn parse(rest: &str) -> Address {
        Address::parse(rest).unwrap()
    }

    #[test]
    fn prefix_region_and_endpoint_are_read() {
        let address = parse("//prod-calls?region=eu-west-1&endpoint=http://127.0.0.1:4566");
        assert_eq!(
            (address.account, address.prefix.as_str(), address.region.as_deref(), address.endpoint.as_deref()),
            (None, "prod-calls", Some("eu-west-1"), Some("http://127.0.0.1:4566"))
        );
    }

    #[test]
    fn account_stands_alone_or_before_a_prefix() {
        let account = Some("123456789012".to_owned());
        let alone = parse("//123456789012?region=eu-west-1");
        assert_eq!((alone.account, alone.prefix.as_str()), (account.clone(), "callvault"));
        let before = parse("//123456789012/calls");
        assert_eq!((before.account, before.prefix.as_str()), (account, "calls"));
    }

    #[test]
    fn queues_are_named_by_prefix_and_stage() {
        let address = parse("//calls");
        assert_eq!(address.queue_name(Lane::live(Stage::Archive)), "calls-archive");
        assert_eq!(address.queue_name(Lane::backfill(Stage::Deliver)), "calls-deliver-backfill");
        assert_eq!(address.queue_name(Lane::dead(Stage::Transcribe)), "calls-transcribe-dead");
    }

    #[test]
    fn longest_prefixes_make_names_that_sqs_takes_and_no_two_the_same() {
        for length in [PREFIX_LENGTH_MOST_BEFORE_BACKFILL, PREFIX_LENGTH_MOST] {
            let address = parse(&format!("//{}", "p".repeat(length)));
            let names: HashSet<String> = Lane::all().map(|lane| address.queue_name(lane)).collect();
            assert_eq!(names.iter().map(String::len).max(), Some(80), "{length}");
            assert_eq!(names.len(), Lane::all().count(), "{length}");
        }
    }

    #[test]
    fn backfill_behind_a_prefix_of_more_than_60_characters_has_a_short_name() {
        let name = |length: usize| {
            let prefix = "p".repeat(length);
            let name = parse(&format!("//{prefix}")).queue_name(Lane::backfill(Stage::Transcribe));
            name.strip_prefix(&prefix).unwrap().to_owned()
        };
        assert_eq!((name(60).as_str(), name(61).as_str()), ("-transcribe-backfill", "-transcribe-old"));
    }

    #[test]
    fn what_names_no_queue_is_refused() {
        let long = format!("//{}", "p".repeat(65));
        for rest in
            ["calls", "//", "//?region=eu-west-1", "//a b", "//a.fifo", "//calls/more", &long, "//calls?queue=x"]
        {
            assert!(matches!(Address::parse(rest), Err(QueueError::Unsupported(_))), "{rest}");
        }
    }
}
