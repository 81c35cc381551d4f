//! The simulated accounts' recordings, in memory, as Twilio keeps them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, TimeDelta, Utc};
use twilio::{AccountSid, CallSid, ConferenceSid, RecordingSid};

use crate::encryption::Encrypted;
use crate::media::Media;
use crate::synthetic::Synthetic;
use crate::{CallPlan, MediaPlan, clips, derive};

/// More recordings than this push the oldest out, so that memory stays bounded.
const RECORDINGS_MAX: usize = 1_000_000;

/// How long the metadata of a deleted recording can still be read.
const TOMBSTONE: TimeDelta = TimeDelta::days(40);

/// Statuses of a recording that is not finished, which have neither media nor a duration.
const UNFINISHED: [&str; 4] = ["in-progress", "paused", "stopped", "processing"];

/// A recording as Twilio holds it.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    pub(crate) sid: RecordingSid,
    pub(crate) account_sid: AccountSid,
    pub(crate) index: u64,
    pub(crate) call_sid: Option<CallSid>,
    pub(crate) conference_sid: Option<ConferenceSid>,
    pub(crate) status: String,
    pub(crate) source: &'static str,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) deleted_at: Option<DateTime<Utc>>,
    pub(crate) error_code: u32,
    /// What was recorded. It stays for comparing after a delete; [`media`](Self::media) is what Twilio still has.
    pub(crate) recorded: Option<Media>,
    pub(crate) sha256: Arc<OnceLock<String>>,
}

impl Recording {
    fn new(plan: &CallPlan, seed: u64, account_sid: AccountSid) -> Self {
        let is_conference = plan.is_conference || plan.source == "Conference";
        let (status, error_code) = match plan.media {
            MediaPlan::Absent { code } => ("absent", code),
            MediaPlan::Failed { code } => ("failed", code),
            MediaPlan::Clip(_) | MediaPlan::Synthetic { .. } | MediaPlan::Encrypted => ("completed", 0),
        };
        Self {
            sid: derive::recording_sid(seed, plan.index),
            account_sid,
            index: plan.index,
            call_sid: (!is_conference).then(|| derive::call_sid(seed, plan.index)),
            conference_sid: is_conference.then(|| derive::conference_sid(seed, plan.index)),
            status: status.to_owned(),
            source: plan.source,
            started_at: plan.started_at,
            deleted_at: None,
            error_code,
            recorded: recorded(plan, seed),
            sha256: Arc::default(),
        }
    }

    /// What Twilio can serve of it now.
    pub(crate) fn media(&self) -> Option<&Media> {
        self.recorded.as_ref().filter(|_| self.status == "completed")
    }

    /// 1 where nothing was recorded.
    pub(crate) fn channels(&self) -> u8 {
        self.recorded.as_ref().map_or(1, Media::channels)
    }

    /// Whole seconds, rounded as Twilio does; `None` until it is finished.
    pub(crate) fn duration_secs(&self) -> Option<u64> {
        let is_finished = !UNFINISHED.contains(&self.status.as_str());
        is_finished.then(|| self.recorded.as_ref().map_or(0, |media| media.duration_secs().round() as u64))
    }

    /// SHA-256 of the WAV as served, computed at first use: about a second for two gigabytes.
    pub(crate) fn sha256(&self) -> Option<&str> {
        let media = self.recorded.as_ref()?;
        Some(self.sha256.get_or_init(|| media.wav().sha256()))
    }

    fn is_visible(&self, with_deleted: bool, now: DateTime<Utc>) -> bool {
        self.deleted_at.is_none_or(|deleted_at| with_deleted && now < deleted_at + TOMBSTONE)
    }
}

fn recorded(plan: &CallPlan, seed: u64) -> Option<Media> {
    let clip = |index: usize| &clips()[index % clips().len()];
    match plan.media {
        MediaPlan::Clip(index) => Some(Media::Clip(clip(index))),
        MediaPlan::Synthetic { bytes } => {
            Some(Media::Synthetic(Synthetic::new(derive::mix(seed ^ derive::mix(plan.index)), bytes)))
        }
        MediaPlan::Encrypted => {
            let clip = clip(usize::try_from(plan.index % clips().len() as u64).unwrap_or(0));
            Some(Media::Encrypted(Encrypted::new(clip, seed, plan.index)))
        }
        MediaPlan::Absent { .. } | MediaPlan::Failed { .. } => None,
    }
}

/// Which recordings a list request asks for.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) account_sid: AccountSid,
    pub(crate) not_before: Option<DateTime<Utc>>,
    pub(crate) not_after: Option<DateTime<Utc>>,
    /// Exclusive, for a whole day.
    pub(crate) before: Option<DateTime<Utc>>,
    pub(crate) call_sid: Option<String>,
    pub(crate) conference_sid: Option<String>,
    pub(crate) with_deleted: bool,
}

impl Filter {
    /// Nothing newer matches.
    fn newest(&self) -> Option<DateTime<Utc>> {
        self.not_after.into_iter().chain(self.before).min()
    }

