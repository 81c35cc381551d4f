//! Databases on the PostgreSQL server that the tests run beside (`make test`), one a test.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};
use tokio::sync::OnceCell;
use url::Url;

use crate::Catalog;

/// A database of one's own, dropped with this.
#[derive(Debug)]
pub struct Database {
    url: Url,
}

impl Database {
    /// An empty one.
    pub async fn empty() -> Database {
        Database::create("").await
    }

    /// One with the schema: a copy of the first one, which takes a quarter of the time that migrating does.
    pub async fn migrated() -> Database {
        static TEMPLATE: OnceCell<String> = OnceCell::const_new();
        let template = TEMPLATE.get_or_init(async || {
            let template = Database::empty().await;
            let catalog = template.catalog().await;
            catalog.migrate().await.unwrap();
            catalog.close().await;
            let name = template.name().to_owned();
            // It must outlive this test; the server itself goes after the last one.
            std::mem::forget(template);
            name
        });
        Database::create(&format!("TEMPLATE {}", template.await)).await
    }

    async fn create(template: &str) -> Database {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("catalog_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        tell_server(&format!("CREATE DATABASE {name} {template}")).await;
        let mut url = server();
        url.set_path(&name);
        Database { url }
    }

    pub fn url(&self) -> &Url {
        &self.url
    }

    pub fn name(&self) -> &str {
        &self.url.path()[1..]
    }

    /// The catalog in it, over connections of its own.
    pub async fn catalog(&self) -> Catalog {
        Catalog::connect(self.url.as_str()).await.unwrap()
    }

    /// Another session, outside of any catalog.
    pub async fn session(&self) -> PgConnection {
        PgConnection::connect(self.url.as_str()).await.unwrap()
    }

    /// The URL of a user made for it, who was granted nothing; `options` as CREATE ROLE takes them.
    pub async fn stranger(&self, password: &str, options: &str) -> Url {
        let name = format!("anna_{}", self.name());
        tell_server(&format!("CREATE ROLE {name} LOGIN PASSWORD '{password}' {options}")).await;
        let mut url = self.url.clone();
        url.set_username(&name).unwrap();
        url.set_password(Some(password)).unwrap();
        url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name());
        // A runtime can't be waited for from within itself.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(tell_server(&drop));
        });
        let _ = dropped.join();
    }
}

async fn tell_server(what: &str) {
    let mut session = PgConnection::connect(server().as_str()).await.unwrap();
    session.execute(AssertSqlSafe(what)).await.unwrap();
    session.close().await.unwrap();
}

fn server() -> Url {
    let url = std::env::var("TEST_POSTGRES_URL").expect("TEST_POSTGRES_URL is not set: run make test");
    url.parse().unwrap()
}
