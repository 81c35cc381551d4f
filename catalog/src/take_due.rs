//! Taking what is due, for a sweep to queue. Each way to fall due is read in the order of its index, one after the
//! other, so that a page costs what is on it: not what is stored, nor what else is due.

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};
use twilio::{AccountSid, RecordingSid};

use crate::columns::Columns;
use crate::connect::Catalog;
use crate::error::CatalogError;
use crate::policy::Policy;
use crate::retention::cutoffs;
use crate::session::Transaction;
use crate::sweep::{Sweep, Taken};

/// How far a sweep has come in what is due; at its begin where it is new.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DueCursor {
    way: usize,
    after: After,
}

/// The last one taken in a way: when it fell due, where that is the order of the way, and its SID.
#[derive(Debug, Clone, PartialEq, Eq)]
struct After {
    due_at_ms: i64,
    sid: String,
}

impl Default for After {
    fn default() -> Self {
        After { due_at_ms: i64::MIN, sid: String::new() }
    }
}

/// One way to fall due.
pub(crate) struct Way {
    /// Begins with that of its partial index, word for word, or a planner may not see that it applies.
    pub(crate) condition: &'static str,
    /// Since when it is due.
    pub(crate) due_at: &'static str,
    /// Whether its index is by that date, and not by the SID.
    is_by_date: bool,
}

/// As [`Policy::due`] and the marks have them; the cutoff of each is in [`cutoffs`], at the same place.
pub(crate) const WAYS: [Way; 5] = [
    Way {
        condition: "status NOT IN ('absent', 'deleted') AND audio_deleted_at IS NULL AND is_held = 0",
        due_at: "retention_from",
        is_by_date: true,
    },
    Way { condition: "has_transcripts = 1 AND is_held = 0", due_at: "retention_from", is_by_date: true },
    Way {
        condition: "media_state = 'stored' AND twilio_deleted_at IS NULL AND is_held = 0 \
                    AND flags NOT LIKE '%\"shorter_than_its_header\"%' AND flags NOT LIKE '%\"duration_differs\"%'",
        due_at: "archived_at",
        is_by_date: true,
    },
    Way {
        condition: "erase_requested_at IS NOT NULL AND status NOT IN ('absent', 'deleted') AND is_held = 0",
        due_at: "erase_requested_at",
        is_by_date: false,
    },
    Way { condition: "marked_at IS NOT NULL AND status <> 'deleted'", due_at: "marked_at", is_by_date: false },
];

/// `$1` the cutoff, `$2` and `$3` the one to go on after, `$4` how many, `$6` the time now; what was taken from `$5` to
/// `$7` is left out. Until it is kept the rows are locked, and what another has locked is left to it.
///
/// What moved since it was taken may be due in another way now (Twilio's copy went, and now the transcript is to), and
/// is taken at once. A deletion that was begun moves at each attempt: it waits its time, and as long as it is tried.
pub(crate) fn take_due(way: &Way, lock_free_rows: &str) -> String {
    let Way { condition, due_at, is_by_date } = way;
    let (after, order) = if *is_by_date {
        (format!("({due_at} > $2 OR recording_sid > $3)"), format!("{due_at}, recording_sid"))
    } else {
        ("recording_sid > $3".to_owned(), "recording_sid".to_owned())
    };
    format!(
        "WITH taken AS MATERIALIZED (SELECT recording_sid FROM recordings \
         WHERE {condition} AND {due_at} <= $1 AND {due_at} >= $2 AND {after} \
         AND (purge_queued_at IS NULL OR purge_queued_at < $5 OR purge_queued_at > $7 \
         OR (marked_at IS NULL AND purge_queued_at < updated_at)) \
         AND (marked_at IS NULL OR NOT EXISTS (SELECT 1 FROM claims WHERE work = 'purge' AND claims.expires_at > $5 \
         AND claims.recording_sid = recordings.recording_sid)) ORDER BY {order} LIMIT $4{lock_free_rows}) \
         UPDATE recordings SET purge_queued_at = $6 WHERE recording_sid IN (SELECT recording_sid FROM taken) \
         RETURNING account_sid, recording_sid, {due_at} AS due_at"
    )
}

impl Catalog {
    /// The next of what [`Catalog::due_for_purge`] names, `limit` at most, for `sweep` to queue their purges; none once
    /// `cursor` is at the end. What a sweep took lately is left out, and what was begun and is still tried. So two at
    /// the same time share the work and neither waits for the other, and a backlog that nobody works at is not queued
    /// once more by every pass. What moved since it was taken is taken again at once.
    ///
    /// # Errors
    /// What the database said; nothing is taken then, and `cursor` passes over nothing.
    pub async fn take_due_for_purge(
        &self,
        policy: &Policy,
        sweep: Sweep,
        cursor: &mut DueCursor,
        limit: u32,
    ) -> Result<Taken<(AccountSid, RecordingSid)>, CatalogError> {
        for (way, cutoff) in WAYS.iter().zip(cutoffs(policy, sweep.began_at)).skip(cursor.way) {
            if let Some(cutoff) = cutoff {
                let (rows, transaction) = self.take_in_one_way(way, cutoff, sweep, &cursor.after, limit).await?;
                if !rows.is_empty() {
                    let items = rows.iter().map(|row| Ok((Columns(row).parsed("account_sid")?, sid(row)?)));
                    let items = items.collect::<Result<_, CatalogError>>()?;
                    cursor.after = last(way, &rows)?;
                    return Ok(Taken { items, transaction: Some(transaction) });
                }
            }
            *cursor = DueCursor { way: cursor.way + 1, after: After::default() };
        }
        Ok(Taken::nothing())
    }

    async fn take_in_one_way(
        &self,
        way: &Way,
        cutoff: i64,
        sweep: Sweep,
        after: &After,
        limit: u32,
    ) -> Result<(Vec<AnyRow>, Transaction), CatalogError> {
        let query = sqlx::query(AssertSqlSafe(take_due(way, self.dialect.lock_free_rows)))
            .bind(cutoff)
            .bind(after.due_at_ms)
            .bind(after.sid.clone())
            .bind(i64::from(limit))
            .bind(sweep.again_before.timestamp_millis())
            .bind(sweep.now.timestamp_millis())
            .bind(sweep.believed_until_ms());
        let mut transaction = self.begin().await?;
        let rows = transaction.fetch_all(query).await?;
        Ok((rows, transaction))
    }
}

/// The last in the way's order; `RETURNING` promises none.
fn last(way: &Way, rows: &[AnyRow]) -> Result<After, CatalogError> {
    let mut last = After::default();
    for row in rows {
        let due_at_ms = if way.is_by_date { row.try_get("due_at")? } else { i64::MIN };
        let after = After { due_at_ms, sid: sid(row)?.to_string() };
        if (after.due_at_ms, &after.sid) > (last.due_at_ms, &last.sid) {
            last = after;
        }
    }
    Ok(last)
}

fn sid(row: &AnyRow) -> Result<RecordingSid, sqlx::Error> {
    Columns(row).parsed("recording_sid")
}
