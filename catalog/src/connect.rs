//! Opening a catalog: in a file of its own, or on a PostgreSQL server.

pub(crate) mod pool;
mod postgres;
mod sqlite;

use std::num::NonZeroU32;
use std::path::PathBuf;

use self::pool::Pool;
use crate::dialect::Dialect;
use crate::error::CatalogError;

pub(crate) use self::postgres::connect;

/// How a catalog is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatalogOptions {
    /// Most connections to a server, of all clones together; a schedule that runs takes one more. A catalog in a file
    /// has its own, few.
    pub max_connections: NonZeroU32,
}

impl Default for CatalogOptions {
    fn default() -> Self {
        CatalogOptions { max_connections: NonZeroU32::MIN.saturating_add(9) }
    }
}

/// The catalog of recordings. Cloning it shares its connections.
#[derive(Clone, Debug)]
pub struct Catalog {
    pub(crate) dialect: &'static Dialect,
    pub(crate) writers: Pool,
    pub(crate) readers: Pool,
    /// Where it is; `None` of one on a server.
    pub(crate) file: Option<PathBuf>,
}

impl Catalog {
    /// [`Catalog::connect_with`] what is usual.
    ///
    /// # Errors
    /// As there.
    pub async fn connect(url: &str) -> Result<Catalog, CatalogError> {
        Catalog::connect_with(url, CatalogOptions::default()).await
    }

    /// Opens the catalog at `url`. The schema is not touched: see [`Catalog::migrate`].
    ///
    /// - `sqlite:PATH` (or `sqlite://PATH`): folders and file are made where they are missing; several processes may
    ///   open the same one.
    /// - `postgres://USER:PASSWORD@HOST:PORT/DATABASE`: the database must be there. Parameters are those of libpq that
    ///   have a meaning here, `sslmode` among them; any other is refused. Connections that break are made anew.
    ///
    /// # Errors
    /// [`CatalogError::Url`] for any other URL; what stands against opening it. None of them repeats a user or a
    /// password.
    pub async fn connect_with(url: &str, options: CatalogOptions) -> Result<Catalog, CatalogError> {
        match url.split_once(':') {
            Some(("sqlite", path)) => sqlite::open(path).await,
            Some(("postgres" | "postgresql", _)) => postgres::open(url, options).await,
            other => {
                // What else there is may be a user or a password.
                let scheme = other.filter(|(_, rest)| rest.starts_with("//")).map_or("(none)", |(scheme, _)| scheme);
                Err(CatalogError::Url(format!("its scheme is {scheme}; known are sqlite:PATH and postgres://…")))
            }
        }
    }

    /// Closes the connections, of every clone; the last process to do so leaves one file without a log beside it.
    /// Not needed for safety: what was committed is on the disk.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writers.close().await;
    }
}
