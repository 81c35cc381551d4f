//! Backfill: old recordings, from Twilio's list into the backfill lane, from the oldest day to the newest.
//!
//! The lists of several accounts are read in turns, a page each, and no further while the lane is full: so no account's
//! past stands in front of another's, and the queue holds little of it. A day that is through is written down, and a
//! backfill that was broken off goes on from there; of the day it was at, it finds most known already.

use std::collections::VecDeque;
use std::time::Duration;

use catalog::BackfillDays;
use chrono::{DateTime, Days, NaiveDate, Utc};
use queue::Stage;
use tokio::time::Instant;
use twilio::{AccountSid, Recording, RecordingPages, TwilioErrorKind};

use crate::fault::Fault;
use crate::reconcile::{PAGE, ReconcileReport, Reconciler};

/// Jobs that a backfill lets wait in the archive's backfill lane.
pub(crate) const WAITING_MOST: u64 = 1_000;
/// While workers are behind, the lane is looked at again after this, and then after twice as long each time.
const LOOK_FIRST: Duration = Duration::from_millis(100);
const LOOK_MOST: Duration = Duration::from_secs(5);
/// Longest wait for the limits of an account's: others have their turn meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);
/// Faults of an account in a row, pauses between them included: over a quarter of an hour.
const FAULTS_MOST: u32 = 20;
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MOST: Duration = Duration::from_secs(60);
/// Most days that are asked for at once, where few recordings were made.
const SPAN_DAYS_MOST: u64 = 32;
/// What Twilio puts on a page.
const LISTED_PAGE: u64 = 1_000;

/// How far a backfill is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BackfillProgress {
    /// Days to read, of all accounts together.
    pub days: u64,
    /// Of these, the ones that are through.
    pub days_done: u64,
    /// Of these, the ones that an earlier run was through with.
    pub days_done_before: u64,
    /// What was found so far.
    pub report: ReconcileReport,
    /// Jobs that wait in the lane, where it is full and workers are waited for.
    pub waiting: Option<u64>,
}

/// One account's way through its days.
struct Way {
    days: BackfillDays,
    /// The first day that is not through.
    next: NaiveDate,
    /// Days to ask for at once.
    span_days: u64,
    /// The days that are being read.
    reading: Option<Reading>,
    /// Pages taken of these days, at the most of any try.
    furthest: u32,
    /// Faults since a page was taken that was further on than any before.
    faults: u32,
    not_before: Instant,
}

struct Reading {
    pages: RecordingPages,
    last_day: NaiveDate,
    listed: u64,
    pages_taken: u32,
}

/// A run over all accounts.
struct Run<'a> {
    reconciler: Reconciler,
    began_at: DateTime<Utc>,
    began: Instant,
    until: Option<NaiveDate>,
    progress: BackfillProgress,
    tell: &'a (dyn Fn(&BackfillProgress) + Sync),
}

impl Reconciler {
    /// Reads the days from `since` on of every account's list. A dry run reads all of them; every other goes on where one
    /// over the same days was broken off, unless it is to do all again.
    pub(crate) async fn backfill(
        &self,
        since: NaiveDate,
        until: Option<NaiveDate>,
        now: DateTime<Utc>,
        report: &mut ReconcileReport,
        tell: &(dyn Fn(&BackfillProgress) + Sync),
    ) -> Result<(), Fault> {
        let reconciler = Reconciler { twilio: self.twilio.clone().with_patience(PATIENCE), ..self.clone() };
        let progress = BackfillProgress::default();
        let mut run = Run { reconciler, began_at: now, began: Instant::now(), until, progress, tell };
        let done = run.all(since).await;
        *report = run.progress.report;
        done
    }
}

