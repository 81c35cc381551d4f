//! Opening a catalog and keeping its schema.

use std::future::ready;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::Migrate;
use sqlx::{Any, AnyConnection, AnyPool, ConnectOptions, Connection, Executor, Transaction};
use url::Url;

use crate::dialect::{Dialect, SQLITE};
use crate::error::CatalogError;

/// Waiting longer than this for a connection means that the catalog is too slow for its load.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
/// How often, and with what pause, the write-ahead log is asked for while others open the same new file.
const WAL_TRIES: u32 = 100;
const WAL_PAUSE: Duration = Duration::from_millis(50);

/// The catalog of recordings. Cloning it shares its connections.
#[derive(Clone, Debug)]
pub struct Catalog {
    pub(crate) dialect: &'static Dialect,
    pub(crate) writers: AnyPool,
    pub(crate) readers: AnyPool,
}

impl Catalog {
    /// Opens the catalog at `url`: `sqlite:PATH` (or `sqlite://PATH`), whose folders and file are made where they are
    /// missing; several processes may open the same one. The schema is not touched: see [`Catalog::migrate`].
    ///
    /// # Errors
    /// [`CatalogError::Url`] for any other URL; what stands against opening the file.
    pub async fn connect(url: &str) -> Result<Catalog, CatalogError> {
        let path = sqlite_path(url)?;
        let options = sqlite_options(&path)?;
        prove(&SQLITE, &options).await?;
        let writers = pool(&SQLITE, SQLITE.writers, &options);
        let readers = pool(&SQLITE, SQLITE.readers, &options);
        Ok(Catalog { dialect: &SQLITE, writers, readers })
    }

    /// Brings the schema up to date and returns how many steps that took: 0 when it was. Two that migrate at once take
    /// turns, and the second finds nothing to do. A schema of a newer version is left as it is.
    ///
    /// # Errors
    /// [`CatalogError::Migration`] where a step already taken differs from this version's; what the database said.
    pub async fn migrate(&self) -> Result<u64, CatalogError> {
        let mut transaction = self.begin().await?;
        let migrations = self.dialect.migrations;
        transaction.ensure_migrations_table(&migrations.table_name).await?;
        let before = transaction.list_applied_migrations(&migrations.table_name).await?.len();
        migrations.run_direct(None, &mut *transaction, false).await?;
        let after = transaction.list_applied_migrations(&migrations.table_name).await?.len();
        transaction.commit().await?;
        Ok((after - before) as u64)
    }

    /// Whether it can be read and written now, and its schema is the one this version needs (or newer).
    ///
    /// # Errors
    /// [`CatalogError::NotMigrated`], or what stands against it.
    pub async fn check(&self) -> Result<(), CatalogError> {
        let migrations = self.dialect.migrations;
        let mut transaction = self.begin().await?;
        let applied = match transaction.list_applied_migrations(&migrations.table_name).await.map_err(Into::into) {
            // Not even the table of applied steps is there.
            Err(CatalogError::NotMigrated) => Vec::new(),
            applied => applied?,
        };
        transaction.rollback().await?;
        let is_applied = |version| applied.iter().any(|step| step.version == version);
        if migrations.iter().all(|step| is_applied(step.version)) { Ok(()) } else { Err(CatalogError::NotMigrated) }
    }

    /// Closes the connections, of every clone; the last process to do so leaves one file without a log beside it.
    /// Not needed for safety: what was committed is on the disk.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writers.close().await;
    }

    /// A transaction that may write.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Any>, CatalogError> {
        Ok(self.writers.begin_with(self.dialect.begin).await?)
    }
}

fn sqlite_path(url: &str) -> Result<PathBuf, CatalogError> {
    let Some(path) = url.strip_prefix("sqlite:") else {
        // What follows the scheme may hold a password.
        let scheme = url.split(':').next().filter(|scheme| scheme.len() < url.len()).unwrap_or("(none)");
        return Err(CatalogError::Url(format!("its scheme is {scheme}, and this build knows sqlite:PATH")));
    };
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.ends_with('/') || path.contains(['?', '\0']) || path == ":memory:" {
        return Err(CatalogError::Url("sqlite: wants the path of a file, and no parameters".to_owned()));
    }
    Ok(PathBuf::from(path))
}

/// Makes the folders, and hands the path over in a form that says the same whatever characters are in it.
fn sqlite_options(path: &Path) -> Result<AnyConnectOptions, CatalogError> {
    let no_folder = |error| CatalogError::denied("its folder can't be made or entered", error);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(no_folder)?;
    let folder = folder.canonicalize().map_err(no_folder)?;
    let file = path.file_name().ok_or_else(|| CatalogError::Url("sqlite: wants the path of a file".to_owned()))?;
    let url = Url::from_file_path(folder.join(file))
        .map_err(|()| CatalogError::Url("its path can't be written as a URL".to_owned()))?;
    let options: AnyConnectOptions = format!("sqlite://{}?mode=rwc", url.path()).parse()?;
    // Statements carry no secrets, but their log lines would drown ours.
    Ok(options.disable_statement_logging())
}

/// Opens one connection and closes it again. A pool would try for as long as it waits, and then say only that it waited.
async fn prove(dialect: &'static Dialect, options: &AnyConnectOptions) -> Result<(), CatalogError> {
    sqlx::any::install_default_drivers();
    let mut connection = options.connect().await?;
    dialect.prepare(&mut connection).await?;
    write_ahead(&mut connection).await?;
    Ok(connection.close().await?)
}

fn pool(dialect: &'static Dialect, connections: u32, options: &AnyConnectOptions) -> AnyPool {
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        // SQLite ends a transaction by itself when the disk is full, which the driver does not notice: such a connection
        // would refuse every later transaction.
        .before_acquire(|connection, _| Box::pin(ready(Ok(!connection.is_in_transaction()))))
        .after_connect(move |connection, _| Box::pin(dialect.prepare(connection)))
        .connect_lazy_with(options.clone())
}

/// The write-ahead log is a property of the file: the first to open it sets it. SQLite does not wait for that lock by
/// itself (<https://www.sqlite.org/wal.html>, "Sometimes Queries Return SQLITE_BUSY In WAL Mode").
async fn write_ahead(connection: &mut AnyConnection) -> Result<(), CatalogError> {
    let mut tries = 1;
    loop {
        match connection.execute("PRAGMA journal_mode = WAL").await.map_err(CatalogError::from) {
            Err(error) if error.is_transient() && tries < WAL_TRIES => tries += 1,
            set => return set.map(|_| ()),
        }
        tokio::time::sleep(WAL_PAUSE).await;
    }
}

#[cfg(test)]
mod tests;
