//! The one writer: whatever waits goes into one transaction.

use bytes::Bytes;
use chrono::DateTime;
use serde::Serialize;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Executor, Row, Sqlite, Transaction};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::place::Place;
use super::{millis, statements};
use crate::error::QueueError;
use crate::message::{DeadLetter, Delivery, Lane, LaneKind, Receipt, Settlement};
use crate::stage::Stage;

/// Most requests in one transaction.
const BATCH_MOST: usize = 256;

/// Something to write, and who waits for it to be written.
pub(super) struct Request {
    pub(super) work: Work,
    pub(super) answer: oneshot::Sender<Result<Worked, QueueError>>,
}

pub(super) enum Work {
    Publish(New),
    Receive {
        lane: Lane,
        max: i64,
        now_ms: i64,
        lease_until_ms: i64,
    },
    Extend {
        receipt: Receipt,
        lease_until_ms: i64,
    },
    Settle {
        receipt: Receipt,
        settlement: Settlement,
        now_ms: i64,
    },
    /// Proves that a publish could be written.
    Check,
}

/// A message to publish, as the statement reads it.
#[derive(Serialize)]
pub(super) struct New {
    pub(super) stage: Stage,
    pub(super) is_backfill: bool,
    pub(super) body: String,
    #[serde(rename = "published_at")]
    pub(super) published_at_ms: i64,
    #[serde(rename = "visible_at")]
    pub(super) visible_at_ms: i64,
    pub(super) trace_parent: Option<String>,
}

pub(super) enum Worked {
    Done,
    LeaseLost,
    Received(Vec<Delivery>),
}

/// Works until every handle on the queue is gone.
pub(super) async fn run(pool: SqlitePool, mut requests: mpsc::Receiver<Request>, place: Place) {
    let mut batch = Vec::with_capacity(BATCH_MOST);
    while requests.recv_many(&mut batch, BATCH_MOST).await > 0 {
        let (works, answers): (Vec<_>, Vec<_>) = batch.drain(..).map(|request| (request.work, request.answer)).unzip();
        let worked = match place.check().await {
            Ok(()) => commit(&pool, works).await.map_err(|error| QueueError::from_sqlite(&place.path, error)),
            Err(error) => Err(error),
        };
        match worked {
            Ok(worked) => {
                for (worked, answer) in worked.into_iter().zip(answers) {
                    // A caller that left does not mind; what it received comes again when its lease runs out.
                    let _ = answer.send(match worked {
                        Worked::LeaseLost => Err(QueueError::LeaseLost),
                        worked => Ok(worked),
                    });
                }
            }
            Err(error) => {
                for answer in answers {
                    let _ = answer.send(Err(error.clone()));
                }
            }
        }
    }
}

/// One transaction, one fsync. Publishes of a batch are one statement.
async fn commit(pool: &SqlitePool, works: Vec<Work>) -> Result<Vec<Worked>, sqlx::Error> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let new: Vec<&New> =
        works.iter().filter_map(|work| if let Work::Publish(new) = work { Some(new) } else { None }).collect();
    if !new.is_empty() {
        let rows = serde_json::to_string(&new).map_err(|error| sqlx::Error::Encode(error.into()))?;
        sqlx::query(statements::PUBLISH).bind(rows).execute(&mut *transaction).await?;
    }
    let mut worked = Vec::with_capacity(works.len());
    for work in works {
        worked.push(apply(&mut transaction, work).await?);
    }
    transaction.commit().await?;
    Ok(worked)
}

async fn apply(transaction: &mut Transaction<'_, Sqlite>, work: Work) -> Result<Worked, sqlx::Error> {
    let statement = match work {
        Work::Publish(_) => return Ok(Worked::Done),
        Work::Check => {
            transaction.execute(statements::PROBE).await?;
            return Ok(Worked::Done);
        }
        Work::Receive { lane, max, now_ms, lease_until_ms } => {
            return receive(transaction, lane, max, now_ms, lease_until_ms).await;
        }
        Work::Extend { receipt, lease_until_ms } => {
            sqlx::query(statements::EXTEND).bind(receipt.id).bind(receipt.token).bind(lease_until_ms)
        }
        Work::Settle { receipt, settlement, now_ms } => match settlement {
            Settlement::Ack => sqlx::query(statements::ACK).bind(receipt.id).bind(receipt.token),
            Settlement::RetryAfter { delay, charge } => sqlx::query(statements::RETRY)
                .bind(receipt.id)
                .bind(receipt.token)
                .bind(now_ms.saturating_add(millis(delay)))
                .bind(i64::from(!charge)),
            Settlement::DeadLetter { reason } => {
                sqlx::query(statements::DEAD_LETTER).bind(receipt.id).bind(receipt.token).bind(now_ms).bind(reason)
            }
        },
    };
    let changed = statement.execute(&mut **transaction).await?.rows_affected();
    Ok(if changed == 1 { Worked::Done } else { Worked::LeaseLost })
}

async fn receive(
    transaction: &mut Transaction<'_, Sqlite>,
    lane: Lane,
    max: i64,
    now_ms: i64,
    lease_until_ms: i64,
) -> Result<Worked, sqlx::Error> {
    let token = Uuid::now_v7().to_string();
    let rows = sqlx::query(statements::RECEIVE)
        .bind(lane.stage.as_str())
        .bind(lane.is_dead())
        .bind(lane.kind == LaneKind::Backfill)
        .bind(now_ms)
        .bind(lease_until_ms)
        .bind(&token)
        .bind(max)
        .fetch_all(&mut **transaction)
        .await?;
    let mut received: Vec<(i64, Delivery)> = rows.iter().map(|row| delivery(row, &token)).collect();
    // RETURNING promises no order.
    received.sort_by_key(|(id, _)| *id);
    Ok(Worked::Received(received.into_iter().map(|(_, delivery)| delivery).collect()))
}

fn delivery(row: &SqliteRow, token: &str) -> (i64, Delivery) {
    let id = row.get("id");
    let delivery = Delivery {
        body: Bytes::from(row.get::<String, _>("body")),
        attempt: attempt(row),
        published_at: DateTime::from_timestamp_millis(row.get("published_at")).unwrap_or_default(),
        reason: row.get("reason"),
        trace_parent: row.get::<Option<&str>, _>("trace_parent").and_then(|text| text.parse().ok()),
        receipt: Receipt { id, token: token.to_owned() },
    };
    (id, delivery)
}

pub(super) fn dead_letter(row: &SqliteRow) -> DeadLetter {
    DeadLetter {
        body: Bytes::from(row.get::<String, _>("body")),
        reason: row.get::<Option<String>, _>("reason").unwrap_or_default(),
        attempt: attempt(row),
        published_at: DateTime::from_timestamp_millis(row.get("published_at")).unwrap_or_default(),
        died_at: DateTime::from_timestamp_millis(row.get("died_at")).unwrap_or_default(),
    }
}

fn attempt(row: &SqliteRow) -> u32 {
    u32::try_from(row.get::<i64, _>("attempt")).unwrap_or(u32::MAX)
}
