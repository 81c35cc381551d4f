//! The Range header.

use std::ops::Range;

/// Which bytes are asked for, RFC 9110 section 14.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Whole,
    Range(Range<u64>),
    Unsatisfiable,
}

impl Part {
    /// Several ranges, other units and what cannot be read are ignored, as the RFC allows.
    pub(crate) fn asked(header: &str, total: u64) -> Self {
        let Some((first, last)) = header.strip_prefix("bytes=").and_then(|ranges| ranges.split_once('-')) else {
            return Self::Whole;
        };
        match (first.parse::<u64>(), last.parse::<u64>()) {
            (Ok(first), _) if first >= total => Self::Unsatisfiable,
            (Ok(first), Ok(last)) if last >= first => Self::Range(first..total.min(last.saturating_add(1))),
            (Ok(first), Err(_)) if last.is_empty() => Self::Range(first..total),
            (Err(_), Ok(0)) if first.is_empty() => Self::Unsatisfiable,
            (Err(_), Ok(suffix)) if first.is_empty() => Self::Range(total.saturating_sub(suffix)..total),
            _ => Self::Whole,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Part;

    /// The examples of RFC 9110 section 14.1.2, for a file of 10000 bytes, and its edges.
    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        assert_eq!(Part::asked("bytes=0-499", 10_000), Part::Range(0..500));
        assert_eq!(Part::asked("bytes=500-999", 10_000), Part::Range(500..1_000));
        assert_eq!(Part::asked("bytes=-500", 10_000), Part::Range(9_500..10_000));
        assert_eq!(Part::asked("bytes=9500-", 10_000), Part::Range(9_500..10_000));
        assert_eq!(Part::asked("bytes=9999-20000", 10_000), Part::Range(9_999..10_000));
        assert_eq!(Part::asked("bytes=10000-", 10_000), Part::Unsatisfiable);
        assert_eq!(Part::asked("bytes=5-2", 10_000), Part::Whole);
        assert_eq!(Part::asked("bytes=0-1,4-5", 10_000), Part::Whole);
        assert_eq!(Part::asked("lines=0-1", 10_000), Part::Whole);
    }
}