impl Run<'_> {
    fn now(&self) -> DateTime<Utc> {
        self.began_at + self.began.elapsed()
    }

    fn last_day(&self) -> NaiveDate {
        self.until.unwrap_or_else(|| self.now().date_naive())
    }

    async fn all(&mut self, since: NaiveDate) -> Result<(), Fault> {
        let mut ways = VecDeque::new();
        for account in self.reconciler.accounts.clone() {
            let way = self.begin(account, since).await?;
            let done = days_between(since, way.next);
            self.progress.days += days_between(since, self.last_day()) + 1;
            self.progress.days_done += done;
            self.progress.days_done_before += done;
            ways.push_back(way);
        }
        let all: Vec<BackfillDays> = ways.iter().map(|way| way.days.clone()).collect();
        let mut done = Ok(());
        while let Some(mut way) = next_turn(&mut ways).await {
            match self.step(&mut way).await {
                Ok(true) => ways.push_back(way),
                Ok(false) => {}
                Err(error) => {
                    let (account, day) = (way.days.account.as_str(), way.next);
                    tracing::warn!(account.sid = account, %day, %error, "backfill broken off: run it again to go on");
                    done = done.and(Err(error));
                }
            }
            (self.tell)(&self.progress);
        }
        done?;
        // Only once all are through: one that goes on later must not begin anew with those that were.
        for days in &all {
            self.write_down(days, None).await?;
        }
        Ok(())
    }

    async fn begin(&self, account: AccountSid, since: NaiveDate) -> Result<Way, Fault> {
        let days = BackfillDays { account, since, until: self.until };
        let next = match self.reconciler.mode {
            crate::SweepMode::Regular => self.reconciler.catalog.backfill_goes_on_from(&days).await?,
            crate::SweepMode::DryRun | crate::SweepMode::Again => None,
        };
        if let Some(next) = next {
            tracing::info!(account.sid = days.account.as_str(), day = %next, "backfill goes on where it was broken off");
        }
        let next = next.map_or(since, |next| next.max(since));
        Ok(Way { days, next, span_days: 1, reading: None, furthest: 0, faults: 0, not_before: Instant::now() })
    }

    /// A page of an account's, or the end of the days it was at; `false` at the end of its last.
    async fn step(&mut self, way: &mut Way) -> Result<bool, Fault> {
        let last_day = self.last_day();
        if way.next > last_day {
            return Ok(false);
        }
        let twilio = &self.reconciler.twilio;
        let reading = way.reading.get_or_insert_with(|| {
            let last_day = (way.next + Days::new(way.span_days - 1)).min(last_day);
            let pages = twilio.recording_pages(&way.days.account, Some(way.next), Some(last_day));
            Reading { pages, last_day, listed: 0, pages_taken: 0 }
        });
        let fault = match reading.pages.next().await {
            Ok(Some(page)) => {
                reading.listed += page.len() as u64;
                match self.take_page(page).await {
                    Ok(()) => {
                        way.is_further();
                        return Ok(true);
                    }
                    // What of it was not taken in, its days tell again.
                    Err(fault) => {
                        way.reading = None;
                        fault
                    }
                }
            }
            Ok(None) => {
                self.end_days(way).await?;
                return Ok(true);
            }
            // Where a page was, Twilio may forget.
            Err(error) if is_lost(error.kind) && reading.listed > 0 => {
                way.reading = None;
                Fault::Transient(error.to_string())
            }
            Err(error) => error.into(),
        };
        way.pause(fault).map(|()| true)
    }

    /// The days that were read are through. The fewer recordings were made in them, the more days are read at once next.
    async fn end_days(&mut self, way: &mut Way) -> Result<(), Fault> {
        let Some(Reading { last_day, listed, .. }) = way.reading.take() else { return Ok(()) };
        let next = last_day + Days::new(1);
        way.span_days = match listed {
            few if few <= LISTED_PAGE / 2 => (way.span_days * 2).min(SPAN_DAYS_MOST),
            many if many > LISTED_PAGE => (way.span_days / 2).max(1),
            _ => way.span_days,
        };
        self.progress.days_done += days_between(way.next, next);
        (way.next, way.furthest, way.faults) = (next, 0, 0);
        // A day that is not over has more to tell, and what was still recorded on the one before ends today.
        let yesterday = self.now().date_naive() - Days::new(1);
        self.write_down(&way.days, Some(next.min(yesterday))).await
    }

    async fn write_down(&self, days: &BackfillDays, next: Option<NaiveDate>) -> Result<(), Fault> {
        if !self.reconciler.mode.is_dry_run() {
            self.reconciler.catalog.move_backfill(days, next).await?;
        }
        Ok(())
    }

    async fn take_page(&mut self, page: Vec<Recording>) -> Result<(), Fault> {
        let now = self.now();
        let news = self.reconciler.news(page, now, &mut self.progress.report).await?;
        for part in news.chunks(PAGE) {
            self.room().await?;
            let now = self.now();
            self.reconciler.take_in(part.to_vec(), true, now, &mut self.progress.report).await?;
        }
        Ok(())
    }

    /// Waits until the lane takes another part of a page.
    async fn room(&mut self) -> Result<(), Fault> {
        let mut pause = LOOK_FIRST;
        while !self.reconciler.mode.is_dry_run() {
            let waiting = self.reconciler.queue.depth(Stage::Archive).await?.backfill;
            if waiting + PAGE as u64 <= WAITING_MOST {
                break;
            }
            self.progress.waiting = Some(waiting);
            (self.tell)(&self.progress);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_MOST);
        }
        self.progress.waiting = None;
        Ok(())
    }
}

impl Way {
    /// A page was taken. Only one further on than any before in these days shows that what failed is over.
    fn is_further(&mut self) {
        let Some(reading) = &mut self.reading else { return };
        reading.pages_taken += 1;
        if reading.pages_taken > self.furthest {
            self.furthest = reading.pages_taken;
            self.faults = 0;
        }
    }

    /// After what may be over soon, the account's turn comes again later; others go on meanwhile.
    fn pause(&mut self, fault: Fault) -> Result<(), Fault> {
        let asked = match &fault {
            Fault::Throttled { after, .. } => after.unwrap_or_default(),
            Fault::Transient(_) => Duration::ZERO,
            _ => return Err(fault),
        };
        if self.faults == FAULTS_MOST {
            return Err(fault);
        }
        let pause = PAUSE_FIRST.saturating_mul(1 << self.faults.min(16)).min(PAUSE_MOST).max(asked);
        let (account, pause_secs) = (self.days.account.as_str(), pause.as_secs());
        tracing::info!(account.sid = account, %fault, pause_secs, "backfill pauses");
        self.faults += 1;
        self.not_before = Instant::now() + pause;
        Ok(())
    }
}

/// The next account that need not pause; where all pause, the one whose pause ends first, at its end.
async fn next_turn(ways: &mut VecDeque<Way>) -> Option<Way> {
    let now = Instant::now();
    let due = ways.iter().position(|way| way.not_before <= now);
    let first = || ways.iter().enumerate().min_by_key(|(_, way)| way.not_before).map(|(index, _)| index);
    let way = ways.remove(due.or_else(first)?)?;
    tokio::time::sleep_until(way.not_before).await;
    Some(way)
}

fn is_lost(kind: TwilioErrorKind) -> bool {
    matches!(kind, TwilioErrorKind::Rejected | TwilioErrorKind::NotFound)
}

fn days_between(from: NaiveDate, to: NaiveDate) -> u64 {
    u64::try_from((to - from).num_days()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
