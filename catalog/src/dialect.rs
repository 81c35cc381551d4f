//! What differs from database to database; everything else is one set of statements.

use std::time::Duration;

use sqlx::AnyConnection;
use sqlx::Executor;
use sqlx::migrate::Migrator;

/// How one kind of database wants to be spoken to.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// Said to each new connection.
    pub(crate) on_connect: &'static str,
    /// Begins a transaction that will write.
    pub(crate) begin: &'static str,
    /// Ends a SELECT whose row nobody else may change until the transaction ends.
    pub(crate) lock_row: &'static str,
    /// Ends a SELECT that locks rows so, and leaves out those that somebody else has locked.
    pub(crate) lock_free_rows: &'static str,
    /// The texts in the JSON array `$1`, a row each.
    pub(crate) listed: &'static str,
    /// The objects in it, each a row with the column `value`, to be read by `->>`.
    pub(crate) each: &'static str,
    /// Said first in a transaction that migrates: another one waits there until it ends.
    pub(crate) lock_schema: &'static str,
    /// Begins a transaction that does nothing but lock a schedule, and locks schedule `$1` where it is free.
    pub(crate) begin_schedule: &'static str,
    pub(crate) lock_schedule: &'static str,
    /// An answer that takes longer will not come.
    pub(crate) patience: Duration,
    /// The schema, step by step.
    pub(crate) migrations: &'static Migrator,
}

/// One writer at a time, in this process and in others: a transaction that writes says so when it begins, and waits its
/// turn there. Readers never wait (write-ahead log). A commit is on the disk when it returns.
pub(crate) static SQLITE: Dialect = Dialect {
    on_connect: "PRAGMA busy_timeout = 10000; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                 PRAGMA secure_delete = ON; PRAGMA journal_size_limit = 67108864",
    begin: "BEGIN IMMEDIATE",
    lock_row: "",
    lock_free_rows: "",
    listed: "SELECT value FROM json_each($1)",
    each: "json_each($1)",
    lock_schema: "",
    // Files lock them.
    begin_schedule: "",
    lock_schedule: "",
    // There is nobody at the other end who could be gone.
    patience: Duration::MAX,
    migrations: &SQLITE_MIGRATIONS,
};

/// Many writers at once, each row locked by the one that changes it; which of two waits is decided there and nowhere
/// else, so the isolation level is said aloud: a server may be set to another. Time limits: see [`crate::connect`].
pub(crate) static POSTGRES: Dialect = Dialect {
    on_connect: "",
    begin: "BEGIN ISOLATION LEVEL READ COMMITTED",
    lock_row: " FOR UPDATE",
    lock_free_rows: " FOR UPDATE OF recordings SKIP LOCKED",
    listed: "SELECT value FROM json_array_elements_text(CAST($1 AS json))",
    each: "json_array_elements(CAST($1 AS json))",
    // The first wait is for whoever migrates; the later ones are for tables in use, where a long wait would hold up all
    // who come after. 1667329132 is "call" in ASCII, and sets our locks apart from others' in the same database.
    lock_schema: "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
                  SELECT pg_advisory_xact_lock(1667329132, 0); SET LOCAL lock_timeout = '10s'",
    begin_schedule: "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0",
    lock_schedule: "SELECT pg_try_advisory_xact_lock(1667329132, $1)",
    // Longer than its own limit on a statement.
    patience: Duration::from_secs(75),
    migrations: &POSTGRES_MIGRATIONS,
};

static SQLITE_MIGRATIONS: Migrator = forward_only(sqlx::migrate!("../migrations/sqlite"));
static POSTGRES_MIGRATIONS: Migrator = forward_only(sqlx::migrate!("../migrations/postgres"));

/// A newer version may have migrated it: schemas only grow, so this one still runs on it.
const fn forward_only(mut migrations: Migrator) -> Migrator {
    migrations.ignore_missing = true;
    // We lock ourselves, in a transaction: a lock of the session goes astray behind a pooler.
    migrations.locking = false;
    migrations
}

impl Dialect {
    pub(crate) async fn prepare(&self, connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
        connection.execute(self.on_connect).await.map(|_| ())
    }
}
