//! The file: how it is opened and what is in it.

use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, Executor, SqliteConnection};

/// How long another process's transaction is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two tries to open a file that others open.
const OPEN_PAUSE: Duration = Duration::from_millis(50);

/// What version 2 added.
const TRACES: &str = "ALTER TABLE messages ADD COLUMN trace_parent TEXT; PRAGMA user_version = 2;";

/// What version 3 added. An older process that is still at the file takes a backfill's messages too and knows nothing
/// of the column when it parks one: the trigger keeps dead letters in one lane.
const BACKFILL: &str = "
ALTER TABLE messages ADD COLUMN is_backfill INTEGER NOT NULL DEFAULT 0;
CREATE INDEX messages_of_a_lane ON messages (stage, is_dead, is_backfill, visible_at, id);
DROP INDEX messages_to_receive;
CREATE TRIGGER dead_letters_have_one_lane AFTER UPDATE OF is_dead ON messages WHEN NEW.is_dead = 1 AND NEW.is_backfill = 1
BEGIN UPDATE messages SET is_backfill = 0 WHERE id = NEW.id; END;
PRAGMA user_version = 3;
";

/// A row a message, dead letters included. `lease_token` is set while a receiver has it: a settlement must bring the
/// same one. `visible_at` is when it may be received: its delay's end, or its lease's.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS messages (
    id           INTEGER PRIMARY KEY,
    stage        TEXT    NOT NULL,
    is_dead      INTEGER NOT NULL DEFAULT 0,
    body         TEXT    NOT NULL,
    attempt      INTEGER NOT NULL DEFAULT 0,
    published_at INTEGER NOT NULL,
    visible_at   INTEGER NOT NULL,
    lease_token  TEXT,
    died_at      INTEGER,
    reason       TEXT
);
CREATE INDEX IF NOT EXISTS messages_to_receive ON messages (stage, is_dead, visible_at, id);
PRAGMA user_version = 1;
";

/// Opens the file with every commit on the disk before it counts. Bare connection first: a pool would retry an error
/// until its time-out and hide it.
pub(super) async fn connect(path: &str, connections: u32) -> Result<SqlitePool, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT);
    prove(&options).await?;
    let pool = SqlitePoolOptions::new().max_connections(connections).acquire_timeout(BUSY_TIMEOUT);
    // A full disk makes SQLite roll back by itself, unseen by sqlx: such a connection is replaced, not used again.
    let pool = pool.before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }));
    pool.connect_with(options).await
}

/// Opens one connection and closes it again. The write-ahead log is turned on by the first to open a file, under a lock
/// that SQLite does not wait for by itself (<https://www.sqlite.org/wal.html>, "Sometimes Queries Return SQLITE_BUSY In
/// WAL Mode").
async fn prove(options: &SqliteConnectOptions) -> Result<(), sqlx::Error> {
    let began = Instant::now();
    loop {
        match SqliteConnection::connect_with(options).await {
            Err(error) if is_busy(&error) && began.elapsed() < BUSY_TIMEOUT => {}
            opened => return opened?.close().await,
        }
        tokio::time::sleep(OPEN_PAUSE).await;
    }
}

fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == 5)
}

/// Safe from two processes at once, any number of times.
pub(super) async fn migrate(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await?;
    if version < 1 {
        transaction.execute(SCHEMA).await?;
    }
    if version < 2 {
        transaction.execute(TRACES).await?;
    }
    if version < 3 {
        transaction.execute(BACKFILL).await?;
    }
    transaction.commit().await
}
