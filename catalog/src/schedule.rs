//! Schedules: of several processes that would run the same sweep, one does, and which one is not left to luck.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use sqlx::{AnyConnection, Connection, Executor, Row};

use crate::connect::{Catalog, connect};
use crate::error::CatalogError;
use crate::session::in_time;
use crate::words::Schedule;

/// The right to run a schedule. Nobody else has it until it is released or dropped, or its process is gone. One whose
/// server went away is lost without a word before [`ScheduleLock::release`]: a sweep must do no harm beside another.
#[derive(Debug)]
pub struct ScheduleLock {
    held: Held,
}

#[derive(Debug)]
enum Held {
    /// The system unlocks a file that is closed.
    File(File),
    /// The server unlocks what a transaction locked when that ends, with its session at the latest. A lock of the
    /// session itself would stay with a pooler's connection, and so with nobody.
    Transaction { connection: AnyConnection, patience: Duration },
}

impl Catalog {
    /// Takes the right to run `schedule`; `None` where somebody has it. Nothing is waited for.
    ///
    /// # Errors
    /// What stands against asking.
    pub async fn lock_schedule(&self, schedule: Schedule) -> Result<Option<ScheduleLock>, CatalogError> {
        let held = match &self.file {
            Some(catalog) => lock_file(catalog, schedule)?.map(Held::File),
            None => {
                let connection = self.lock_on_server(schedule).await?;
                connection.map(|connection| Held::Transaction { connection, patience: self.dialect.patience })
            }
        };
        Ok(held.map(|held| ScheduleLock { held }))
    }

    /// On a connection of its own: a sweep may take hours or days, and the pool's are for moments.
    async fn lock_on_server(&self, schedule: Schedule) -> Result<Option<AnyConnection>, CatalogError> {
        let mut connection = connect(self.writers.options()).await?;
        let (begin, lock) = (self.dialect.begin_schedule, self.dialect.lock_schedule);
        in_time(self.dialect.patience, connection.execute(begin)).await?;
        let query = sqlx::query(lock).bind(schedule.number());
        let is_locked = in_time(self.dialect.patience, query.fetch_one(&mut connection)).await?.try_get(0)?;
        if is_locked {
            return Ok(Some(connection));
        }
        in_time(self.dialect.patience, connection.close()).await?;
        Ok(None)
    }
}

/// A file beside the catalog's, empty and never removed: whoever removed it might unlock another's.
fn lock_file(catalog: &Path, schedule: Schedule) -> Result<Option<File>, CatalogError> {
    let denied = |error| CatalogError::denied("the file that locks a schedule can't be made beside it", error);
    let mut name = catalog.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{schedule}.lock"));
    let file = File::options().create(true).append(true).open(catalog.with_file_name(name)).map_err(denied)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(denied(error)),
    }
}

impl ScheduleLock {
    /// Gives the right up. It is free for others when this returns.
    ///
    /// # Errors
    /// What the server said, or that it said nothing; it may be that it was lost before, and that another ran the
    /// schedule meanwhile.
    pub async fn release(self) -> Result<(), CatalogError> {
        match self.held {
            Held::File(file) => drop(file),
            Held::Transaction { mut connection, patience } => {
                in_time(patience, connection.execute("ROLLBACK")).await?;
                in_time(patience, connection.close()).await?;
            }
        }
        Ok(())
    }
}

impl Schedule {
    /// Its lock's number on a server; 0 is the schema's. The same in every version, or two would not see each other.
    fn number(self) -> i32 {
        match self {
            Schedule::Retention => 1,
            Schedule::Reconcile => 2,
            Schedule::Backfill => 3,
        }
    }
}
