//! Recordings, and sessions of the test's own that meet the catalog's at the server.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeZone, Utc};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor, Row};
use twilio::{Recording, RecordingSid, RecordingStatus};

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn start() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 20, 9, 0, 0).unwrap()
}

pub(crate) fn sid(number: u32) -> RecordingSid {
    format!("RE{number:032x}").parse().unwrap()
}

pub(crate) fn recording(number: u32) -> Recording {
    Recording {
        account_sid: format!("AC{:032x}", 1).parse().unwrap(),
        recording_sid: sid(number),
        call_sid: None,
        conference_sid: None,
        status: RecordingStatus::Completed,
        source: None,
        channels: None,
        duration_secs: None,
        started_at: Some(start()),
        error_code: None,
        encryption: None,
    }
}

/// Waits until so many sessions of the database wait for a lock.
pub(crate) async fn until_waiting(session: &mut PgConnection, sessions: i64) {
    let waiting =
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    until(&format!("{sessions} sessions wait"), async || {
        session.fetch_one(waiting).await.unwrap().get::<i64, _>(0) == sessions
    })
    .await;
}

/// Waits for a condition, and fails the test when it does not come true.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn lock(session: &mut PgConnection, number: u32) {
    let select = format!("SELECT 1 FROM recordings WHERE recording_sid = '{}' FOR UPDATE", sid(number));
    session.execute(AssertSqlSafe(select)).await.unwrap();
}
