//! What operators do: holds, erasure, transcripts, dead letters.

use chrono::TimeDelta;
use simulator::{CallPlan, MediaPlan};

use crate::engines::on_each_engine;
use crate::fleet::{Fleet, Running, ago, call, until};

async fn one_call(fleet: &Fleet, days_ago: i64) -> (Running, String) {
    let serving = fleet.serve(true).await;
    fleet.swept().await;
    let sid = fleet.place(CallPlan::nth(0, ago(TimeDelta::days(days_ago)))).await;
    fleet.settled(1, &["transcribed"]).await;
    (serving, sid)
}

async fn held_recording_outlives_its_date_and_goes_everywhere_once_released(fleet: Fleet) {
    let (_serving, sid) = one_call(&fleet, 40).await;
    fleet.json(&["recordings", "hold", &sid, "--reason", "a lawsuit"]);
    assert_eq!(fleet.json(&["retention"])[0]["due"], 0);
    fleet.json(&["recordings", "release", &sid, "--reason", "settled"]);
    assert_eq!(fleet.json(&["retention"])[0]["published"], 1);
    fleet.settled(1, &["deleted"]).await;
    assert!(fleet.objects().is_empty(), "{:?}", fleet.objects());
    assert_eq!(fleet.twilio.recordings()[0].status, "deleted");
    let tombstone = fleet.show(&sid);
    assert!(tombstone["media"].is_null() && tombstone["transcript"].is_null() && !tombstone["deleted_at"].is_null());
}

async fn erasure_waits_for_the_hold_and_follows_its_release(fleet: Fleet) {
    let (_serving, sid) = one_call(&fleet, 1).await;
    fleet.json(&["recordings", "hold", &sid, "--reason", "a lawsuit"]);
    fleet.json(&["recordings", "erase", &sid, "--reason", "asked for by the caller"]);
    assert_eq!(fleet.json(&["retention"])[0]["due"], 0);
    assert_eq!(fleet.show(&sid)["status"], "transcribed");
    fleet.json(&["recordings", "release", &sid, "--reason", "settled"]);
    fleet.json(&["retention"]);
    fleet.settled(1, &["deleted"]).await;
    assert!(fleet.objects().is_empty());
}

async fn transcribing_again_makes_a_further_version_and_keeps_the_first(fleet: Fleet) {
    let (_serving, sid) = one_call(&fleet, 1).await;
    assert_eq!(fleet.json(&["recordings", "transcribe", &sid, "--model", "nova-2"])[0]["version"], 2);
    until("version 2 is stored", async || fleet.show(&sid)["transcript"]["version"] == 2).await;
    assert_eq!(fleet.objects().iter().filter(|object| object.starts_with("transcripts")).count(), 2);
    let printed = fleet.json(&["recordings", "transcript", &sid]);
    assert_eq!(printed[0]["version"], 2);
}

async fn recording_without_a_callback_is_found_in_twilios_list(fleet: Fleet) {
    fleet.twilio.add_recording(CallPlan { source: "Trunking", ..call(0) });
    let _serving = fleet.serve(true).await;
    fleet.settled(1, &["transcribed"]).await;
}

async fn absent_and_failed_recordings_end_as_what_twilio_says(fleet: Fleet) {
    let _serving = fleet.serve(true).await;
    for (index, media) in [(0, MediaPlan::Absent { code: 16101 }), (1, MediaPlan::Failed { code: 16104 })] {
        fleet.place(CallPlan { media, ..call(index) }).await;
    }
    fleet.settled(2, &["absent", "failed"]).await;
    assert!(fleet.objects().is_empty());
}

on_each_engine!(
    held_recording_outlives_its_date_and_goes_everywhere_once_released,
    erasure_waits_for_the_hold_and_follows_its_release,
    transcribing_again_makes_a_further_version_and_keeps_the_first,
    recording_without_a_callback_is_found_in_twilios_list,
    absent_and_failed_recordings_end_as_what_twilio_says,
);
