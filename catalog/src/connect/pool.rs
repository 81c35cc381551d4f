//! Connections that are kept and used again, so many and no more.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use deadpool::managed::{Manager, Metrics, Object, PoolError, QueueMode, RecycleError, RecycleResult, WeakPool};
use deadpool::{Runtime, managed};
use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, ConnectOptions, Connection};
use tokio::time::Instant;

use crate::dialect::Dialect;
use crate::error::CatalogError;
use crate::session::in_time;

/// Before a server that can't be reached, or takes no more, is asked again; each further pause is twice as long.
const CONNECT_PAUSE_FIRST: Duration = Duration::from_millis(10);
const CONNECT_PAUSE_MOST: Duration = Duration::from_secs(1);

/// How often connections that nobody asks for are looked at.
const LET_GO_EVERY: Duration = Duration::from_secs(60);

/// Clones share the connections. Nothing is asked of one when it comes back: that costs as much as many uses do.
#[derive(Debug, Clone)]
pub(crate) struct Pool(managed::Pool<Connector>);

/// How connections are made, and how long one may be waited for.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) options: AnyConnectOptions,
    pub(super) dialect: &'static Dialect,
    /// For a free connection, and for a new one.
    pub(super) patience: Duration,
    /// A connection this old, or unused for so long, is made anew.
    pub(super) lifetime: Duration,
    pub(super) idle: Duration,
}

impl Manager for Connector {
    type Type = AnyConnection;
    type Error = CatalogError;

    /// Waits, within its patience, for a server that is away, starting or full.
    async fn create(&self) -> Result<AnyConnection, CatalogError> {
        let until = Instant::now() + self.patience;
        let mut pause = CONNECT_PAUSE_FIRST;
        loop {
            let connected = in_time(until.saturating_duration_since(Instant::now()), self.connect()).await;
            match connected.map_err(CatalogError::from) {
                Err(error) if error.is_transient() && Instant::now() + pause < until => {}
                connected => return connected,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(CONNECT_PAUSE_MOST);
        }
    }

    async fn recycle(&self, _: &mut AnyConnection, metrics: &Metrics) -> RecycleResult<CatalogError> {
        if self.is_good(metrics) { Ok(()) } else { Err(RecycleError::message("too old")) }
    }
}

impl Connector {
    fn is_good(&self, metrics: &Metrics) -> bool {
        metrics.age() < self.lifetime && metrics.last_used() < self.idle
    }

    async fn connect(&self) -> Result<AnyConnection, sqlx::Error> {
        let mut connection = self.options.connect().await?;
        self.dialect.prepare(&mut connection).await?;
        Ok(connection)
    }
}

impl Pool {
    pub(super) fn new(connector: Connector, connections: u32) -> Pool {
        let patience = connector.patience;
        let ends = connector.idle != Duration::MAX;
        let pool = managed::Pool::builder(connector)
            .max_size(connections as usize)
            // Those that are too many grow old unused.
            .queue_mode(QueueMode::Lifo)
            .wait_timeout(Some(patience))
            .runtime(Runtime::Tokio1)
            .build();
        let pool = pool.expect("a pool with a runtime can always be built");
        if ends {
            tokio::spawn(let_go(pool.weak()));
        }
        Pool(pool)
    }

    /// How its connections are made.
    pub(crate) fn options(&self) -> &AnyConnectOptions {
        &self.0.manager().options
    }

    /// One that is free, or a new one. A connection that was used before may be broken.
    pub(crate) async fn take(&self) -> Result<PooledConnection, CatalogError> {
        let connection = match self.0.get().await {
            Ok(connection) => connection,
            Err(PoolError::Backend(error)) => return Err(error),
            Err(PoolError::Timeout(_)) => return Err(self.why_none_is_free().await),
            Err(_) => return Err(sqlx::Error::PoolClosed.into()),
        };
        let is_new = Object::metrics(&connection).recycle_count == 0;
        Ok(PooledConnection { connection: Some(connection), is_new })
    }

    /// A pool says only that it waited: one connection more tells whether one can be made at all.
    async fn why_none_is_free(&self) -> CatalogError {
        let Connector { options, patience, .. } = self.0.manager();
        match in_time(*patience, options.connect()).await {
            Ok(connection) => {
                let _ = in_time(*patience, connection.close()).await;
                sqlx::Error::PoolTimedOut.into()
            }
            Err(reason) => reason.into(),
        }
    }

    /// Closes what is free, and each of the others when it comes back.
    pub(crate) async fn close(&self) {
        let free = self.0.retain(|_, _| false).removed;
        self.0.close();
        for connection in free {
            // It is closed either way.
            let _ = connection.close().await;
        }
    }
}

/// Closes connections that are too old, though nobody asks for one, as long as there is the pool.
async fn let_go(pool: WeakPool<Connector>) {
    loop {
        tokio::time::sleep(LET_GO_EVERY).await;
        let Some(pool) = pool.upgrade() else { return };
        let connector = pool.manager();
        for connection in pool.retain(|_, metrics| connector.is_good(&metrics)).removed {
            // It is closed either way.
            let _ = in_time(connector.patience, connection.close()).await;
        }
    }
}

/// A connection in use. It is thrown away when it is dropped, with whatever was under way on it, unless it is given back.
#[derive(Debug)]
pub(crate) struct PooledConnection {
    /// Only `None` once it was given back.
    connection: Option<Object<Connector>>,
    pub(crate) is_new: bool,
}

impl PooledConnection {
    /// For others to use: no answer is outstanding on it, and no transaction is open.
    pub(crate) fn give_back(mut self) {
        drop(self.connection.take());
    }
}

impl Deref for PooledConnection {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        self.connection.as_ref().expect(THERE)
    }
}

impl DerefMut for PooledConnection {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        self.connection.as_mut().expect(THERE)
    }
}

const THERE: &str = "only give_back takes it, and ends this";

impl Drop for PooledConnection {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(Object::take(connection));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::dialect::SQLITE;

    const A_YEAR: Duration = Duration::from_secs(365 * 86_400);

    /// How many connections there are minutes after one was used.
    async fn left(idle: Duration) -> usize {
        sqlx::any::install_default_drivers();
        let folder = tempfile::tempdir().unwrap();
        let options = format!("sqlite://{}/x.db?mode=rwc", folder.path().display()).parse().unwrap();
        let connector = Connector { options, dialect: &SQLITE, patience: A_YEAR, lifetime: A_YEAR, idle };
        let pool = Pool::new(connector, 2);
        pool.take().await.unwrap().give_back();
        assert_eq!(pool.0.status().size, 1);
        tokio::time::sleep(3 * LET_GO_EVERY).await;
        pool.0.status().size
    }

    #[tokio::test(start_paused = true)]
    async fn connection_that_nobody_asks_for_is_closed_when_it_is_old() {
        assert_eq!(left(Duration::ZERO).await, 0);
        assert_eq!(left(A_YEAR).await, 1);
    }
}
