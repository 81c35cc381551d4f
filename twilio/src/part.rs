//! Which media an answer holds, and from where on (RFC 9110, 8.6, 8.8.3, 14.4 and 15.3.7).

use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue};
use reqwest::{Response, StatusCode};

/// What tells media from other media. `None` where nothing was said of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Of the whole, in bytes.
    pub(crate) length: Option<u64>,
    content_type: Option<HeaderValue>,
    etag: Option<HeaderValue>,
}

impl Identity {
    /// What two answers say together; `None` where they contradict each other.
    pub(crate) fn agreed(self, other: Identity) -> Option<Identity> {
        fn agreed<T: PartialEq>(one: Option<T>, other: Option<T>) -> Option<Option<T>> {
            let is_contradiction = one.is_some() && other.is_some() && one != other;
            (!is_contradiction).then(|| one.or(other))
        }
        Some(Identity {
            length: agreed(self.length, other.length)?,
            content_type: agreed(self.content_type, other.content_type)?,
            etag: agreed(self.etag, other.etag)?,
        })
    }
}

/// The bytes from one place to the end of the answer's body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// The first byte's place in the whole.
    pub(crate) first: u64,
    /// The whole it is of.
    pub(crate) of: Identity,
}

impl Part {
    /// `None` where a partial answer does not say which part it is, or contradicts itself.
    pub(crate) fn in_answer(response: &Response) -> Option<Part> {
        let header = |name| response.headers().get(name).cloned();
        let (first, length) = match response.status() {
            StatusCode::PARTIAL_CONTENT => {
                let range = ContentRange::parse(response.headers().get(CONTENT_RANGE)?.to_str().ok()?)?;
                let is_right = response.content_length().is_none_or(|length| length == range.bytes());
                is_right.then_some((range.first, range.total))?
            }
            _ => (0, response.content_length()),
        };
        Some(Part { first, of: Identity { length, content_type: header(CONTENT_TYPE), etag: header(ETAG) } })
    }
}

/// `bytes 100-199/200`, or `bytes 100-199/*` where the whole's length is not known.
#[derive(Debug, PartialEq, Eq)]
struct ContentRange {
    first: u64,
    last: u64,
    total: Option<u64>,
}

impl ContentRange {
    fn parse(text: &str) -> Option<ContentRange> {
        let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let total = if total == "*" { None } else { Some(total.parse().ok()?) };
        let range = ContentRange { first: first.parse().ok()?, last: last.parse().ok()?, total };
        let is_right = range.first <= range.last && range.total.is_none_or(|total| range.last < total);
        is_right.then_some(range)
    }

    fn bytes(&self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 9110, 14.4, and what it calls invalid.
    #[test]
    fn content_range_is_read_as_the_rfc_says() {
        let range = |first, last, total| Some(ContentRange { first, last, total });
        assert_eq!(ContentRange::parse("bytes 42-1233/1234"), range(42, 1233, Some(1234)));
        assert_eq!(ContentRange::parse("bytes 42-1233/*"), range(42, 1233, None));
        let invalid = ["bytes */1234", "bytes 9-8/10", "bytes 0-10/10", "pages 0-9/10", "bytes 0-9", "bytes -9/10", ""];
        assert!(invalid.into_iter().all(|text| ContentRange::parse(text).is_none()));
        assert_eq!(ContentRange::parse("bytes 0-18446744073709551615/*").unwrap().bytes(), u64::MAX);
    }
}
