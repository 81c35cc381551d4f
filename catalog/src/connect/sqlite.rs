//! A catalog in a file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, ConnectOptions, Connection, Executor};
use url::Url;

use super::Catalog;
use super::pool::{Connector, Pool};
use crate::dialect::SQLITE;
use crate::error::CatalogError;

/// One writer at a time, in this process and in others. Readers never wait.
const WRITERS: u32 = 1;
const READERS: u32 = 4;
/// Waiting longer than this for a connection means that the catalog is too slow for its load.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
/// How often, and with what pause, the write-ahead log is asked for while others open the same new file.
const WAL_TRIES: u32 = 100;
const WAL_PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn open(path: &str) -> Result<Catalog, CatalogError> {
    let path = file(path)?;
    let options = connect_options(&path)?;
    prove(&options).await?;
    let (writers, readers) = (pool(WRITERS, &options), pool(READERS, &options));
    Ok(Catalog { dialect: &SQLITE, writers, readers, file: Some(path) })
}

/// The file that `path` names, its folder made: absolute, so that it stays the same one wherever the process goes.
fn file(path: &str) -> Result<PathBuf, CatalogError> {
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.ends_with('/') || path.contains(['?', '\0']) || path == ":memory:" {
        return Err(CatalogError::Url("sqlite: wants the path of a file, and no parameters".to_owned()));
    }
    let path = Path::new(path);
    let no_folder = |error| CatalogError::denied("its folder can't be made or entered", error);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(no_folder)?;
    let name = path.file_name().ok_or_else(|| CatalogError::Url("sqlite: wants the path of a file".to_owned()))?;
    Ok(folder.canonicalize().map_err(no_folder)?.join(name))
}

/// Hands the path over in a form that says the same whatever characters are in it.
fn connect_options(path: &Path) -> Result<AnyConnectOptions, CatalogError> {
    let url =
        Url::from_file_path(path).map_err(|()| CatalogError::Url("its path can't be written as a URL".to_owned()))?;
    let options: AnyConnectOptions = format!("sqlite://{}?mode=rwc", url.path()).parse()?;
    // Statements carry no secrets, but their log lines would drown ours.
    Ok(options.disable_statement_logging())
}

/// Opens one connection and closes it again. A pool would try for as long as it waits, and then say only that it waited.
async fn prove(options: &AnyConnectOptions) -> Result<(), CatalogError> {
    sqlx::any::install_default_drivers();
    let mut connection = options.connect().await?;
    SQLITE.prepare(&mut connection).await?;
    write_ahead(&mut connection).await?;
    Ok(connection.close().await?)
}

fn pool(connections: u32, options: &AnyConnectOptions) -> Pool {
    let connector = Connector {
        options: options.clone(),
        dialect: &SQLITE,
        patience: ACQUIRE_TIMEOUT,
        lifetime: Duration::MAX,
        idle: Duration::MAX,
    };
    Pool::new(connector, connections)
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
