//! Old recordings, behind the new ones.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use simulator::{CallPlan, Faults};
use twilio::AccountSid;

use crate::engines::on_each_engine;
use crate::fleet::{Fleet, ago, call, until, until_within};

const OLD: u64 = 200;
const SUBACCOUNT: &str = "ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const PATIENCE: Duration = Duration::from_secs(300);

/// Recordings of weeks ago, of which nobody was told.
fn fill(fleet: &Fleet, count: u64) {
    for index in 0..count {
        let age = TimeDelta::days(10) + TimeDelta::minutes(60 * index as i64);
        fleet.twilio.add_recording(CallPlan::nth(1_000 + index, ago(age)));
    }
}

/// What is archived, and when it was.
fn archived(fleet: &Fleet) -> Vec<(String, DateTime<Utc>)> {
    let rows = fleet.json(&["recordings", "list", "--status", "archived", "--limit", "10000"]);
    let text = |row: &Value, pointer: &str| row.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    rows.iter().map(|row| (text(row, "/recording_sid"), text(row, "/media/archived_at").parse().unwrap())).collect()
}

async fn new_call_is_archived_before_a_backfill_that_waits(mut fleet: Fleet) {
    fleet.set("TRANSCRIPTION_PROVIDER", "none");
    fleet.set("RECONCILE_EVERY_SECS", "3600");
    fleet.set("WORKER_CONCURRENCY", "2");
    fill(&fleet, OLD);
    let report = fleet.json(&["reconcile", "--since", "60d"]).remove(0);
    assert_eq!((&report["missing"], &report["published"]), (&OLD.into(), &OLD.into()));
    // Counts may lag, and a message that a slow SQS did not confirm in time is there twice.
    until("all of it waits in its lane", async || fleet.queued("backfill") >= OLD).await;
    assert_eq!(fleet.queued("ready"), 0);
    let _ingest = fleet.start(&["ingest"]);
    fleet.ready().await;
    let new = fleet.place(call(0)).await;
    let _worker = fleet.start(&["worker", "--stages", "archive"]);
    until_within(PATIENCE, "all are archived", async || archived(&fleet).len() as u64 == OLD + 1).await;
    let mut order = archived(&fleet);
    order.sort_by_key(|(_, archived_at)| *archived_at);
    let before = order.iter().position(|(sid, _)| *sid == new).unwrap();
    assert!(before < OLD as usize / 2, "{before} old ones went before it");
    assert_eq!(fleet.queued("dead"), 0);
}

async fn backfill_is_transcribed_and_its_dead_letters_go_back_to_its_lane(mut fleet: Fleet) {
    fleet.set("RECONCILE_EVERY_SECS", "3600");
    fill(&fleet, 4);
    fleet.json(&["reconcile", "--since", "60d"]);
    fleet.twilio.set_faults(Faults { transcriber_refusal_every: Some(1), ..Faults::default() });
    let serving = fleet.serve(true).await;
    until("all are parked", async || fleet.queued("dead") == 4).await;
    serving.stop();
    fleet.twilio.set_faults(Faults::default());
    let redriven: u64 = fleet.json(&["queue", "redrive"]).iter().map(|stage| stage["redriven"].as_u64().unwrap()).sum();
    assert_eq!(redriven, 4);
    until("they wait where they came from", async || fleet.queued("backfill") == 4).await;
    let _serving = fleet.serve(true).await;
    fleet.settled(4, &["transcribed"]).await;
    crate::whole::assert_whole(&fleet);
}

#[tokio::test(flavor = "multi_thread")]
async fn backfill_that_is_killed_goes_on_without_listing_what_was_complete() {
    let fleet = Fleet::new().await;
    for index in 0..2_000 {
        let age = TimeDelta::days(3) + TimeDelta::minutes(30 * index);
        fleet.twilio.add_recording(CallPlan::nth(index.unsigned_abs(), ago(age)));
    }
    let since = ago(TimeDelta::days(50)).date_naive().to_string();
    let running = fleet.start(&["reconcile", "--since", &since]);
    // Nobody works: it waits where the lane is full.
    until("the lane is full", async || fleet.queued("backfill") > 500).await;
    running.kill();
    let before = fleet.twilio.counters().requests_to("list");
    let _working = fleet.start(&["worker", "--stages", "archive"]);
    let report = fleet.json(&["reconcile", "--since", &since]).remove(0);
    let listed = report["listed"].as_u64().unwrap();
    assert!(listed < 1_900 && report["missing"].as_u64().unwrap() <= listed, "{report}");
    assert!(fleet.twilio.counters().requests_to("list") - before <= 8);
    let rows = || fleet.json(&["recordings", "list", "--limit", "10000"]).len();
    assert_eq!(rows(), 2_000);
    let again = fleet.json(&["reconcile", "--since", &since, "--dry-run"]).remove(0);
    assert_eq!((&again["listed"], &again["missing"]), (&2_000.into(), &0.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn account_that_twilio_throttles_holds_up_no_call_of_another() {
    let mut fleet = Fleet::new().await;
    fleet.set("TRANSCRIPTION_PROVIDER", "none");
    fleet.set("RECONCILE_EVERY_SECS", "3600");
    fleet.set("WORKER_CONCURRENCY", "2");
    fleet.set("TWILIO_SUBACCOUNTS", format!("{SUBACCOUNT}=its-own-token"));
    let subaccount: AccountSid = SUBACCOUNT.parse().unwrap();
    fleet.twilio.add_subaccount(subaccount.clone(), "its-own-token".to_owned().into());
    let main = fleet.twilio.account_sid().clone();
    // A minute for each request: they would take hours, if a worker waited for them.
    let storm = Faults { throttle_account: Some(main), retry_after_secs: Some(60), ..Faults::default() };
    fleet.twilio.set_faults(storm);
    let _serving = fleet.serve(true).await;
    for index in 0..40 {
        fleet.place(call(index)).await;
    }
    let sid = fleet.twilio.place_call_of(&subaccount, call(100)).await.recording_sid.to_string();
    until("the other's is archived", async || archived(&fleet).iter().any(|(archived, _)| *archived == sid)).await;
    assert_eq!(archived(&fleet).len(), 1);
}

on_each_engine!(
    new_call_is_archived_before_a_backfill_that_waits,
    backfill_is_transcribed_and_its_dead_letters_go_back_to_its_lane,
);
