//! Claims: the exclusive right to do one kind of work on one recording, for a time.
//!
//! A worker that died keeps others away only until its claim expires. One that was only slow may still be at work then:
//! that is what the fence is for. Each new holder gets a higher one, and nothing is written down under a lower.
//!
//! Expiries are told by the clocks of those who claim. One further ahead than leases reach was written by a clock that
//! was wrong, or is read by one: it keeps nobody from the work, and the fence is what keeps order then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, Row};
use twilio::RecordingSid;

use crate::change::Change;
use crate::connect::Catalog;
use crate::error::CatalogError;
use crate::row::RecordingRow;
use crate::words::Work;

/// However short leases are here, others' may be longer.
const BELIEVED_AT_LEAST: Duration = Duration::from_secs(600);

/// The right to do one kind of work on one recording. It is not released when dropped: it expires.
/// Clones are the same one.
#[derive(Debug, Clone)]
pub struct Claim {
    recording_sid: RecordingSid,
    work: Work,
    fence: i64,
    row: Arc<RecordingRow>,
    life: Arc<Life>,
}

/// How far a claim is, as its holder knows.
#[derive(Debug, Default)]
struct Life {
    /// An extension is on its way, or was dropped on its way: it may come to the database at any time.
    is_extending: AtomicBool,
    /// What ends the work is being written down: it is not extended behind that.
    is_ending: AtomicBool,
    /// It was given up with what ended the work.
    is_over: AtomicBool,
}

impl PartialEq for Claim {
    fn eq(&self, other: &Claim) -> bool {
        (&self.recording_sid, self.work, self.fence) == (&other.recording_sid, other.work, other.fence)
    }
}

impl Claim {
    /// What it is on.
    pub fn recording_sid(&self) -> &RecordingSid {
        &self.recording_sid
    }

    /// The recording as it was when it was claimed.
    pub fn row(&self) -> &RecordingRow {
        &self.row
    }

    /// Whether it is still to be kept: what ends its work is neither written down nor about to be.
    pub fn is_held(&self) -> bool {
        !self.life.is_ending.load(Ordering::Relaxed)
    }

    /// What it allows.
    pub fn work(&self) -> Work {
        self.work
    }

    pub(crate) fn fence(&self) -> i64 {
        self.fence
    }
}

impl Catalog {
    /// Claims `work` on a recording until `now + lease`. `None` where somebody holds it, and, for any work but purge,
    /// where our copy is marked for deletion. One that expired is taken over: its holder can write nothing more; and so
    /// is one that would only expire more than two leases, and ten minutes, from `now`.
    ///
    /// # Errors
    /// [`CatalogError::UnknownRecording`]; what the database said.
    pub async fn claim(
        &self,
        sid: &RecordingSid,
        work: Work,
        lease: Duration,
        now: DateTime<Utc>,
    ) -> Result<Option<Claim>, CatalogError> {
        let mut change = self.change(sid).await?;
        if change.row.is_marked && work != Work::Purge {
            return Ok(None);
        }
        let upsert = sqlx::query(
            "INSERT INTO claims (recording_sid, work, fence, expires_at) VALUES ($1, $2, 1, $3) \
             ON CONFLICT (recording_sid, work) DO UPDATE SET fence = claims.fence + 1, expires_at = excluded.expires_at \
             WHERE claims.expires_at <= $4 OR claims.expires_at > $5 RETURNING fence",
        )
        .bind(sid.as_str())
        .bind(work.as_str())
        .bind(expiry(lease, now))
        .bind(now.timestamp_millis())
        .bind(believed_until(lease, now));
        let Some(row) = change.transaction().fetch_optional(upsert).await? else { return Ok(None) };
        let fence = row.try_get(0)?;
        let claimed = change.row.clone();
        change.commit().await?;
        Ok(Some(Claim::new(work, fence, claimed)))
    }

