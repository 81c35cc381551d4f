//! A server that goes away, and comes back: the same handle works on.

use std::num::NonZeroU32;
use std::time::Duration;

use callvault_catalog::contract::server::Database;
use callvault_catalog::{Catalog, CatalogOptions, Schedule};
use sqlx::{Executor, Row};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use url::Url;

use crate::harness::{lock, recording, sid, start, until, until_waiting};

async fn end_sessions(database: &Database) {
    let end = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE datname = current_database() AND application_name = 'callvault'";
    let ended: i64 = database.session().await.fetch_one(end).await.unwrap().get(0);
    assert!(ended > 0, "there should have been sessions to end");
}

#[tokio::test]
async fn catalog_whose_sessions_were_ended_works_on() {
    let database = Database::migrated().await;
    let catalog = database.catalog().await;
    for _ in 0..3 {
        catalog.counts().await.unwrap();
        end_sessions(&database).await;
    }
    catalog.check().await.unwrap();
}

#[tokio::test]
async fn call_that_is_dropped_half_way_leaves_no_transaction_open() {
    let database = Database::migrated().await;
    let (catalog, mut session) = (database.catalog().await, database.session().await);
    catalog.counts().await.unwrap();
    let open = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
                AND application_name = 'callvault' AND state LIKE 'idle in transaction%'";
    // Each look reads an answer of the server's and asks the next thing: wherever it is dropped, it is between the two.
    for looks in 1..12 {
        let heard = recording(looks);
        let mut call = Box::pin(catalog.hear(&heard, start()));
        for _ in 0..looks {
            if tokio::time::timeout(Duration::ZERO, &mut call).await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        drop(call);
        until(&format!("no transaction is open after {looks} looks"), async || {
            session.fetch_one(open).await.unwrap().get::<i64, _>(0) == 0
        })
        .await;
    }
}

#[tokio::test]
async fn schedule_lock_is_lost_with_its_session_and_says_so() {
    let database = Database::migrated().await;
    let catalog = database.catalog().await;
    let lock = catalog.lock_schedule(Schedule::Retention).await.unwrap().unwrap();
    end_sessions(&database).await;
    let error = lock.release().await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert!(catalog.lock_schedule(Schedule::Retention).await.unwrap().is_some());
}

/// What becomes of the connections that are there.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// They stay, and carry nothing any more.
    Silent,
    /// They break.
    Broken,
}

/// A way to the server, on which things happen to connections.
struct Way {
    url: Url,
    fate: watch::Sender<Fate>,
    accepting: JoinHandle<()>,
}

impl Way {
    async fn to(database: &Database) -> Way {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut url = database.url().clone();
        let server = (url.host_str().unwrap().to_owned(), url.port().unwrap());
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let (fate, met) = watch::channel(Fate::Broken);
        let accepting = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect(server.clone()).await.unwrap();
                let mut met = met.clone();
                met.mark_unchanged();
                tokio::spawn(carry(client, server, met));
            }
        });
        Way { url, fate, accepting }
    }

    /// No connection is there any more, and no other is made.
    async fn close(&self) {
        self.accepting.abort();
        self.fate.send(Fate::Broken).unwrap();
        while TcpStream::connect(("127.0.0.1", self.url.port().unwrap())).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, mut fate: watch::Receiver<Fate>) {
    let met = tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => Fate::Broken,
        _ = fate.changed() => *fate.borrow(),
    };
    if matches!(met, Fate::Silent) {
        std::future::pending::<()>().await;
    }
}

#[tokio::test]
async fn catalog_whose_server_fell_silent_gives_up_and_works_on_with_another() {
    let database = Database::migrated().await;
    let way = Way::to(&database).await;
    let options = CatalogOptions { max_connections: NonZeroU32::MIN };
    let catalog = Catalog::connect_with(way.url.as_str(), options).await.unwrap();
    catalog.hear(&recording(1), start()).await.unwrap();
    let (mut other, mut watcher) = (database.session().await, database.session().await);
    other.execute("BEGIN").await.unwrap();
    lock(&mut other, 1).await;
    let sid = sid(1);
    let (held, ()) = tokio::join!(catalog.place_hold(&sid, "a lawsuit", "anna", start()), async {
        until_waiting(&mut watcher, 1).await;
        way.fate.send(Fate::Silent).unwrap();
        // From here on nothing is waited for but the end of patience.
        tokio::time::pause();
    });
    tokio::time::resume();
    let error = held.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("does not answer"), "{error:?}");
    // Its only connection is still on the way that carries nothing.
    catalog.counts().await.unwrap();
    way.fate.send(Fate::Silent).unwrap();
    catalog.counts().await.unwrap();
}

#[tokio::test]
async fn schedule_lock_whose_server_fell_silent_is_given_up_in_time() {
    let database = Database::migrated().await;
    let way = Way::to(&database).await;
    let catalog = Catalog::connect(way.url.as_str()).await.unwrap();
    let lock = catalog.lock_schedule(Schedule::Retention).await.unwrap().unwrap();
    way.fate.send(Fate::Silent).unwrap();
    tokio::time::pause();
    let released = tokio::time::timeout(Duration::from_secs(3600), lock.release()).await;
    let error = released.expect("nobody waits for it for good").unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("does not answer"), "{error:?}");
}

/// A pool alone would say that it waited.
#[tokio::test]
async fn catalog_whose_server_was_stopped_says_so() {
    let database = Database::migrated().await;
    let way = Way::to(&database).await;
    let catalog = Catalog::connect(way.url.as_str()).await.unwrap();
    catalog.counts().await.unwrap();
    way.close().await;
    // It tries for a while.
    tokio::time::pause();
    let error = catalog.counts().await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("can't be reached"), "{error:?}");
}

/// Sessions that stand still in a transaction are ended, those of a schedule are not.
#[tokio::test]
async fn schedule_lock_outlasts_the_limit_on_standing_still() {
    let database = Database::migrated().await;
    let mut url = database.url().clone();
    url.query_pairs_mut().append_pair("options", "-c idle_in_transaction_session_timeout=100ms");
    let catalog = Catalog::connect(url.as_str()).await.unwrap();
    let _lock = catalog.lock_schedule(Schedule::Retention).await.unwrap().unwrap();
    let (mut idle, mut watcher) = (database.session().await, database.session().await);
    idle.execute("SET idle_in_transaction_session_timeout = '100ms'; SET application_name = 'idle'; BEGIN")
        .await
        .unwrap();
    let is_there =
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'idle'";
    until("the idle session is ended", async || watcher.fetch_one(is_there).await.unwrap().get::<i64, _>(0) == 0).await;
    assert!(catalog.lock_schedule(Schedule::Retention).await.unwrap().is_none());
}
