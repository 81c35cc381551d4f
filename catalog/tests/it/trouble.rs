//! A server that is stopped, shut, full, strange or gone, and what is said of it: never a user, never a password.

use std::error::Error;
use std::num::NonZeroU32;

use callvault_catalog::contract::server::Database;
use callvault_catalog::{AuditEntry, Catalog, CatalogError, CatalogOptions};
use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Executor, Row};
use tokio::net::TcpListener;

const PASSWORD: &str = "pa55-w0rd";

/// What stands in the way of opening `url`.
async fn error_of(url: &str) -> CatalogError {
    keeps_secrets(Catalog::connect(url).await.expect_err("it should not open"))
}

/// In all its forms an error keeps to itself who asked, and with what password.
fn keeps_secrets(error: CatalogError) -> CatalogError {
    let shown = format!("{error} {:?} {error:?}", error.source().map(ToString::to_string));
    assert!(!shown.contains(PASSWORD) && !shown.contains("anna"), "{shown}");
    error
}

fn is_denied(error: &CatalogError, why: &str) -> bool {
    matches!(error, CatalogError::Denied { .. }) && !error.is_transient() && error.to_string().contains(why)
}

fn is_unavailable(error: &CatalogError, why: &str) -> bool {
    error.is_transient() && error.to_string().contains(why)
}

#[tokio::test]
async fn stopped_server_cannot_be_reached() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let error = error_of(&format!("postgres://anna:{PASSWORD}@127.0.0.1:{port}/callvault")).await;
    assert!(is_unavailable(&error, "can't be reached"), "{error:?}");
}

