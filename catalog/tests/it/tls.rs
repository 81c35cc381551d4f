//! TLS, as sslmode and sslrootcert ask for.

use callvault_catalog::contract::server::Database;
use callvault_catalog::{Catalog, CatalogError};
use sqlx::{Executor, Row};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn authority() -> String {
    std::env::var("TEST_POSTGRES_CA").expect("TEST_POSTGRES_CA is not set: run make test")
}

/// The catalog of `database` by another name of its server, with these parameters.
async fn connect(database: &Database, host: &str, parameters: &[(&str, &str)]) -> Result<Catalog, CatalogError> {
    let mut url = database.url().clone();
    url.set_host(Some(host)).unwrap();
    url.query_pairs_mut().clear().extend_pairs(parameters);
    Catalog::connect(url.as_str()).await
}

/// How the catalog's sessions came in.
async fn is_encrypted(database: &Database) -> bool {
    let sessions = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                    WHERE datname = current_database() AND application_name = 'callvault'";
    database.session().await.fetch_one(sessions).await.unwrap().get(0)
}

#[tokio::test]
async fn connection_is_encrypted_where_the_server_can() {
    let database = Database::migrated().await;
    for (sslmode, expected) in [("disable", false), ("prefer", true), ("require", true)] {
        let catalog = connect(&database, "localhost", &[("sslmode", sslmode)]).await.unwrap();
        catalog.counts().await.unwrap();
        assert_eq!(is_encrypted(&database).await, expected, "{sslmode}");
        catalog.close().await;
    }
}

#[tokio::test]
async fn server_is_who_its_certificate_says() {
    let database = Database::migrated().await;
    let verified = [("sslmode", "verify-full"), ("sslrootcert", &authority())];
    let catalog = connect(&database, "localhost", &verified).await.unwrap();
    catalog.counts().await.unwrap();
    assert!(is_encrypted(&database).await);
}

#[tokio::test]
async fn server_by_another_name_is_denied_where_names_are_verified() {
    let database = Database::empty().await;
    let authority = authority();
    let verify =
        async |sslmode| connect(&database, "127.0.0.1", &[("sslmode", sslmode), ("sslrootcert", &authority)]).await;
    let error = verify("verify-full").await.unwrap_err();
    assert!(matches!(error, CatalogError::Denied { .. }) && error.to_string().contains("TLS"), "{error:?}");
    verify("verify-ca").await.unwrap();
}

#[tokio::test]
async fn server_of_an_unknown_authority_is_denied() {
    let database = Database::empty().await;
    for sslmode in ["verify-ca", "verify-full"] {
        let error = connect(&database, "localhost", &[("sslmode", sslmode)]).await.unwrap_err();
        assert!(matches!(error, CatalogError::Denied { .. }) && error.to_string().contains("TLS"), "{error:?}");
    }
}

#[tokio::test]
async fn missing_certificate_file_is_named() {
    let database = Database::empty().await;
    let error =
        connect(&database, "localhost", &[("sslmode", "verify-full"), ("sslrootcert", "/no/such/ca.pem")]).await;
    let error = error.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error:?}");
}

/// <https://www.postgresql.org/docs/current/protocol-flow.html>: a server without TLS answers the question for it with N.
#[tokio::test]
async fn server_without_tls_is_denied_where_it_is_required() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://anna:pw@{}/x?sslmode=require", listener.local_addr().unwrap());
    let (opened, ()) = tokio::join!(Catalog::connect(&url), async {
        let (mut client, _) = listener.accept().await.unwrap();
        client.read_exact(&mut [0; 8]).await.unwrap();
        client.write_all(b"N").await.unwrap();
    });
    let error = opened.unwrap_err();
    assert!(matches!(error, CatalogError::Denied { .. }) && error.to_string().contains("TLS"), "{error:?}");
}
