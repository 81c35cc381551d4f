//! The contract suite on PostgreSQL.

use callvault_catalog::contract::Fixture;
use callvault_catalog::contract::server::Database;

pub(crate) async fn fresh() -> Fixture {
    let database = Database::migrated().await;
    let catalog = database.catalog().await;
    let other = database.catalog().await;
    Fixture::new(catalog, other, database)
}

callvault_catalog::contract_tests!(crate::postgres::fresh);