#[tokio::test]
async fn unknown_host_cannot_be_reached() {
    let error = error_of(&format!("postgres://anna:{PASSWORD}@no.such.host.invalid/x")).await;
    assert!(is_unavailable(&error, "can't be reached"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn server_that_says_nothing_does_not_answer() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let error = error_of(&format!("postgres://anna:{PASSWORD}@127.0.0.1:{port}/x")).await;
    assert!(is_unavailable(&error, "does not answer"), "{error:?}");
}

#[tokio::test]
async fn wrong_password_is_denied() {
    let database = Database::empty().await;
    let mut url = database.stranger(PASSWORD, "").await;
    url.set_password(Some("pa55-w0rd-of-old")).unwrap();
    let error = error_of(url.as_str()).await;
    assert!(is_denied(&error, "user or the password is wrong"), "{error:?}");
    url.set_username("anna_of_nowhere").unwrap();
    assert!(is_denied(&error_of(url.as_str()).await, "user or the password is wrong"));
}

#[tokio::test]
async fn missing_database_is_denied() {
    let database = Database::empty().await;
    let mut url = database.stranger(PASSWORD, "").await;
    url.set_path("no_such_database");
    let error = error_of(url.as_str()).await;
    assert!(is_denied(&error, "no such database"), "{error:?}");
}

#[tokio::test]
async fn user_who_may_not_connect_lacks_a_right() {
    let database = Database::empty().await;
    let url = database.stranger(PASSWORD, "").await;
    let revoke = format!("REVOKE CONNECT ON DATABASE {} FROM PUBLIC", database.name());
    database.session().await.execute(AssertSqlSafe(revoke)).await.unwrap();
    let error = error_of(url.as_str()).await;
    assert!(is_denied(&error, "lacks a right"), "{error:?}");
}

#[tokio::test]
async fn user_without_grants_lacks_a_right() {
    let database = Database::migrated().await;
    let url = database.stranger(PASSWORD, "").await;
    let catalog = Catalog::connect(url.as_str()).await.unwrap();
    for error in [
        catalog.counts().await.unwrap_err(),
        catalog.check_schema().await.unwrap_err(),
        catalog.migrate().await.unwrap_err(),
    ] {
        assert!(is_denied(&keeps_secrets(error), "lacks a right"));
    }
}

#[tokio::test]
async fn user_who_has_no_connection_left_waits() {
    let database = Database::empty().await;
    let url = database.stranger(PASSWORD, "CONNECTION LIMIT 0").await;
    let error = error_of(url.as_str()).await;
    assert!(is_unavailable(&error, "too many connections"), "{error:?}");
}

#[tokio::test]
async fn unmigrated_database_says_what_to_run() {
    let database = Database::empty().await;
    let catalog = database.catalog().await;
    for error in [catalog.check_schema().await, catalog.check().await, catalog.counts().await.map(|_| ())] {
        assert!(error.unwrap_err().to_string().contains("callvault migrate"));
    }
}

#[tokio::test]
async fn read_only_server_is_a_replica_or_fails_over() {
    let database = Database::migrated().await;
    let read_only = format!("ALTER DATABASE {} SET default_transaction_read_only = on", database.name());
    database.session().await.execute(AssertSqlSafe(read_only)).await.unwrap();
    let catalog = database.catalog().await;
    catalog.counts().await.unwrap();
    for error in [written(&catalog).await, catalog.check().await, catalog.migrate().await.map(|_| ())] {
        let error = error.unwrap_err();
        assert!(is_unavailable(&error, "read-only"), "{error:?}");
    }
}

async fn written(catalog: &Catalog) -> Result<(), CatalogError> {
    let entry =
        AuditEntry { actor: "anna".to_owned(), action: "show".to_owned(), recording_sid: None, detail: String::new() };
    catalog.audit(&entry, DateTime::<Utc>::UNIX_EPOCH).await
}

/// What can't well be brought about is raised, with the code that the server would give it.
#[tokio::test]
async fn each_trouble_of_a_server_has_its_words() {
    let transient = [
        ("53100", "disk is full"),
        ("53200", "no memory"),
        ("53400", "limits"),
        ("58030", "disk fails"),
        ("57P01", "ended the connection"),
        ("57P03", "starting"),
        ("57014", "took too long"),
        ("55P03", "locked"),
        ("40001", "another transaction"),
        ("08006", "connection"),
    ];
    let database = Database::migrated().await;
    let catalog = database.catalog().await;
    let mut session = database.session().await;
    for (code, words) in transient {
        raise(&mut session, code).await;
        let error = written(&catalog).await.unwrap_err();
        assert!(is_unavailable(&error, words), "{code}: {error:?}");
    }
    raise(&mut session, "26000").await;
    assert!(is_denied(&written(&catalog).await.unwrap_err(), "pooler"));
    raise(&mut session, "XX001").await;
    assert!(matches!(written(&catalog).await, Err(CatalogError::Corrupt { .. })));
    raise(&mut session, "23514").await;
    assert!(matches!(written(&catalog).await, Err(CatalogError::Database { .. })));
}

/// Lets whatever is written to the audit log fail so.
async fn raise(session: &mut sqlx::postgres::PgConnection, code: &str) {
    let function = format!(
        "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE EXCEPTION 'for role \"anna\" of \"x\"' USING ERRCODE = '{code}'; END $$; \
         CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION fail()"
    );
    session.execute(AssertSqlSafe(function)).await.unwrap();
}

#[tokio::test]
async fn names_are_left_out_of_what_a_server_says() {
    let database = Database::migrated().await;
    raise(&mut database.session().await, "53300").await;
    let error = written(&database.catalog().await).await.unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "for role \"…\" of \"x\" (SQLSTATE 53300)");
}

#[tokio::test]
async fn parameter_that_would_be_passed_over_is_refused() {
    let error = error_of(&format!("postgres://anna:{PASSWORD}@127.0.0.1/x?sslpassword={PASSWORD}")).await;
    assert!(matches!(error, CatalogError::Url(_)) && error.to_string().contains("sslpassword"), "{error:?}");
}

#[tokio::test]
async fn url_that_cannot_be_read_is_refused() {
    for rest in ["127.0.0.1/x?sslmode=strict", "one,two:5432,three/x", "127.0.0.1:99999/x"] {
        let error = error_of(&format!("postgres://anna:{PASSWORD}@{rest}")).await;
        assert!(matches!(error, CatalogError::Url(_)), "{error:?}");
    }
}

#[tokio::test]
async fn sessions_have_limits_and_a_name() {
    let database = Database::migrated().await;
    let show = "CREATE FUNCTION show() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.detail := concat_ws(' ', \
                current_setting('statement_timeout'), current_setting('lock_timeout'), \
                current_setting('idle_in_transaction_session_timeout'), current_setting('application_name')); \
                RETURN NEW; END $$; \
                CREATE TRIGGER show BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION show()";
    database.session().await.execute(show).await.unwrap();
    let mut url = database.url().clone();
    for (parameters, expected) in [
        ("sslmode=disable", "1min 10s 1min callvault"),
        ("options=-c%20lock_timeout%3D3s&application_name=sweeper", "1min 3s 1min sweeper"),
    ] {
        url.set_query(Some(parameters));
        let catalog = Catalog::connect(url.as_str()).await.unwrap();
        written(&catalog).await.unwrap();
        assert_eq!(catalog.audit_log(None, 1).await.unwrap()[0].detail, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_as_many_as_allowed_and_no_more() {
    let database = Database::migrated().await;
    let options = CatalogOptions { max_connections: NonZeroU32::new(3).unwrap() };
    let catalog = Catalog::connect_with(database.url().as_str(), options).await.unwrap();
    let asked = (0..50).map(|_| {
        let catalog = catalog.clone();
        tokio::spawn(async move { catalog.counts().await.unwrap() })
    });
    for counts in asked.collect::<Vec<_>>() {
        counts.await.unwrap();
    }
    let sessions =
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'callvault'";
    let sessions: i64 = database.session().await.fetch_one(sessions).await.unwrap().get(0);
    assert!((1..=3).contains(&sessions), "{sessions}");
}
