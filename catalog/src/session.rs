//! How statements reach the database: each waits for its answer only so long, and where no connection is to be had, the
//! error says why.

use std::io;
use std::time::Duration;

use sqlx::any::{AnyArguments, AnyQueryResult, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AnyPool, ConnectOptions, Connection};

use crate::connect::Catalog;
use crate::error::CatalogError;

/// A transaction that may write. Dropping it changes nothing.
pub(crate) struct Transaction {
    inner: sqlx::Transaction<'static, Any>,
    patience: Duration,
}

impl Catalog {
    pub(crate) async fn begin(&self) -> Result<Transaction, CatalogError> {
        let begun = tokio::spawn(begin(self.writers.clone(), self.dialect.begin));
        let begun = async { begun.await.unwrap_or(Err(sqlx::Error::WorkerCrashed)) };
        Ok(Transaction { inner: self.ask(&self.writers, begun).await?, patience: self.dialect.patience })
    }

    /// One statement that is a transaction by itself.
    pub(crate) async fn write(&self, query: Query<'_, Any, AnyArguments>) -> Result<AnyQueryResult, CatalogError> {
        self.ask(&self.writers, query.execute(&self.writers)).await
    }

    /// Rows, read outside of any transaction.
    pub(crate) async fn read_all(&self, query: Query<'_, Any, AnyArguments>) -> Result<Vec<AnyRow>, CatalogError> {
        self.ask(&self.readers, query.fetch_all(&self.readers)).await
    }

    /// The first row, where there is one.
    pub(crate) async fn read_optional(
        &self,
        query: Query<'_, Any, AnyArguments>,
    ) -> Result<Option<AnyRow>, CatalogError> {
        self.ask(&self.readers, query.fetch_optional(&self.readers)).await
    }

    async fn ask<T>(
        &self,
        pool: &AnyPool,
        answer: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, CatalogError> {
        match in_time(self.dialect.patience, answer).await {
            Err(sqlx::Error::PoolTimedOut) => Err(why_none_is_free(pool).await),
            answer => Ok(answer?),
        }
    }
}

/// In a task of its own, to its end: where a `BEGIN` is dropped between its sending and its answer, the driver gives the
/// connection back with the transaction open, and the next statements would be part of it.
async fn begin(pool: AnyPool, statement: &'static str) -> Result<sqlx::Transaction<'static, Any>, sqlx::Error> {
    pool.begin_with(statement).await
}

/// A pool says only that it waited: one connection more tells whether one can be made at all.
async fn why_none_is_free(pool: &AnyPool) -> CatalogError {
    let options = pool.connect_options();
    let patience = pool.options().get_acquire_timeout();
    match in_time(patience, options.connect()).await {
        Ok(connection) => {
            let _ = in_time(patience, connection.close()).await;
            sqlx::Error::PoolTimedOut.into()
        }
        Err(reason) => reason.into(),
    }
}

impl Transaction {
    pub(crate) async fn execute(
        &mut self,
        query: Query<'_, Any, AnyArguments>,
    ) -> Result<AnyQueryResult, CatalogError> {
        Ok(in_time(self.patience, query.execute(&mut *self.inner)).await?)
    }

    pub(crate) async fn fetch_all(&mut self, query: Query<'_, Any, AnyArguments>) -> Result<Vec<AnyRow>, CatalogError> {
        Ok(in_time(self.patience, query.fetch_all(&mut *self.inner)).await?)
    }

    pub(crate) async fn fetch_optional(
        &mut self,
        query: Query<'_, Any, AnyArguments>,
    ) -> Result<Option<AnyRow>, CatalogError> {
        Ok(in_time(self.patience, query.fetch_optional(&mut *self.inner)).await?)
    }

    /// The row of a query that always has one.
    pub(crate) async fn fetch_one(&mut self, query: Query<'_, Any, AnyArguments>) -> Result<AnyRow, CatalogError> {
        Ok(in_time(self.patience, query.fetch_one(&mut *self.inner)).await?)
    }

    /// For what is no query: it waits without a limit.
    pub(crate) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }

    pub(crate) async fn commit(self) -> Result<(), CatalogError> {
        Ok(in_time(self.patience, self.inner.commit()).await?)
    }

    pub(crate) async fn rollback(self) -> Result<(), CatalogError> {
        Ok(in_time(self.patience, self.inner.rollback()).await?)
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
