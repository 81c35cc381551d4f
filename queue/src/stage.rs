//! The steps of a recording's way.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A stage; its jobs wait in lanes of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Twilio's media into the vault.
    Archive,
    /// The vault's media through the transcriber.
    Transcribe,
    /// The transcript to the owner's system.
    Deliver,
    /// Deletion everywhere.
    Purge,
}

impl Stage {
    /// All stages, in the order a recording takes them.
    pub const ALL: [Stage; 4] = [Stage::Archive, Stage::Transcribe, Stage::Deliver, Stage::Purge];

    /// Its name, in settings, metrics and engines.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Archive => "archive",
            Stage::Transcribe => "transcribe",
            Stage::Deliver => "deliver",
            Stage::Purge => "purge",
        }
    }

    /// Whether old recordings have a lane of their own in it. A deletion is due on its day, whosever it is.
    pub const fn has_backfill(self) -> bool {
        !matches!(self, Stage::Purge)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected archive, transcribe, deliver or purge")]
pub struct UnknownStage;

impl FromStr for Stage {
    type Err = UnknownStage;

    fn from_str(text: &str) -> Result<Stage, UnknownStage> {
        Stage::ALL.into_iter().find(|stage| stage.as_str() == text).ok_or(UnknownStage)
    }
}
