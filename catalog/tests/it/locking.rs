//! What PostgreSQL's locks do to those who meet at them. The other side is played by sessions of the test's own.

use std::collections::BTreeSet;

use callvault_catalog::contract::server::Database;
use callvault_catalog::{Catalog, CatalogError, DueCursor, Expects, Policy, Sweep};
use chrono::TimeDelta;
use sqlx::{AssertSqlSafe, Executor};
use twilio::Recording;

use crate::harness::{lock, recording, sid, start, until_waiting};

const POLICY: Policy = Policy { retention_days: 30, transcript_days: 30, twilio_delete_after_days: None };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sweeps_pass_by_what_another_has_locked() {
    let database = Database::migrated().await;
    let catalog = database.catalog().await;
    for number in 1..=3 {
        catalog.hear(&recording(number), start()).await.unwrap();
    }
    let mut other = database.session().await;
    other.execute("BEGIN").await.unwrap();
    lock(&mut other, 2).await;
    let now = start() + TimeDelta::days(30);
    let sweep = Sweep { began_at: now, now, again_before: now };
    let due = catalog.take_due_for_purge(&POLICY, sweep, &mut DueCursor::default(), 2).await.unwrap();
    assert_eq!(due.items().iter().map(|(_, sid)| sid.clone()).collect::<BTreeSet<_>>(), [sid(1), sid(3)].into());
    due.keep().await.unwrap();
    let expects = Expects { transcribe: true, deliver: true };
    let stuck = catalog.take_stuck(expects, now, sweep, None, 2).await.unwrap();
    assert_eq!(stuck.items().iter().map(|stuck| stuck.row.recording_sid.clone()).collect::<Vec<_>>(), [sid(1), sid(3)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn change_waits_for_the_lock_on_its_recording_and_then_sees_what_was_done() {
    let database = Database::migrated().await;
    // Whatever a server is set to.
    let isolate = format!("ALTER DATABASE {} SET default_transaction_isolation = 'serializable'", database.name());
    database.session().await.execute(AssertSqlSafe(isolate)).await.unwrap();
    let catalog = database.catalog().await;
    catalog.hear(&recording(1), start()).await.unwrap();
    let (mut other, mut watcher) = (database.session().await, database.session().await);
    other.execute("BEGIN").await.unwrap();
    lock(&mut other, 1).await;
    other.execute("UPDATE recordings SET marked_at = 1, marked_rule = 'a rule', marked_parts = 'audio'").await.unwrap();
    let sid = sid(1);
    let (held, ()) = tokio::join!(catalog.place_hold(&sid, "a lawsuit", "anna", start()), async {
        until_waiting(&mut watcher, 1).await;
        other.execute("COMMIT").await.unwrap();
    });
    assert!(matches!(held, Err(CatalogError::Refused(_))), "{held:?}");
}

/// The catalog's session finds the circle that it closes itself: the other one would wait for long before it looks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn message_that_runs_into_a_deadlock_is_taken_in_all_the_same() {
    let database = Database::migrated().await;
    let catalog = {
        let mut url = database.url().clone();
        url.query_pairs_mut().append_pair("options", "-c deadlock_timeout=10ms");
        Catalog::connect(url.as_str()).await.unwrap()
    };
    catalog.hear(&recording(1), start()).await.unwrap();
    let call_sid = format!("CA{:032x}", 1).parse().unwrap();
    let with_call = Recording { call_sid: Some(call_sid), ..recording(1) };
    let [mut first, mut circle, mut watcher] =
        [database.session().await, database.session().await, database.session().await];
    first.execute("BEGIN").await.unwrap();
    lock(&mut first, 1).await;
    circle.execute("SET deadlock_timeout = '1h'; BEGIN").await.unwrap();
    let insert = format!("INSERT INTO calls VALUES ('CA{:032x}', 'AC', 0)", 1);
    circle.execute(AssertSqlSafe(insert)).await.unwrap();
    let (heard, (), ()) = tokio::join!(
        catalog.hear(&with_call, start()),
        async {
            until_waiting(&mut watcher, 1).await;
            // Comes back once the catalog's transaction was broken off: that one holds it, and waits for the call.
            lock(&mut circle, 1).await;
            circle.execute("COMMIT").await.unwrap();
        },
        async {
            let mut watcher = database.session().await;
            until_waiting(&mut watcher, 2).await;
            first.execute("COMMIT").await.unwrap();
        },
    );
    assert_eq!(heard.unwrap().row.call_sid, with_call.call_sid);
}
