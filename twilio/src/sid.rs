//! Twilio's identifiers as types: two letters and 32 hex digits (the patterns of Twilio's OpenAPI document).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The text is no SID of the kind that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {prefix} and 32 hex digits")]
pub struct SidError {
    prefix: &'static str,
}

macro_rules! sid {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The SID as Twilio writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = SidError;

            fn from_str(text: &str) -> Result<Self, SidError> {
                let digits = text.strip_prefix($prefix).filter(|digits| digits.len() == 32);
                match digits {
                    Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => Ok($name(text.to_owned())),
                    _ => Err(SidError { prefix: $prefix }),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = SidError;

            fn try_from(text: String) -> Result<Self, SidError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(sid: $name) -> String {
                sid.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

sid!(
    /// An account or subaccount: `AC…`.
    AccountSid,
    "AC"
);
sid!(
    /// A call (for two legs, the parent's): `CA…`.
    CallSid,
    "CA"
);
sid!(
    /// A conference: `CF…`.
    ConferenceSid,
    "CF"
);
sid!(
    /// A recording: `RE…`.
    RecordingSid,
    "RE"
);

/// A phone number as it may be shown: `+14155551234` becomes `+1415****234`; what is short or odd is masked whole.
pub fn mask_phone_number(number: &str) -> String {
    let digits = number.strip_prefix('+').unwrap_or(number);
    if digits.len() < 10 || digits.len() > 15 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return "****".to_owned();
    }
    let plus = if number.len() > digits.len() { "+" } else { "" };
    format!("{plus}{}****{}", &digits[..4], &digits[digits.len() - 3..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sid_needs_its_prefix_and_32_hex_digits() {
        let digits = "0123456789abcdefABCDEF0123456789";
        assert!(format!("RE{digits}").parse::<RecordingSid>().is_ok());
        for wrong in [format!("CA{digits}"), format!("RE{digits}0"), "RE".to_owned(), format!("REg{}", &digits[1..])] {
            assert!(wrong.parse::<RecordingSid>().is_err(), "{wrong}");
        }
        assert!("RE../../../../../etc/passwd0000000".parse::<RecordingSid>().is_err());
    }

    #[test]
    fn phone_number_shows_its_first_four_and_last_three_digits() {
        assert_eq!(mask_phone_number("+14155551234"), "+1415****234");
        for odd in ["", "+1", "anonymous", "sip:alice@example.com", "+1415555123456789", "١٢٣٤٥٦٧٨٩٠١"] {
            assert_eq!(mask_phone_number(odd), "****", "{odd}");
        }
    }
}