    fn matches(&self, recording: &Recording, now: DateTime<Utc>) -> bool {
        let created = recording.started_at;
        self.not_before.is_none_or(|bound| created >= bound)
            && self.not_after.is_none_or(|bound| created <= bound)
            && self.before.is_none_or(|bound| created < bound)
            && self
                .call_sid
                .as_deref()
                .is_none_or(|sid| recording.call_sid.as_ref().is_some_and(|own| own.as_str() == sid))
            && self
                .conference_sid
                .as_deref()
                .is_none_or(|sid| recording.conference_sid.as_ref().is_some_and(|own| own.as_str() == sid))
            && recording.account_sid == self.account_sid
            && recording.is_visible(self.with_deleted, now)
    }
}

/// What became of a delete.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Deletion {
    Deleted,
    NotFound,
    NotCompleted,
}

fn first_sid() -> RecordingSid {
    format!("RE{}", "0".repeat(32)).parse().expect("RE and 32 hex digits are a RecordingSid")
}

type Position = (Reverse<DateTime<Utc>>, RecordingSid);

/// All recordings, newest first.
#[derive(Debug, Default)]
pub(crate) struct Account {
    by_sid: HashMap<RecordingSid, Recording>,
    newest_first: BTreeMap<Position, ()>,
}

impl Account {
    /// Adds the recording of a plan. An index that is there already stays as it is: the call was placed before.
    pub(crate) fn add(&mut self, plan: &CallPlan, seed: u64, account_sid: &AccountSid) -> Recording {
        if let Some(known) = self.by_sid.get(&derive::recording_sid(seed, plan.index)) {
            return known.clone();
        }
        if self.by_sid.len() >= RECORDINGS_MAX
            && let Some(((_, sid), ())) = self.newest_first.pop_last()
        {
            self.by_sid.remove(&sid);
        }
        let recording = Recording::new(plan, seed, account_sid.clone());
        self.newest_first.insert((Reverse(recording.started_at), recording.sid.clone()), ());
        self.by_sid.insert(recording.sid.clone(), recording.clone());
        recording
    }

    /// As `GET Recordings/{RE}` sees it.
    pub(crate) fn find(&self, sid: &RecordingSid, with_deleted: bool, now: DateTime<Utc>) -> Option<&Recording> {
        self.by_sid.get(sid).filter(|recording| recording.is_visible(with_deleted, now))
    }

    /// Whatever its state.
    pub(crate) fn get(&self, sid: &RecordingSid) -> Option<&Recording> {
        self.by_sid.get(sid)
    }

    /// Gives a recording another status; false where there is no such recording.
    pub(crate) fn set_status(&mut self, sid: &RecordingSid, status: &str) -> bool {
        let recording = self.by_sid.get_mut(sid);
        recording.map(|recording| recording.status = status.to_owned()).is_some()
    }

    /// Only completed recordings can be deleted; a deleted one is not found.
    pub(crate) fn delete(&mut self, sid: &RecordingSid, now: DateTime<Utc>) -> Deletion {
        match self.by_sid.get_mut(sid) {
            None => Deletion::NotFound,
            Some(recording) if recording.deleted_at.is_some() => Deletion::NotFound,
            Some(recording) if recording.status != "completed" => Deletion::NotCompleted,
            Some(recording) => {
                recording.status = "deleted".to_owned();
                recording.deleted_at = Some(now);
                Deletion::Deleted
            }
        }
    }

    /// Up to `size` recordings, newest first, that come after `cursor` and `skip` more; and whether others follow.
    pub(crate) fn page(
        &self,
        filter: &Filter,
        cursor: Option<&RecordingSid>,
        skip: usize,
        size: usize,
        now: DateTime<Utc>,
    ) -> (Vec<&Recording>, bool) {
        let after =
            cursor.and_then(|sid| self.by_sid.get(sid)).map(|last| (Reverse(last.started_at), last.sid.clone()));
        let bound = match (after, filter.newest()) {
            (Some(position), _) => Bound::Excluded(position),
            // No SID is before this.
            (None, Some(newest)) => Bound::Included((Reverse(newest), first_sid())),
            (None, None) => Bound::Unbounded,
        };
        let mut rows = self
            .newest_first
            .range((bound, Bound::Unbounded))
            .take_while(|((Reverse(created), _), ())| filter.not_before.is_none_or(|oldest| *created >= oldest))
            .filter_map(|((_, sid), ())| self.by_sid.get(sid))
            .filter(|recording| filter.matches(recording, now))
            .skip(skip);
        let page: Vec<_> = rows.by_ref().take(size).collect();
        let has_more = rows.next().is_some();
        (page, has_more)
    }

    /// Every recording by its index.
    pub(crate) fn all(&self) -> Vec<Recording> {
        let mut all: Vec<_> = self.by_sid.values().cloned().collect();
        all.sort_by_key(|recording| recording.index);
        all
    }
}
