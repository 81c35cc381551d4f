//! The contract suite on PostgreSQL.

use callvault_catalog::Catalog;
use callvault_catalog::contract::Fixture;

use crate::server::Database;

pub(crate) async fn fresh() -> Fixture {
    let database = Database::migrated().await;
    let catalog = Catalog::connect(database.url()).await.unwrap();
    let other = Catalog::connect(database.url()).await.unwrap();
    Fixture::new(catalog, other, database)
}

callvault_catalog::contract_tests!(crate::postgres::fresh);
