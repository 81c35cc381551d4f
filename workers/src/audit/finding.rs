//! What an audit says.

use std::collections::BTreeMap;

use catalog::{MediaRow, Status, Work};
use queue::Job;
use serde::Serialize;
use twilio::RecordingSid;
use vault::ObjectKey;

/// In which way something is not as it should be. The words are a public contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Exception {
    /// Twilio lists it, and the catalog does not know it.
    UnknownToCatalog,
    /// It ended here without media, and Twilio has some.
    BehindTwilio,
    /// The catalog says that Twilio's copy is deleted, and Twilio has it.
    StillAtTwilio,
    /// It lacks a step, and nothing moved it for a while.
    Stuck,
    /// Something of it is past its date, and not held.
    Overdue,
    /// It failed, and nothing says why.
    FailedWithoutReason,
    /// It is deleted, and nothing says by which rule.
    DeletedWithoutRule,
    /// Our copy is gone or damaged; Twilio has its own.
    MediaBroken,
    /// Our copy is gone or damaged, and Twilio has none.
    MediaLost,
    /// A transcript is gone or damaged, and can be made anew.
    TranscriptBroken,
    /// A transcript is gone or damaged, and cannot be made anew as things are.
    TranscriptLost,
    /// An object that no row names, of a recording the catalog knows.
    Stray,
    /// An object of a recording the catalog does not know.
    UnknownObject,
    /// What broken-off writes left behind, and no sweep cleared away.
    UnfinishedWrites,
    /// A dead letter that does not say why.
    DeadLetterWithoutReason,
    /// A dead letter of a recording the catalog does not know.
    UnknownDeadLetter,
}

impl Exception {
    /// Whether it is one of the recordings that are counted that is not accounted for.
    pub(super) fn is_of_a_counted_recording(self) -> bool {
        !matches!(self, Exception::UnknownObject | Exception::UnknownDeadLetter | Exception::UnfinishedWrites)
    }
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// In which way.
    pub exception: Exception,
    /// The recording.
    pub recording_sid: Option<RecordingSid>,
    /// What is wrong.
    pub what: String,
    /// What heals it, or that nothing here does.
    pub heals: String,
    /// What was done about it in this run; `None` where nothing was asked for or can be done.
    pub repair: Option<String>,
    #[serde(skip)]
    pub(super) heal: Heal,
}

/// What a repair does.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Heal {
    /// Nothing.
    None,
    /// Queues the job.
    Queue(Box<Job>),
    /// Takes in what Twilio listed, and queues its archive.
    TakeIn(Box<Job>),
    /// Sets the media back and queues its archive, where it is still the one that was looked at.
    ArchiveAgain(Box<MediaRow>),
    /// Asks for a version in this one's place and queues it.
    TranscribeAgain {
        /// The broken one.
        version: u32,
    },
    /// Removes an object that was written after its deletion.
    RemoveStray(Work, ObjectKey),
    /// Clears away what broken-off writes left.
    SweepUnfinished,
}

impl Finding {
    pub(super) fn new(
        exception: Exception,
        sid: Option<&RecordingSid>,
        what: impl Into<String>,
        (heal, heals): (Heal, impl Into<String>),
    ) -> Self {
        let (what, heals) = (what.into(), heals.into());
        Finding { exception, recording_sid: sid.cloned(), what, heals, repair: None, heal }
    }
}

/// One line of what an audit tells while it looks.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum AuditEntry {
    /// Not as it should be.
    Exception(Finding),
    /// A recording that failed for a reason: accounted for, and yet an operator's to look at.
    Failed {
        /// Which.
        failed: RecordingSid,
        /// Its reason, and whether its media is ours.
        what: String,
    },
}

/// What an audit saw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AuditSummary {
    /// Recordings anyone told us of: the catalog's rows, and what Twilio lists beyond them.
    pub recordings: u64,
    /// Of those, the ones of which nothing is wrong.
    pub accounted_for: u64,
    /// Exceptions; one recording may have several, and some are of none.
    pub exceptions: u64,
    /// Exceptions about which something was done in this run.
    pub repaired: u64,
    /// The catalog's rows by status.
    pub by_status: BTreeMap<Status, u64>,
    /// Of the rows, those that are on their way: their next step is not taken yet, and not late.
    pub in_motion: u64,
    /// Recordings Twilio listed.
    pub listed: u64,
    /// Of those, the ones that are not finished, or finished so lately that their callback may be on its way.
    pub unfinished: u64,
    /// Objects the vault listed.
    pub objects: u64,
    /// Dead letters, all of whose reasons are known unless an exception says otherwise.
    pub dead_letters: u64,
}
