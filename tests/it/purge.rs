//! What deletion meets at Twilio: nothing is written down as deleted that is not, and nothing of ours waits for Twilio.

use chrono::TimeDelta;
use simulator::{CallPlan, MediaPlan};

use crate::engines::on_each_engine;
use crate::fleet::{Fleet, Running, TOKEN, ago, until};

/// A call of so many days ago, transcribed, and the fleet stopped.
async fn stopped(fleet: &Fleet, days_ago: i64) -> String {
    let serving = fleet.serve(true).await;
    fleet.swept().await;
    let sid = fleet.place(CallPlan::nth(0, ago(TimeDelta::days(days_ago)))).await;
    fleet.settled(1, &["transcribed"]).await;
    assert_eq!(serving.stop(), Some(0));
    sid
}

/// The fleet where its sweep has found the recording due and a purge said this.
async fn purge_said(fleet: &Fleet, words: &str) -> Running {
    let serving = fleet.serve(true).await;
    until("the purge was tried", async || fleet.logged(&["stage=purge", words])).await;
    serving
}

async fn recording_that_failed_at_twilio_becomes_a_tombstone_on_its_date(fleet: Fleet) {
    let _serving = fleet.serve(true).await;
    fleet.swept().await;
    let started_at = ago(TimeDelta::days(31));
    let sid = fleet.place(CallPlan { media: MediaPlan::Failed { code: 16104 }, ..CallPlan::nth(0, started_at) }).await;
    fleet.settled(1, &["failed"]).await;
    assert_eq!(fleet.json(&["retention"])[0]["published"], 1);
    fleet.settled(1, &["deleted"]).await;
    assert!(!fleet.show(&sid)["twilio_deleted_at"].is_null());
}

async fn copy_that_twilio_will_not_delete_yet_goes_once_it_will(fleet: Fleet) {
    let sid = stopped(&fleet, 31).await;
    fleet.twilio.set_status(&sid.parse().unwrap(), "processing");
    let _serving = purge_said(&fleet, "will not delete it yet").await;
    let third = ["stage=purge", "will not delete it yet", "delivery.attempt=3"];
    until("each try is charged, so that there is an end to them", async || fleet.logged(&third)).await;
    fleet.twilio.set_status(&sid.parse().unwrap(), "completed");
    fleet.settled(1, &["deleted"]).await;
    assert_eq!(fleet.truth(&sid).status, "deleted");
}

async fn page_of_another_server_is_no_proof_that_twilios_copy_is_gone(mut fleet: Fleet) {
    let sid = stopped(&fleet, 50).await;
    let twilio = fleet.twilio.url();
    // Our own ingest answers 404 to what is Twilio's.
    fleet.set("TWILIO_API_URL", fleet.ingest_url(""));
    purge_said(&fleet, "a 404 that is not Twilio's").await.kill();
    let shown = fleet.show(&sid);
    assert!(shown["deleted_at"].is_null() && shown["twilio_deleted_at"].is_null(), "{shown}");
    assert_eq!(fleet.truth(&sid).status, "completed");
    fleet.set("TWILIO_API_URL", twilio.as_str());
    let _serving = fleet.serve(true).await;
    fleet.settled(1, &["deleted"]).await;
    assert_eq!(fleet.truth(&sid).status, "deleted");
}

async fn hold_can_be_placed_while_twilio_refuses_the_deletion_of_its_copy(mut fleet: Fleet) {
    let sid = stopped(&fleet, 2).await;
    fleet.set("TWILIO_DELETE_AFTER_DAYS", "0");
    fleet.set("TWILIO_AUTH_TOKEN", "revoked");
    let _serving = purge_said(&fleet, "401").await;
    // Refused only for the moment in which it is tried again.
    until("the hold is placed", async || {
        fleet.run(&["recordings", "hold", &sid, "--reason", "a lawsuit"]).status.success()
    })
    .await;
    assert_eq!(fleet.json(&["retention"])[0]["due"], 0);
    assert_eq!(fleet.truth(&sid).status, "completed");
}

async fn our_copy_goes_on_its_date_though_twilio_refuses_our_key(mut fleet: Fleet) {
    let sid = stopped(&fleet, 31).await;
    fleet.set("TWILIO_AUTH_TOKEN", "revoked");
    let serving = purge_said(&fleet, "401").await;
    assert!(fleet.objects().is_empty(), "{:?}", fleet.objects());
    assert!(fleet.show(&sid)["deleted_at"].is_null(), "Twilio still has its copy");
    serving.kill();
    fleet.set("TWILIO_AUTH_TOKEN", TOKEN);
    let _serving = fleet.serve(true).await;
    fleet.settled(1, &["deleted"]).await;
    assert_eq!(fleet.truth(&sid).status, "deleted");
}

on_each_engine!(
    recording_that_failed_at_twilio_becomes_a_tombstone_on_its_date,
    copy_that_twilio_will_not_delete_yet_goes_once_it_will,
    page_of_another_server_is_no_proof_that_twilios_copy_is_gone,
    our_copy_goes_on_its_date_though_twilio_refuses_our_key,
    hold_can_be_placed_while_twilio_refuses_the_deletion_of_its_copy,
);
