//! Files that are missing, damaged, locked away or shared, and what is said of them.

use std::fs;
use std::sync::Barrier;
use std::thread;

use callvault_catalog::{Catalog, CatalogError};
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn url(folder: &TempDir, file: &str) -> String {
    format!("sqlite:{}/{file}", folder.path().display())
}

async fn error_of(url: &str) -> CatalogError {
    match Catalog::connect(url).await {
        Ok(_) => panic!("{url} should not open"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn missing_folders_are_made() {
    let folder = folder();
    let catalog = Catalog::connect(&url(&folder, "deep/er/catalog.db")).await.unwrap();
    assert!(catalog.migrate().await.unwrap() > 0);
    assert!(folder.path().join("deep/er/catalog.db").exists());
}

#[tokio::test]
async fn odd_characters_in_a_path_are_taken_literally() {
    let folder = folder();
    let catalog = Catalog::connect(&url(&folder, "a b%20#é/c%d.db")).await.unwrap();
    catalog.migrate().await.unwrap();
    assert!(folder.path().join("a b%20#é/c%d.db").exists());
}

#[tokio::test]
async fn url_of_another_kind_says_what_is_known() {
    for (url, scheme) in
        [("mysql://anna:secret@db/x", "mysql"), ("catalog.db", "(none)"), ("anna:secret@db/x", "(none)")]
    {
        let error = error_of(url).await.to_string();
        assert!(error.contains(scheme) && error.contains("sqlite:PATH") && error.contains("postgres:"), "{error}");
        assert!(!error.contains("secret") && !error.contains("anna"), "{error}");
    }
    for url in ["sqlite:", "sqlite::memory:", "sqlite:data/", "sqlite:a.db?mode=ro"] {
        assert!(matches!(error_of(url).await, CatalogError::Url(_)), "{url}");
    }
}

#[tokio::test]
async fn folder_that_cannot_be_made_is_denied() {
    let folder = folder();
    fs::write(folder.path().join("file"), "in the way").unwrap();
    let error = error_of(&url(&folder, "file/catalog.db")).await;
    assert!(matches!(error, CatalogError::Denied { .. }) && !error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn file_that_is_no_catalog_is_corrupt() {
    let folder = folder();
    fs::write(folder.path().join("catalog.db"), "certainly not a database\n".repeat(400)).unwrap();
    let error = error_of(&url(&folder, "catalog.db")).await;
    assert!(matches!(error, CatalogError::Corrupt { .. }) && !error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn damaged_file_is_corrupt() {
    let folder = folder();
    let path = folder.path().join("catalog.db");
    let catalog = Catalog::connect(&url(&folder, "catalog.db")).await.unwrap();
    catalog.migrate().await.unwrap();
    catalog.close().await;
    let mut bytes = fs::read(&path).unwrap();
    // Everything behind the header page: the tables' own pages.
    bytes[4096..].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let error = error_of(&url(&folder, "catalog.db")).await;
    assert!(matches!(error, CatalogError::Corrupt { .. }), "{error:?}");
}

#[tokio::test]
async fn unmigrated_catalog_says_so() {
    let folder = folder();
    let catalog = Catalog::connect(&url(&folder, "catalog.db")).await.unwrap();
    assert!(matches!(catalog.check().await, Err(CatalogError::NotMigrated)));
    assert!(matches!(catalog.counts().await, Err(CatalogError::NotMigrated)));
}

/// Each from a thread of its own, as processes do; a few in a hundred meet a lock that SQLite does not wait for by
/// itself.
#[test]
fn catalog_opened_and_migrated_by_many_at_once_is_migrated_once() {
    for _ in 0..50 {
        let folder = folder();
        let (url, all) = (url(&folder, "catalog.db"), Barrier::new(3));
        let migrated = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            all.wait();
            runtime.block_on(async { Catalog::connect(&url).await.unwrap().migrate().await.unwrap() })
        };
        let steps = thread::scope(|scope| [(); 3].map(|()| scope.spawn(migrated)).map(|thread| thread.join().unwrap()));
        assert_eq!(steps.iter().filter(|taken| **taken > 0).count(), 1, "{steps:?}");
    }
}
