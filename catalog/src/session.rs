//! How statements reach the database: each waits for its answer only so long, and where no connection is to be had, the
//! error says why.

use std::io;
use std::time::Duration;

use sqlx::any::{AnyArguments, AnyQueryResult, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, Connection, Executor};
use tokio::runtime::Handle;

use crate::connect::Catalog;
use crate::connect::pool::{Pool, PooledConnection};
use crate::error::CatalogError;

/// A connection to a server that was used before, and does not answer for so long, is thrown away.
const GREETING_PATIENCE: Duration = Duration::from_secs(3);

/// A transaction that may write. Dropping it changes nothing: what it did is rolled back a moment later.
pub(crate) struct Transaction {
    /// Only `None` once it is over.
    connection: Option<PooledConnection>,
    patience: Duration,
}

/// What a connection is asked first: whether it still answers.
#[derive(Clone, Copy)]
enum Greeting {
    Begin,
    Ping,
}

impl Catalog {
    pub(crate) async fn begin(&self) -> Result<Transaction, CatalogError> {
        let connection = self.connection(&self.writers, Greeting::Begin).await?;
        Ok(Transaction { connection: Some(connection), patience: self.dialect.patience })
    }

    /// One statement that is a transaction by itself.
    pub(crate) async fn write(&self, query: Query<'_, Any, AnyArguments>) -> Result<AnyQueryResult, CatalogError> {
        self.ask(&self.writers, async |connection| query.execute(connection).await).await
    }

    /// Rows, read outside of any transaction.
    pub(crate) async fn read_all(&self, query: Query<'_, Any, AnyArguments>) -> Result<Vec<AnyRow>, CatalogError> {
        self.ask(&self.readers, async |connection| query.fetch_all(connection).await).await
    }

    /// The first row, where there is one.
    pub(crate) async fn read_optional(
        &self,
        query: Query<'_, Any, AnyArguments>,
    ) -> Result<Option<AnyRow>, CatalogError> {
        self.ask(&self.readers, async |connection| query.fetch_optional(connection).await).await
    }

    async fn ask<T>(
        &self,
        pool: &Pool,
        question: impl AsyncFnOnce(&mut AnyConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, CatalogError> {
        let mut connection = self.connection(pool, Greeting::Ping).await?;
        let answer = in_time(self.dialect.patience, question(&mut connection)).await;
        if matches!(answer, Ok(_) | Err(sqlx::Error::Database(_))) {
            connection.give_back();
        }
        Ok(answer?)
    }

    /// A connection that answers. One that was used before may not have outlived a restart or a failover of its server:
    /// then the next is taken.
    async fn connection(&self, pool: &Pool, greeting: Greeting) -> Result<PooledConnection, CatalogError> {
        loop {
            let mut connection = pool.take().await?;
            let may_be_broken = self.file.is_none() && !connection.is_new;
            let patience = if may_be_broken { GREETING_PATIENCE } else { self.dialect.patience };
            let answer = match greeting {
                Greeting::Begin => in_time(patience, connection.execute(self.dialect.begin)).await.map(drop),
                Greeting::Ping if may_be_broken => in_time(patience, connection.ping()).await,
                Greeting::Ping => Ok(()),
            };
            match answer {
                Ok(()) => return Ok(connection),
                Err(_) if may_be_broken => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Transaction {
    fn connection(&mut self) -> &mut AnyConnection {
        self.connection.as_mut().expect("it is only taken by what consumes or drops the transaction")
    }

    pub(crate) async fn execute(
        &mut self,
        query: Query<'_, Any, AnyArguments>,
    ) -> Result<AnyQueryResult, CatalogError> {
        Ok(in_time(self.patience, query.execute(self.connection())).await?)
    }

    pub(crate) async fn fetch_all(&mut self, query: Query<'_, Any, AnyArguments>) -> Result<Vec<AnyRow>, CatalogError> {
        Ok(in_time(self.patience, query.fetch_all(self.connection())).await?)
    }

    pub(crate) async fn fetch_optional(
        &mut self,
        query: Query<'_, Any, AnyArguments>,
    ) -> Result<Option<AnyRow>, CatalogError> {
        Ok(in_time(self.patience, query.fetch_optional(self.connection())).await?)
    }

    /// The row of a query that always has one.
    pub(crate) async fn fetch_one(&mut self, query: Query<'_, Any, AnyArguments>) -> Result<AnyRow, CatalogError> {
        Ok(in_time(self.patience, query.fetch_one(self.connection())).await?)
    }

    pub(crate) async fn commit(self) -> Result<(), CatalogError> {
        self.end("COMMIT").await
    }

    pub(crate) async fn rollback(self) -> Result<(), CatalogError> {
        self.end("ROLLBACK").await
    }

    async fn end(mut self, statement: &'static str) -> Result<(), CatalogError> {
        if let Some(mut connection) = self.connection.take() {
            in_time(self.patience, connection.execute(statement)).await?;
            connection.give_back();
        }
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // Without a runtime the connection is closed, which ends the transaction too.
        if let (Some(mut connection), Ok(runtime)) = (self.connection.take(), Handle::try_current()) {
            runtime.spawn(async move {
                if in_time(GREETING_PATIENCE, connection.execute("ROLLBACK")).await.is_ok() {
                    connection.give_back();
                }
            });
        }
    }
}

/// What is given up may still be done: a server that does not answer may have heard.
pub(crate) async fn in_time<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let too_late = |_| Err(sqlx::Error::Io(io::ErrorKind::TimedOut.into()));
    tokio::time::timeout(patience, answer).await.unwrap_or_else(too_late)
}