    /// Keeps a claim until `now + lease`. One that expired and was not taken over lives on.
    ///
    /// # Errors
    /// [`CatalogError::ClaimLost`] where it was taken over, or its work is over; what the database said.
    pub async fn extend_claim(&self, claim: &Claim, lease: Duration, now: DateTime<Utc>) -> Result<(), CatalogError> {
        if !claim.is_held() {
            return Err(CatalogError::ClaimLost);
        }
        claim.life.is_extending.store(true, Ordering::Relaxed);
        let extended = self.set_expiry(claim, expiry(lease, now)).await?;
        claim.life.is_extending.store(false, Ordering::Relaxed);
        if extended { Ok(()) } else { Err(CatalogError::ClaimLost) }
    }

    /// Gives a claim up at `now`, which also tells when it was last worked under. That it was lost already is fine, and so
    /// is that it was given up before: with the end of its work, say.
    ///
    /// # Errors
    /// What the database said; the claim expires by itself then.
    pub async fn release_claim(&self, claim: &Claim, now: DateTime<Utc>) -> Result<(), CatalogError> {
        if claim.life.is_over.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.set_expiry(claim, now.timestamp_millis()).await.map(|_| ())
    }

    async fn set_expiry(&self, claim: &Claim, expires_at: i64) -> Result<bool, CatalogError> {
        Ok(self.write(expire(claim, expires_at)).await?.rows_affected() == 1)
    }
}

fn expire(claim: &Claim, at_ms: i64) -> Query<'_, Any, AnyArguments> {
    sqlx::query("UPDATE claims SET expires_at = $1 WHERE recording_sid = $2 AND work = $3 AND fence = $4")
        .bind(at_ms)
        .bind(claim.recording_sid.as_str())
        .bind(claim.work.as_str())
        .bind(claim.fence)
}

impl Claim {
    /// One that was just taken.
    pub(crate) fn new(work: Work, fence: i64, row: RecordingRow) -> Claim {
        let recording_sid = row.recording_sid.clone();
        Claim { recording_sid, work, fence, row: Arc::new(row), life: Arc::default() }
    }
}

/// Awaits `committing`, which commits what ends the work that `claims` are for and gives them up with it. Dropped before
/// that is done, or where an extension may come behind it, a claim is left to be released.
pub(crate) async fn end(
    claims: &[&Claim],
    committing: impl Future<Output = Result<(), CatalogError>>,
) -> Result<(), CatalogError> {
    let lives: Vec<_> = claims.iter().map(|claim| &claim.life).collect();
    let are_extending: Vec<_> = lives.iter().map(|life| life.is_extending.load(Ordering::Relaxed)).collect();
    lives.iter().for_each(|life| life.is_ending.store(true, Ordering::Relaxed));
    let committed = committing.await;
    for (life, is_extending) in lives.into_iter().zip(are_extending) {
        life.is_ending.store(committed.is_ok(), Ordering::Relaxed);
        life.is_over.store(committed.is_ok() && !is_extending, Ordering::Relaxed);
    }
    committed
}

impl Change {
    /// Commits what ends the work that `claim` is for, and gives the claim up with it: see [`end`].
    pub(crate) async fn commit_the_end(mut self, claim: &Claim, now: DateTime<Utc>) -> Result<(), CatalogError> {
        let committing = async {
            self.execute(expire(claim, now.timestamp_millis())).await?;
            self.commit().await
        };
        end(&[claim], committing).await
    }
}

/// Whether one that is held until `expires_at` keeps others from the work. All work is claimed for about as long as
/// `lease`.
pub(crate) fn is_live(expires_at: i64, lease: Duration, now: DateTime<Utc>) -> bool {
    (now.timestamp_millis() + 1..=believed_until(lease, now)).contains(&expires_at)
}

/// The latest expiry that is believed: by a clock no more than a lease ahead of ours, or by one whose lease is another.
pub(crate) fn believed_until(lease: Duration, now: DateTime<Utc>) -> i64 {
    expiry(lease.saturating_mul(2).max(BELIEVED_AT_LEAST), now)
}

pub(crate) fn expiry(lease: Duration, now: DateTime<Utc>) -> i64 {
    now.timestamp_millis().saturating_add(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX))
}
