//! Reconcile: what Twilio lists and the catalog lacks, and what the catalog shows stuck, is queued again.
//!
//! It needs nothing that a callback or the queue would have brought: with every callback lost and the queue wiped, it
//! finds all the work there is. SIP trunk recordings, which have no callback at all, come in this way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use catalog::{Catalog, Expects, Pass, Policy};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use futures::TryStreamExt;
use queue::Queue;
use serde::Serialize;
use twilio::{AccountSid, Recording};

use crate::again::SweepMode;
use crate::backfill::BackfillProgress;
use crate::fault::Fault;

pub(crate) const PAGE: usize = 500;

/// The days of Twilio's list to read, both inclusive, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReconcileWindow {
    /// First day, which makes it a backfill; `None` for [`Reconciler::lookback`] before the last complete pass over the
    /// account's list began, so that an outage of any length leaves no gap.
    pub since: Option<NaiveDate>,
    /// Last day; `None` for up to now.
    pub until: Option<NaiveDate>,
}

/// What a pass found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ReconcileReport {
    /// Recordings Twilio listed.
    pub listed: u64,
    /// Of those, the ones still being recorded or processed: a later pass takes them.
    pub unfinished: u64,
    /// Of those, the ones the catalog lacked.
    pub missing: u64,
    /// Of the missing, the ones already past their retention date: they are archived, and the next sweep deletes them.
    pub past_retention: u64,
    /// Of the known ones, those not archived of which Twilio says something newer than was heard.
    pub moved: u64,
    /// Recordings of the catalog that nothing had moved for a while.
    pub stuck: u64,
    /// Jobs published; 0 in a dry run.
    pub published: u64,
}

/// One pass over Twilio's list and the catalog.
#[derive(Debug, Clone)]
pub struct Reconciler {
    /// Where jobs are published.
    pub queue: Arc<dyn Queue>,
    /// What we know.
    pub catalog: Catalog,
    /// What Twilio knows.
    pub twilio: twilio::Client,
    /// The accounts to list.
    pub accounts: Vec<AccountSid>,
    /// To tell what is already past its date.
    pub policy: Policy,
    /// How far back to read what may have changed since it was listed.
    pub lookback: TimeDelta,
    /// Which steps a recording is expected to take.
    pub expects: Expects,
    /// Without movement for this long, unfinished work counts as stuck.
    pub stuck_after: Duration,
    /// What to do with what is found.
    pub mode: SweepMode,
}

impl Reconciler {
    /// Reads `window` of each account's list, then the catalog. Idempotent: a job published twice does nothing twice.
    /// An account that fails keeps neither the others nor the catalog from their turn.
    ///
    /// # Errors
    /// The first thing that failed, once all else is done; what was published stands, and the next pass begins anew.
    pub async fn run(&self, window: ReconcileWindow, now: DateTime<Utc>) -> Result<ReconcileReport, Fault> {
        self.run_telling(window, now, &|_| {}).await
    }

    /// The same; `tell` hears of a backfill's progress again and again, at least once.
    ///
    /// # Errors
    /// As [`Reconciler::run`]; a backfill goes on from the day that it came to.
    pub async fn run_telling(
        &self,
        window: ReconcileWindow,
        now: DateTime<Utc>,
        tell: &(dyn Fn(&BackfillProgress) + Sync),
    ) -> Result<ReconcileReport, Fault> {
        let began = Instant::now();
        let mut report = ReconcileReport::default();
        let listed = match window.since {
            Some(since) => self.backfill(since, window.until, now, &mut report, tell).await,
            None => self.take_lists(window, now, &mut report).await,
        };
        listed.and(self.take_stuck(now, began, &mut report).await).map(|()| report)
    }

    async fn take_lists(
        &self,
        window: ReconcileWindow,
        now: DateTime<Utc>,
        report: &mut ReconcileReport,
    ) -> Result<(), Fault> {
        let mut done = Ok(());
        for account in &self.accounts {
            let listed = self.take_listed(account, window, now, report).await;
            if let Err(error) = &listed {
                tracing::warn!(account.sid = account.as_str(), %error, "an account's list was not read to its end");
            }
            done = done.and(listed);
        }
        done
    }

    /// One account's list, to its end or to the page that fails.
    async fn take_listed(
        &self,
        account: &AccountSid,
        window: ReconcileWindow,
        now: DateTime<Utc>,
        report: &mut ReconcileReport,
    ) -> Result<(), Fault> {
        let since = self.since(account, now).await?;
        let mut listed = self.twilio.recordings(account, Some(since), window.until).try_chunks(PAGE);
        loop {
            match listed.try_next().await {
                Ok(Some(page)) => self.take_page(page, now, report).await?,
                Ok(None) => return self.complete(account, window, now).await,
                Err(broken) => {
                    self.take_page(broken.0, now, report).await?;
                    return Err(broken.1.into());
                }
            }
        }
    }

    async fn take_page(
        &self,
        page: Vec<Recording>,
        now: DateTime<Utc>,
        report: &mut ReconcileReport,
    ) -> Result<(), Fault> {
        let news = self.news(page, now, report).await?;
        self.take_in(news, false, now, report).await
    }

    async fn since(&self, account: &AccountSid, now: DateTime<Utc>) -> Result<NaiveDate, Fault> {
        let last = self.catalog.last_pass(&Pass::Listing(account.clone())).await?;
        Ok((last.map_or(now, |last| last.min(now)) - self.lookback).date_naive())
    }

    /// Only a pass that left no gap behind it is one that the next may begin from.
    async fn complete(&self, account: &AccountSid, window: ReconcileWindow, now: DateTime<Utc>) -> Result<(), Fault> {
        if window.until.is_none() && !self.mode.is_dry_run() {
            self.catalog.complete_pass(&Pass::Listing(account.clone()), now).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
