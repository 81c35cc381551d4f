//! Closed sets of words, kept as text in the database and shown as text to people.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A word that is not one of the set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is not one of {known}")]
pub struct UnknownWord {
    word: String,
    known: String,
}

/// An enum whose variants are words: `as_str`, `Display`, `FromStr`, serde, and `ALL` in order.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every one, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word for it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                Self::ALL.iter().copied().find(|known| known.as_str() == word).ok_or_else(|| UnknownWord {
                    word: word.chars().take(40).collect(),
                    known: [$($word),+].join(", "),
                })
            }
        }
    };
}

words! {
    /// Where a recording stands.
    Status {
        /// Heard of; its media is not archived yet.
        Received = "received",
        /// Its media is stored and verified.
        Archived = "archived",
        /// A version of its transcript is stored.
        Transcribed = "transcribed",
        /// Twilio kept no media of it. Final, unless Twilio says otherwise.
        Absent = "absent",
        /// A dead letter, or failed at Twilio; its error says why.
        Failed = "failed",
        /// A tombstone. Final.
        Deleted = "deleted",
    }
}

words! {
    /// The kinds of work that are done under a [`crate::Claim`].
    Work {
        /// Fetching and storing media.
        Archive = "archive",
        /// Making a version of the transcript.
        Transcribe = "transcribe",
        /// Handing a version of the transcript on.
        Deliver = "deliver",
        /// Deleting.
        Purge = "purge",
    }
}

words! {
    /// The sweeps that run on a schedule.
    Schedule {
        /// Finding what is past its date.
        Retention = "retention",
        /// Finding what is missing or stuck.
        Reconcile = "reconcile",
        /// Taking in old recordings, which may last for days: reconcile goes on meanwhile.
        Backfill = "backfill",
    }
}

words! {
    /// How far our copy of the media is.
    MediaState {
        /// Announced: its object may or may not be there.
        Staged = "staged",
        /// There, every byte of it verified.
        Stored = "stored",
    }
}

words! {
    /// How far a version of a transcript is.
    TranscriptState {
        /// An operator asked for it.
        Requested = "requested",
        /// Announced: its object may or may not be there.
        Staged = "staged",
        /// Made. Where its object is unknown, it was deleted since.
        Stored = "stored",
    }
}
