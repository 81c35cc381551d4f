//! What differs from database to database; everything else is one set of statements.

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
    /// Connections that may write at once.
    pub(crate) writers: u32,
    /// Connections that only read.
    pub(crate) readers: u32,
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
    writers: 1,
    readers: 4,
    migrations: &SQLITE_MIGRATIONS,
};

static SQLITE_MIGRATIONS: Migrator = {
    let mut migrations = sqlx::migrate!("../migrations/sqlite");
    // A newer version may have migrated it: schemas only grow, so this one still runs on it.
    migrations.ignore_missing = true;
    migrations
};

impl Dialect {
    pub(crate) async fn prepare(&self, connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
        connection.execute(self.on_connect).await.map(|_| ())
    }
}
