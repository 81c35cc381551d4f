//! The audit: whether every recording is accounted for, looked at from all sides on a live system.
//!
//! Four looks, one after the other: [`rows`] at every row of the catalog and the objects it names, [`objects`] at every
//! object of the vault, [`listed`] at every recording Twilio lists, [`letters`] at the dead letters. What is found is
//! told at once. Memory holds pages, and the SIDs of what was found.
//!
//! Other processes work meanwhile: what seems wrong is looked at a second time before it is told, and what is young
//! enough to be on its way is not missed.

mod finding;
mod late;
mod letters;
mod listed;
mod objects;
mod repair;
mod rows;
mod standing;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use catalog::{Catalog, Expects, Policy, Span};
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use queue::{Clock, Queue};
use twilio::{AccountSid, RecordingSid};
use vault::{ObjectStore, Vault};

use crate::fault::Fault;

pub use finding::{AuditEntry, AuditSummary, Exception, Finding};

const PAGE: usize = 500;
/// How many objects are asked for at once.
const LOOKS: usize = 32;
/// How many are opened at once.
const OPENS: usize = 4;
/// After so many of anything the log says how far it is.
const PROGRESS: u64 = 20_000;

/// The days on which recordings started, both inclusive, UTC; `None`: all there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AuditWindow {
    /// First day.
    pub since: Option<NaiveDate>,
    /// Last day.
    pub until: Option<NaiveDate>,
}

impl AuditWindow {
    fn span(self) -> Span {
        let begins = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
        let until = self.until.map(|day| day.succ_opt().map_or(DateTime::<Utc>::MAX_UTC, begins));
        Span { since: self.since.map(begins), until }
    }

    fn holds(self, day: NaiveDate) -> bool {
        self.since.is_none_or(|since| day >= since) && self.until.is_none_or(|until| day <= until)
    }
}

/// What an audit looks at, and what it is to do about what it finds.
#[derive(Debug)]
pub struct Audit {
    /// Where dead letters are, and where repairs are published.
    pub queue: Arc<dyn Queue>,
    /// What we know.
    pub catalog: Catalog,
    /// Where our copies are; `None` where nothing was ever put into it.
    pub store: Option<Arc<dyn ObjectStore>>,
    /// Opens every copy too, where it is given.
    pub vault: Option<Vault>,
    /// What Twilio knows.
    pub twilio: twilio::Client,
    /// The accounts to list.
    pub accounts: Vec<AccountSid>,
    /// What falls due when.
    pub policy: Policy,
    /// Which steps a recording is expected to take.
    pub expects: Expects,
    /// Without movement for this long, unfinished work counts as stuck.
    pub stuck_after: Duration,
    /// What two retention sweeps at this distance have not removed is overdue.
    pub retention_every: Duration,
    /// Which recordings to look at.
    pub window: AuditWindow,
    /// Whether what heals is done.
    pub repairs: bool,
    /// In whose name the audit log says what was repaired.
    pub actor: String,
    /// The one clock.
    pub clock: Clock,
}

impl Audit {
    /// Looks at everything, tells `tell` of each thing as it is found, and returns what there was. Nothing is changed
    /// unless it repairs; then what was done is in the audit log. Safe to run at any time and in several places at
    /// once.
    ///
    /// # Errors
    /// The first thing that could not be looked at: nothing is proven then. What was told stands.
    pub async fn run(&self, tell: &mut (dyn FnMut(&AuditEntry) + Send)) -> Result<AuditSummary, Fault> {
        let mut run = Run { audit: self, tell, summary: AuditSummary::default(), excepted: HashSet::new() };
        run.look_at_rows().await?;
        run.look_at_objects().await?;
        run.look_at_twilio().await?;
        run.look_at_letters().await?;
        let mut summary = run.summary;
        summary.accounted_for = summary.recordings.saturating_sub(run.excepted.len() as u64);
        Ok(summary)
    }

    /// What was due by then, two retention sweeps had the time to remove.
    fn overdue_since(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now - self.retention_every * 2
    }

    /// What has not moved since then, and had to, is stuck.
    fn stuck_before(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now - TimeDelta::from_std(self.stuck_after).unwrap_or(TimeDelta::zero())
    }
}

/// An audit under way.
struct Run<'a> {
    audit: &'a Audit,
    tell: &'a mut (dyn FnMut(&AuditEntry) + Send),
    summary: AuditSummary,
    /// Of the recordings that are counted, those of which something is wrong.
    excepted: HashSet<RecordingSid>,
}

impl Run<'_> {
    async fn found(&mut self, mut finding: Finding) -> Result<(), Fault> {
        self.summary.exceptions += 1;
        if let Some(sid) = &finding.recording_sid
            && finding.exception.is_of_a_counted_recording()
        {
            self.excepted.insert(sid.clone());
        }
        if self.audit.repairs {
            let repaired = self.audit.repair(&finding).await?;
            self.summary.repaired += u64::from(repaired.is_done);
            finding.repair = repaired.what;
        }
        (self.tell)(&AuditEntry::Exception(finding));
        Ok(())
    }
}

impl fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("summary", &self.summary).finish_non_exhaustive()
    }
}

/// Says on standard error how far a long look is.
fn progress(what: &str, count: u64, more: u64) {
    if count / PROGRESS != (count - more) / PROGRESS {
        tracing::info!(count, "audit: {what}");
    }
}

#[cfg(test)]
mod tests;
