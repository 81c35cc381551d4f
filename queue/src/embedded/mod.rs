//! The embedded engine: one SQLite file, shared by as many processes as like.
//!
//! One writer task takes what callers ask for, does all that waits in one transaction (one fsync) and answers them after
//! the commit: confirmed means on the disk, and many callers share the price.

mod place;
mod schema;
mod statements;
mod writer;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::Row;
use sqlx::sqlite::SqlitePool;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::error::QueueError;
use crate::message::{DeadLetter, Delivery, Depth, Lane, LaneKind, Receipt, Settlement};
use crate::stage::Stage;
use crate::{Job, Options, Queue, TraceParent};
use place::Place;
use writer::{Request, Work, Worked};

/// Callers that may wait for the writer; more are turned away.
const WAITING_MOST: usize = 4096;
const WAITING_TIME_MOST: Duration = Duration::from_secs(3);
/// How often a waiting receiver looks for what other processes published, and for delays and leases that ran out.
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(crate) struct Embedded {
    readers: SqlitePool,
    writer: mpsc::Sender<Request>,
    /// Who waits for one lane is not woken by what is published to another.
    published: HashMap<Lane, Notify>,
    file: Arc<str>,
    options: Options,
}

impl Embedded {
    /// Opens or makes the file and its folder.
    pub(crate) async fn open(path: &str, options: Options) -> Result<Embedded, QueueError> {
        let path = path.strip_prefix("//").unwrap_or(path);
        // SQLite takes these for a file without a name, which is gone with the process.
        if path.is_empty() || path.ends_with('/') || path == ":memory:" {
            return Err(QueueError::Unsupported("sqlite: wants the path of a file".to_owned()));
        }
        let file: Arc<str> = path.into();
        if let Some(folder) = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| QueueError::from_sqlite(&file, sqlx::Error::Io(error)))?;
        }
        let wrong = |error| QueueError::from_sqlite(&file, error);
        let writing = schema::connect(path, 1).await.map_err(wrong)?;
        schema::migrate(&writing).await.map_err(wrong)?;
        let readers = schema::connect(path, 2).await.map_err(wrong)?;
        let place = Place::of(Arc::clone(&file)).map_err(|error| wrong(sqlx::Error::Io(error)))?;
        let (writer, requests) = mpsc::channel(WAITING_MOST);
        tokio::spawn(writer::run(writing, requests, place));
        let published = Lane::all().map(|lane| (lane, Notify::new())).collect();
        Ok(Embedded { readers, writer, published, file, options })
    }

    async fn write(&self, work: Work) -> Result<Worked, QueueError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.writer.send_timeout(Request { work, answer }, WAITING_TIME_MOST).await;
        sent.map_err(|_| QueueError::Overloaded)?;
        // The writer answers everything it took, unless this process is ending.
        answered.await.unwrap_or(Err(QueueError::Overloaded))
    }

    async fn add(&self, new: writer::New) -> Result<(), QueueError> {
        let lane = Lane { stage: new.stage, kind: if new.is_backfill { LaneKind::Backfill } else { LaneKind::Live } };
        self.write(Work::Publish(new)).await?;
        self.published[&lane].notify_waiters();
        Ok(())
    }

    fn clock(&self) -> &Clock {
        &self.options.clock
    }

    /// Where there are no leases, a time long past: a delivery is the next to be received again.
    fn lease_until_ms(&self) -> i64 {
        if self.options.lease.is_zero() { 0 } else { self.clock().now_ms().saturating_add(millis(self.options.lease)) }
    }

    fn wrong(&self, error: sqlx::Error) -> QueueError {
        QueueError::from_sqlite(&self.file, error)
    }

    /// A look that costs no write, so that an idle receiver never takes the lock.
    async fn has_visible(&self, lane: Lane) -> Result<bool, QueueError> {
        let found = sqlx::query(statements::HAS_VISIBLE)
            .bind(lane.stage.as_str())
            .bind(lane.is_dead())
            .bind(lane.kind == LaneKind::Backfill)
            .bind(self.clock().now_ms())
            .fetch_optional(&self.readers)
            .await;
        found.map(|row| row.is_some()).map_err(|error| self.wrong(error))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[async_trait]
impl Queue for Embedded {
    async fn publish(&self, job: &Job, delay: Duration) -> Result<(), QueueError> {
        let (lane, now_ms) = (job.lane(), self.clock().now_ms());
        let visible_at_ms = now_ms.saturating_add(millis(delay));
        let new = writer::New {
            stage: lane.stage,
            is_backfill: lane.kind == LaneKind::Backfill,
            body: String::from_utf8_lossy(&job.encode()).into_owned(),
            published_at_ms: now_ms,
            visible_at_ms,
            trace_parent: TraceParent::current().map(|parent| parent.to_string()),
        };
        self.add(new).await
    }

    async fn forward(&self, stage: Stage, delivery: &Delivery) -> Result<(), QueueError> {
        let new = writer::New {
            stage,
            is_backfill: false,
            body: String::from_utf8_lossy(&delivery.body).into_owned(),
            published_at_ms: delivery.published_at.timestamp_millis(),
            visible_at_ms: self.clock().now_ms(),
            trace_parent: delivery.trace_parent.as_ref().map(ToString::to_string),
        };
        self.add(new).await
    }

    async fn receive(&self, lane: Lane, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let deadline = Instant::now() + wait;
        loop {
            // Registered before looking: what is published in between still wakes this receiver.
            let published = self.published[&lane].notified();
            if self.has_visible(lane).await? {
                let work = Work::Receive {
                    lane,
                    max: i64::try_from(max).unwrap_or(i64::MAX),
                    now_ms: self.clock().now_ms(),
                    lease_until_ms: self.lease_until_ms(),
                };
                if let Worked::Received(received) = self.write(work).await?
                    && !received.is_empty()
                {
                    return Ok(received);
                }
            }
            let next_look = (Instant::now() + LOOK_EVERY).min(deadline);
            if Instant::now() >= deadline {
                return Ok(Vec::new());
            }
            let _ = tokio::time::timeout_at(next_look, published).await;
        }
    }

    async fn extend(&self, receipt: &Receipt) -> Result<(), QueueError> {
        let work = Work::Extend { receipt: receipt.clone(), lease_until_ms: self.lease_until_ms() };
        self.write(work).await.map(|_| ())
    }

    async fn settle(&self, delivery: Delivery, settlement: Settlement) -> Result<(), QueueError> {
        let work = Work::Settle { receipt: delivery.receipt, settlement, now_ms: self.clock().now_ms() };
        self.write(work).await.map(|_| ())
    }

    async fn depth(&self, stage: Stage) -> Result<Depth, QueueError> {
        let counted = sqlx::query(statements::DEPTH)
            .bind(stage.as_str())
            .bind(self.clock().now_ms())
            .fetch_one(&self.readers)
            .await;
        let row = counted.map_err(|error| self.wrong(error))?;
        let count = |column: &str| row.get::<i64, _>(column).unsigned_abs();
        Ok(Depth {
            ready: count("ready"),
            delayed: count("delayed"),
            in_flight: count("in_flight"),
            backfill: count("backfill"),
            dead: count("dead"),
        })
    }

    async fn dead_letters(&self, stage: Stage, max: usize) -> Result<Vec<DeadLetter>, QueueError> {
        let found = sqlx::query(statements::DEAD_LETTERS)
            .bind(stage.as_str())
            .bind(i64::try_from(max).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await;
        let rows = found.map_err(|error| self.wrong(error))?;
        Ok(rows.iter().map(writer::dead_letter).collect())
    }

    async fn check(&self) -> Result<(), QueueError> {
        self.write(Work::Check).await.map(|_| ())
    }

    async fn check_rights(&self) -> Result<(), QueueError> {
        // Who may write the file may do all.
        self.check().await?;
        self.depth(Stage::Archive).await.map(drop)
    }

    fn lease(&self) -> Duration {
        self.options.lease
    }
}
