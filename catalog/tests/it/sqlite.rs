//! The contract suite on SQLite.

use callvault_catalog::Catalog;
use callvault_catalog::contract::Fixture;

pub(crate) async fn fresh() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/catalog.db", folder.path().display());
    let catalog = Catalog::connect(&url).await.unwrap();
    catalog.migrate().await.unwrap();
    Fixture::new(catalog, Catalog::connect(&url).await.unwrap(), folder)
}

callvault_catalog::contract_tests!(crate::sqlite::fresh);
