//! The schema: the same on both databases, brought up to date once.

use std::collections::BTreeSet;

use callvault_catalog::contract::server::Database;
use callvault_catalog::{Catalog, CatalogError};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection, Executor, Row};

/// Tables and views of the databases themselves, and of the driver.
const NOT_OURS: &str = "_sqlx_migrations";

/// `table.column type null|not null`, and the names of the indexes.
type Schema = BTreeSet<String>;

async fn schema_of_sqlite() -> Schema {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.db").display().to_string();
    Catalog::connect(&format!("sqlite:{path}")).await.unwrap().migrate().await.unwrap();
    let mut file = SqliteConnection::connect(&format!("sqlite:{path}")).await.unwrap();
    let columns = "SELECT m.name, c.name, c.type, c.\"notnull\" OR c.pk > 0 FROM sqlite_schema m, pragma_table_xinfo(m.name) c \
                   WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'";
    let indexes = "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL";
    let mut schema = Schema::new();
    for row in file.fetch_all(columns).await.unwrap() {
        schema.insert(column(row.get(0), row.get(1), row.get(2), row.get(3)));
    }
    schema.extend(file.fetch_all(indexes).await.unwrap().iter().map(|row| row.get(0)));
    schema.retain(|line| !line.starts_with(NOT_OURS));
    schema
}

async fn schema_of_postgres() -> Schema {
    let database = Database::migrated().await;
    let mut session = database.session().await;
    let columns = "SELECT table_name::text, column_name::text, data_type::text, is_nullable = 'NO' \
                   FROM information_schema.columns WHERE table_schema = 'public'";
    let indexes =
        "SELECT indexname::text FROM pg_indexes WHERE schemaname = 'public' AND indexname NOT LIKE '%\\_pkey'";
    let mut schema = Schema::new();
    for row in session.fetch_all(columns).await.unwrap() {
        schema.insert(column(row.get(0), row.get(1), row.get(2), row.get(3)));
    }
    schema.extend(session.fetch_all(indexes).await.unwrap().iter().map(|row| row.get::<String, _>(0)));
    schema.retain(|line| !line.starts_with(NOT_OURS));
    schema
}

fn column(table: &str, name: &str, kind: &str, is_required: bool) -> String {
    let kind = match kind {
        "INTEGER" | "bigint" => "integer",
        "REAL" | "double precision" => "real",
        "TEXT" | "text" => "text",
        other => other,
    };
    format!("{table}.{name} {kind} {}", if is_required { "not null" } else { "null" })
}

