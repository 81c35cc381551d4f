//! The permit to delete: only the gate makes one, and whoever deletes must hold it.

use chrono::{DateTime, Utc};
use twilio::{AccountSid, RecordingSid};

use crate::claims::Claim;
use crate::policy::Parts;
use crate::row::MediaRow;
use crate::versions::TranscriptRow;

/// What the gate said.
#[derive(Debug)]
pub enum PurgeDecision {
    /// Nothing of it is due.
    NotDue,
    /// It is under a legal hold.
    Held,
    /// There is nothing of it: it is deleted, or Twilio kept no media of it.
    Gone,
    /// Other work on it is under way: ask again when that is done.
    Busy,
    /// Another deletes it now.
    Claimed,
    /// What the permit names is marked, and must go now.
    Granted(PurgePermit),
}

/// What is to be deleted and by which rule, under a claim. It can't be made, copied or kept:
/// [`crate::Catalog::grant_purges`] makes it, and [`crate::Catalog::complete_purges`] takes it back, or
/// [`crate::Catalog::withdraw_purge`] where nothing was deleted. One that is dropped leaves the recording marked, and the
/// next grant names the same things again.
#[derive(Debug)]
pub struct PurgePermit {
    /// With the row as it was before it was marked.
    claim: Claim,
    rule: String,
    parts: Parts,
    media: Option<StoredObject>,
    transcripts: Vec<StoredObject>,
}

/// An object in the vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// Its key.
    pub key: String,
    /// Length of the sealed object; 0 where it was staged only, and may not be there.
    pub sealed_bytes: u64,
    /// SHA-256 of the plain media, lower-case hex; empty of a transcript, and where it was staged only.
    pub sha256: String,
    /// Length of the plain media; 0 of a transcript, and where it was staged only.
    pub bytes: u64,
}

impl PurgePermit {
    pub(crate) fn new(claim: Claim, transcripts: &[TranscriptRow], rule: String, parts: Parts) -> Self {
        let row = claim.row();
        let media = row.media.as_ref().map(MediaRow::stored_object);
        let transcripts = transcripts.iter().filter(|_| parts.transcripts).filter_map(TranscriptRow::stored_object);
        let leftovers = row.leftovers.iter().filter(|_| parts.has_ours()).cloned().map(staged);
        let transcripts = transcripts.chain(leftovers).collect();
        PurgePermit { claim, rule, parts, media, transcripts }
    }

    /// The right to do it, to be kept as long as it takes.
    pub fn claim(&self) -> &Claim {
        &self.claim
    }

    pub(crate) fn parts(&self) -> Parts {
        self.parts
    }

    /// Whether an earlier attempt left the recording marked: it may have deleted something.
    pub(crate) fn was_marked(&self) -> bool {
        self.claim.row().mark.is_some()
    }

    /// The account that owns the recording.
    pub fn account_sid(&self) -> &AccountSid {
        &self.claim.row().account_sid
    }

    /// The recording.
    pub fn recording_sid(&self) -> &RecordingSid {
        self.claim.recording_sid()
    }

    /// When the recording began, as far as that is known; else when it was first heard of.
    pub fn retention_from(&self) -> DateTime<Utc> {
        self.claim.row().retention_from
    }

    /// Whether Twilio ever said that it is deleted there.
    pub fn twilio_said_deleted(&self) -> bool {
        self.claim.row().facts.says_deleted
    }

    /// The rule that chose it: `retention 30 days`, `transcript retention 7 days`, `twilio copy 0 days after archive`,
    /// `erasure: …`.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// Whether Twilio's copy is to go.
    pub fn deletes_twilio_copy(&self) -> bool {
        self.parts.twilio
    }

    /// Our copy of the media, where it is to go; one that was only staged too.
    pub fn media(&self) -> Option<&StoredObject> {
        self.media.as_ref().filter(|_| self.parts.audio)
    }

    /// The transcripts that are to go, ones that were only staged too, and what attempts at other keys may have left
    /// behind.
    pub fn transcripts(&self) -> &[StoredObject] {
        &self.transcripts
    }

    /// Our copy of the media, where it is to stay and Twilio's is to go: see that it is whole first.
    pub fn media_to_verify(&self) -> Option<&StoredObject> {
        self.media.as_ref().filter(|_| self.parts.twilio && !self.parts.audio)
    }
}

fn staged(key: String) -> StoredObject {
    StoredObject { key, sealed_bytes: 0, sha256: String::new(), bytes: 0 }
}
