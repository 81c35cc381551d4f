//! Where a row stands, by what the catalog alone knows of it.

use catalog::{Expects, RecordingRow, Status, Stuck, StuckWork, TranscriptRow};
use queue::Job;

use super::finding::{Exception, Finding, Heal};
use crate::stuck;

/// A row, and what the sweeps would say of it.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) row: RecordingRow,
    pub(super) transcripts: Vec<TranscriptRow>,
    pub(super) stuck: Vec<StuckWork>,
    pub(super) is_overdue: bool,
}

/// How a row ended, if it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// In exactly one of the ends there are.
    Final,
    /// It failed, for this reason.
    Failed(String),
    /// Its next step is not taken yet.
    InMotion,
}

impl Seen {
    /// Where it stands, and what of that is wrong.
    pub(super) fn standing(&self, expects: Expects) -> (Standing, Vec<Finding>) {
        let mut findings = self.late();
        let standing = match self.row.status {
            Status::Deleted => {
                if self.row.deleted_by.is_none() {
                    let heals = "nothing here: the audit log may tell who deleted it";
                    let what = "it is deleted, and no rule is named";
                    findings.push(self.finding(Exception::DeletedWithoutRule, what, (Heal::None, heals)));
                }
                Standing::Final
            }
            Status::Absent => Standing::Final,
            Status::Failed => self.failed(&mut findings),
            Status::Received | Status::Archived | Status::Transcribed => {
                let lacks = self.row.lacks(&self.transcripts, expects);
                findings.extend(self.given_up(&lacks));
                if lacks.is_empty() { Standing::Final } else { Standing::InMotion }
            }
        };
        let standing = if self.row.is_marked { Standing::InMotion } else { standing };
        (standing, findings)
    }

    /// What the sweeps find: past its date, or without a step that should have been taken by now.
    fn late(&self) -> Vec<Finding> {
        let mut late = Vec::new();
        if self.is_overdue {
            let job = self.job(StuckWork::Purge);
            let why = self.row.error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
            let what = format!("something of it is past its date, and not held{why}");
            let heals = "its purge, which the retention sweep queues";
            late.push(self.finding(Exception::Overdue, &what, (Heal::Queue(job.into()), heals)));
        }
        // What is overdue has its purge named already.
        for missing in self.stuck.iter().filter(|missing| !(self.is_overdue && **missing == StuckWork::Purge)) {
            let what = format!("{}, and stuck: it lacks {}", self.row.status, named(*missing));
            let heals = "the job it lacks, which reconcile queues; if it is in the queue, workers that take it";
            let heal = (Heal::Queue(self.job(*missing).into()), heals);
            late.push(self.finding(Exception::Stuck, &what, heal));
        }
        late
    }

    fn failed(&self, findings: &mut Vec<Finding>) -> Standing {
        if let Some(reason) = &self.row.error {
            return Standing::Failed(reason.clone());
        }
        let heals = "its dead letter, if there is one: callvault queue dead, then callvault queue redrive";
        let what = "it failed, and nothing says why";
        findings.push(self.finding(Exception::FailedWithoutReason, what, (Heal::None, heals)));
        Standing::Final
    }

    /// No sweep takes up what has an error noted: it waits for an operator, without being called failed. What is
    /// overdue is to be deleted, and has its error named already.
    fn given_up(&self, lacks: &[StuckWork]) -> Vec<Finding> {
        let Some(error) = self.row.error.as_ref().filter(|_| !self.is_overdue) else { return Vec::new() };
        let given_up = lacks.iter().map(|missing| {
            let what = format!("{}, and stands still: it lacks {}: {error}", self.row.status, named(*missing));
            let heals = "the job it lacks, once the cause is mended";
            self.finding(Exception::Stuck, &what, (Heal::Queue(self.job(*missing).into()), heals))
        });
        given_up.collect()
    }

    pub(super) fn job(&self, missing: StuckWork) -> Job {
        stuck::job(Stuck { row: self.row.clone(), missing })
    }

    pub(super) fn finding(&self, exception: Exception, what: &str, heal: (Heal, impl Into<String>)) -> Finding {
        Finding::new(exception, Some(&self.row.recording_sid), what, heal)
    }
}

fn named(missing: StuckWork) -> String {
    match missing {
        StuckWork::Archive => "its archive".to_owned(),
        StuckWork::Transcribe { version } => format!("version {version} of its transcript"),
        StuckWork::Deliver { version } => format!("the delivery of version {version} of its transcript"),
        StuckWork::Purge => "its purge, which was begun".to_owned(),
    }
}