#[tokio::test]
async fn both_databases_have_the_same_tables_columns_and_indexes() {
    let (sqlite, postgres) = (schema_of_sqlite().await, schema_of_postgres().await);
    assert_eq!(sqlite.difference(&postgres).collect::<Vec<_>>(), Vec::<&String>::new(), "only on SQLite");
    assert_eq!(postgres.difference(&sqlite).collect::<Vec<_>>(), Vec::<&String>::new(), "only on PostgreSQL");
    assert!(sqlite.contains("recordings.recording_sid text not null") && sqlite.contains("recordings_marked"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn database_migrated_by_many_at_once_is_migrated_once() {
    let database = Database::empty().await;
    let migrate = || async { database.catalog().await.migrate().await.unwrap() };
    let (one, two, three, four) = tokio::join!(migrate(), migrate(), migrate(), migrate());
    let steps = [one, two, three, four];
    assert_eq!(steps.iter().filter(|taken| **taken > 0).count(), 1, "{steps:?}");
    database.catalog().await.check().await.unwrap();
}

#[tokio::test]
async fn migration_that_fails_leaves_nothing_behind() {
    let database = Database::empty().await;
    let mut session = database.session().await;
    // In the way of the schema's last table.
    session.execute("CREATE TABLE audit ()").await.unwrap();
    database.catalog().await.migrate().await.unwrap_err();
    let tables = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'public'";
    assert_eq!(session.fetch_one(tables).await.unwrap().get::<i64, _>(0), 1);
    session.execute("DROP TABLE audit").await.unwrap();
    assert!(database.catalog().await.migrate().await.unwrap() > 0);
}

async fn apply_later_step(session: &mut PgConnection) {
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'later', TRUE, '', 0)";
    session.execute(later).await.unwrap();
}

#[tokio::test]
async fn schema_of_a_newer_version_is_left_alone() {
    let database = Database::migrated().await;
    let mut session = database.session().await;
    session.execute("ALTER TABLE recordings ADD COLUMN novelty TEXT DEFAULT 'new'").await.unwrap();
    apply_later_step(&mut session).await;
    let catalog = database.catalog().await;
    assert_eq!(catalog.migrate().await.unwrap(), 0);
    catalog.check().await.unwrap();
}

#[tokio::test]
async fn schema_that_a_newer_version_took_something_from_is_too_new() {
    let database = Database::migrated().await;
    let mut session = database.session().await;
    session.execute("ALTER TABLE recordings DROP COLUMN purge_queued_at").await.unwrap();
    apply_later_step(&mut session).await;
    let catalog = database.catalog().await;
    assert!(matches!(catalog.check().await, Err(CatalogError::SchemaTooNew)));
}

#[tokio::test]
async fn altered_migration_is_refused() {
    let database = Database::migrated().await;
    database.session().await.execute("UPDATE _sqlx_migrations SET checksum = ''").await.unwrap();
    let error = database.catalog().await.migrate().await.unwrap_err();
    assert!(matches!(error, CatalogError::Migration { .. }), "{error:?}");
}

/// The SQL of docs/engines/postgresql.md, statement by statement, with names of the test's own.
async fn run_documented(session: &mut PgConnection, block: usize, database: &Database) {
    let page = include_str!("../../../docs/engines/postgresql.md");
    let sql = page.split("```sql\n").nth(block).unwrap().split("```").next().unwrap();
    let owned = format!("ALTER DATABASE {} OWNER TO", database.name());
    let sql = sql.replace("CREATE DATABASE callvault OWNER", &owned);
    let sql = sql.replace("DATABASE callvault", &format!("DATABASE {}", database.name()));
    let sql = sql.replace("callvault_", &format!("{}_", database.name()));
    session.execute(AssertSqlSafe(sql)).await.unwrap();
}

async fn catalog_of(database: &Database, role: &str) -> Catalog {
    let mut url = database.url().clone();
    url.set_username(&format!("{}_{role}", database.name())).unwrap();
    url.set_password(Some("…")).unwrap();
    Catalog::connect(url.as_str()).await.unwrap()
}

#[tokio::test]
async fn documented_rights_are_enough_and_no_more() {
    let database = Database::empty().await;
    let mut session = database.session().await;
    run_documented(&mut session, 1, &database).await;
    let owner = catalog_of(&database, "owner").await;
    owner.migrate().await.unwrap();
    let user = catalog_of(&database, "user").await;
    assert!(matches!(user.check().await, Err(CatalogError::Denied { .. })), "before the grants");
    run_documented(&mut session, 2, &database).await;
    user.check().await.unwrap();
    assert!(matches!(user.migrate().await, Err(CatalogError::Denied { .. })));
}

#[tokio::test]
async fn each_missing_right_is_missed() {
    let database = Database::empty().await;
    let mut session = database.session().await;
    run_documented(&mut session, 1, &database).await;
    catalog_of(&database, "owner").await.migrate().await.unwrap();
    run_documented(&mut session, 2, &database).await;
    let user = catalog_of(&database, "user").await;
    let grants = "SELECT privilege_type || ' ON ' || table_name FROM information_schema.role_table_grants \
                  WHERE grantee LIKE '%\\_user'";
    let grants = session.fetch_all(grants).await.unwrap();
    assert_eq!(grants.len(), 22);
    for grant in grants {
        let (grant, role) = (grant.get::<String, _>(0), format!("{}_user", database.name()));
        session.execute(AssertSqlSafe(format!("REVOKE {grant} FROM {role}"))).await.unwrap();
        assert!(matches!(user.check().await, Err(CatalogError::Denied { .. })), "without {grant}");
        session.execute(AssertSqlSafe(format!("GRANT {grant} TO {role}"))).await.unwrap();
    }
    user.check().await.unwrap();
}
