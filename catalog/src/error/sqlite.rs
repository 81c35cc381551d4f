//! SQLite's result codes: <https://www.sqlite.org/rescode.html>.

use sqlx::error::DatabaseError;

use super::CatalogError;

pub(super) fn read(error: Box<dyn DatabaseError>) -> CatalogError {
    // The low byte of an extended code is the primary one.
    let code = error.code().and_then(|code| code.parse::<i32>().ok()).map(|extended| extended & 0xff);
    let has_no_table = error.message().starts_with("no such table") || error.message().starts_with("no such column");
    match code {
        Some(1) if has_no_table => CatalogError::NotMigrated,
        Some(5 | 6) => CatalogError::unavailable("another process keeps it locked", error),
        Some(7) => CatalogError::unavailable("there is no memory left", error),
        Some(10) => CatalogError::unavailable("its disk fails, or is full", error),
        Some(13) => CatalogError::unavailable("its disk is full: free some space", error),
        Some(3 | 8 | 23) => CatalogError::denied("its file or folder is read-only", error),
        Some(14) => CatalogError::denied("its file can't be opened: see that the folder is there and writable", error),
        Some(11 | 26) => CatalogError::Corrupt { source: error.into() },
        _ => CatalogError::Database { source: error.into() },
    }
}
