//! What stands beside a message's body, as SQS's message attributes: its names and texts are read by other programs and
//! by later versions.

use std::collections::HashMap;

use aws_sdk_sqs::types::MessageAttributeValue;
use chrono::{DateTime, SecondsFormat, Utc};

use crate::trace::TraceParent;

/// Longest reason kept, in characters.
const REASON_LENGTH_MOST: usize = 2000;

const ATTEMPTS: &str = "attempts";
const PUBLISHED_AT: &str = "published_at";
const NOT_BEFORE: &str = "not_before";
const REASON: &str = "reason";
const DIED_AT: &str = "died_at";
const TRACE_PARENT: &str = "traceparent";

/// As SQS takes and gives them, ten at most.
pub(super) type Written = HashMap<String, MessageAttributeValue>;

/// What a message carries beside its body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    /// Charged attempts before this copy was sent; SQS counts the receives since.
    pub(super) attempts: u32,
    pub(super) published_at: DateTime<Utc>,
    /// Set where the delay is longer than SQS keeps: not to be handed out before.
    pub(super) not_before: Option<DateTime<Utc>>,
    pub(super) reason: Option<String>,
    pub(super) died_at: Option<DateTime<Utc>>,
    pub(super) trace_parent: Option<TraceParent>,
}

impl Attributes {
    pub(super) fn write(&self) -> Written {
        let texts = [
            (PUBLISHED_AT, Some(time(&self.published_at))),
            (NOT_BEFORE, self.not_before.as_ref().map(time)),
            (REASON, self.reason.as_deref().map(allowed)),
            (DIED_AT, self.died_at.as_ref().map(time)),
            (TRACE_PARENT, self.trace_parent.as_ref().map(ToString::to_string)),
        ];
        // SQS takes no empty text.
        let texts = texts.into_iter().filter_map(|(name, text)| Some((name, text.filter(|text| !text.is_empty())?)));
        let values = texts.map(|(name, text)| (name, "String", text));
        let values = values.chain([(ATTEMPTS, "Number", self.attempts.to_string())]);
        let written = values.map(|(name, kind, text)| {
            let value = MessageAttributeValue::builder().data_type(kind).string_value(text).build();
            (name.to_owned(), value.expect("a value with its type is whole"))
        });
        written.collect()
    }

    /// A message that was not published by this engine has none: it counts as published when it was `sent`.
    pub(super) fn read(written: &Written, sent: DateTime<Utc>) -> Attributes {
        let text = |name: &str| written.get(name)?.string_value.as_deref();
        let at = |name: &str| Some(DateTime::parse_from_rfc3339(text(name)?).ok()?.to_utc());
        Attributes {
            attempts: text(ATTEMPTS).and_then(|attempts| attempts.parse().ok()).unwrap_or(0),
            published_at: at(PUBLISHED_AT).unwrap_or(sent),
            not_before: at(NOT_BEFORE),
            reason: text(REASON).map(str::to_owned),
            died_at: at(DIED_AT),
            trace_parent: text(TRACE_PARENT).and_then(|parent| parent.parse().ok()),
        }
    }
}

fn time(time: &DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A reason in the characters that SQS takes (SendMessage in its API Reference), no longer than the bound.
fn allowed(text: &str) -> String {
    let is_allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    text.chars().take(REASON_LENGTH_MOST).map(|c| if is_allowed(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_reason(reason: &str) -> Option<String> {
        let written = Attributes { reason: Some(reason.to_owned()), ..Attributes::default() }.write();
        Attributes::read(&written, DateTime::default()).reason
    }

    #[test]
    fn reason_is_written_in_characters_that_sqs_takes() {
        let (reason, expected) = ("a\u{0}b\u{1f}\tc\u{ffff} “é” 🦀", "a\u{fffd}b\u{fffd}\tc\u{fffd} “é” 🦀");
        assert_eq!(of_reason(reason).as_deref(), Some(expected));
    }

    #[test]
    fn empty_reason_is_left_out() {
        assert_eq!(of_reason(""), None);
    }

    #[test]
    fn long_reason_is_cut_short() {
        assert_eq!(of_reason(&"é".repeat(100_000)).unwrap().chars().count(), REASON_LENGTH_MOST);
    }

    #[test]
    fn attributes_that_make_no_sense_count_as_absent() {
        let nonsense = |name: &str| {
            let value = MessageAttributeValue::builder().data_type("String").string_value("nonsense").build().unwrap();
            (name.to_owned(), value)
        };
        let written = [ATTEMPTS, PUBLISHED_AT, NOT_BEFORE, DIED_AT, TRACE_PARENT].map(nonsense).into();
        let sent = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(Attributes::read(&written, sent), Attributes { published_at: sent, ..Attributes::default() });
    }
}
