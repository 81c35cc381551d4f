//! The fleet with its catalog on PostgreSQL.

use catalog::contract::server::Database;
use catalog::{Catalog, Schedule};
use chrono::{TimeDelta, Utc};
use simulator::CallPlan;

use crate::fleet::Fleet;

async fn fleet_on(url: &str) -> Fleet {
    let mut fleet = Fleet::new().await;
    fleet.settings.retain(|(name, _)| *name != "DATABASE_URL");
    fleet.settings.push(("DATABASE_URL", url.to_owned()));
    fleet
}

/// What `check` says of the catalog.
async fn finding(url: &str) -> (bool, String) {
    let fleet = fleet_on(url).await;
    let output = fleet.run(&["check", "--json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("s3cret"), "{text}");
    let mut findings = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let finding = findings.find(|finding| finding["what"] == "catalog").unwrap();
    (finding["ok"].as_bool().unwrap(), finding["detail"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn recordings_go_from_callback_to_transcript_to_their_end() {
    let database = Database::empty().await;
    let fleet = fleet_on(database.url().as_str()).await;
    fleet.json(&["migrate"]);
    let serving = fleet.serve(true).await;
    #[expect(clippy::disallowed_methods, reason = "recent calls, as seen by processes with the system's clock")]
    let now = Utc::now();
    for index in 0..4 {
        fleet.twilio.place_call(CallPlan::nth(index, now - TimeDelta::minutes(10))).await;
    }
    let old = fleet.twilio.place_call(CallPlan::nth(4, now - TimeDelta::days(40))).await;
    // The sweep that serve itself begins with may be the one that finds it.
    fleet.settled(5, &["transcribed", "deleted"]).await;
    fleet.json(&["retention"]);
    crate::fleet::until("the old one is gone", async || fleet.show(old.recording_sid.as_str())["status"] == "deleted")
        .await;
    assert_eq!(fleet.objects().len(), 8, "media and transcript of the other four");
    drop(serving);
}

#[tokio::test(flavor = "multi_thread")]
async fn unmigrated_catalog_stops_serve_and_says_what_to_run() {
    let database = Database::empty().await;
    let fleet = fleet_on(database.url().as_str()).await;
    let served = fleet.ended(&["serve"]).await;
    let said = String::from_utf8(served.stderr).unwrap();
    assert!(served.status.code() == Some(1) && said.contains("run `callvault migrate`"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sweep_that_another_process_is_at_is_skipped() {
    let database = Database::migrated().await;
    let fleet = fleet_on(database.url().as_str()).await;
    let catalog = Catalog::connect(database.url().as_str()).await.unwrap();
    let locks = [catalog.lock_schedule(Schedule::Retention).await, catalog.lock_schedule(Schedule::Reconcile).await];
    for sweep in ["retention", "reconcile"] {
        assert_eq!(fleet.json(&[sweep])[0]["skipped"], true);
        assert_eq!(fleet.json(&[sweep, "--dry-run"])[0]["skipped"], false);
    }
    for lock in locks {
        lock.unwrap().unwrap().release().await.unwrap();
    }
    for sweep in ["retention", "reconcile"] {
        assert_eq!(fleet.json(&[sweep])[0]["skipped"], false);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_what_is_wrong_with_the_catalogs_server() {
    let (migrated, empty) = (Database::migrated().await, Database::empty().await);
    let mut url = migrated.url().clone();
    assert!(finding(url.as_str()).await.0);
    url.set_password(Some("s3cret")).unwrap();
    let stranger = migrated.stranger("s3cret", "").await;
    let wrong = [
        (stranger.as_str(), "lacks a right"),
        (url.as_str(), "password is wrong"),
        (empty.url().as_str(), "run `callvault migrate`"),
        (&migrated.url().as_str().replace("/catalog_", "/no_"), "no such database"),
        ("postgres://callvault:s3cret@127.0.0.1:1/callvault", "can't be reached"),
    ];
    for (url, why) in wrong {
        let (is_ok, said) = finding(url).await;
        assert!(!is_ok && said.contains(why), "{why}: {said}");
    }
}
