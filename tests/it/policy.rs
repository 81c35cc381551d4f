//! What is kept how long, and where.

use chrono::TimeDelta;
use simulator::{CallPlan, MediaPlan};

use crate::engines::on_each_engine;
use crate::fleet::{Fleet, Running, ago, call, until};
use crate::whole::assert_opens;

/// A call of two days ago, transcribed.
async fn old_call(mut fleet: Fleet, settings: &[(&'static str, &str)]) -> (Fleet, Running, String) {
    for (name, value) in settings {
        fleet.set(name, *value);
    }
    let serving = fleet.serve(true).await;
    fleet.swept().await;
    let sid = fleet.place(CallPlan::nth(0, ago(TimeDelta::days(2)))).await;
    fleet.settled(1, &["transcribed"]).await;
    (fleet, serving, sid)
}

async fn recording_that_twilio_encrypted_is_archived_as_it_is_flagged_and_not_transcribed(fleet: Fleet) {
    let _serving = fleet.serve(true).await;
    let sid = fleet.place(CallPlan { media: MediaPlan::Encrypted, ..call(0) }).await;
    fleet.settled(1, &["archived"]).await;
    fleet.idle().await;
    assert_opens(&fleet, &sid);
    let shown = fleet.show(&sid);
    assert_eq!(shown["flags"], serde_json::json!(["twilio_encrypted"]), "{shown}");
    assert!(shown["transcript"].is_null() && shown["error"].is_null(), "{shown}");
    assert_eq!(fleet.twilio.counters().requests_to("deepgram"), 0);
}

async fn twilios_copy_goes_at_once_where_policy_says_so_and_ours_stays(fleet: Fleet) {
    let (fleet, _serving, sid) = old_call(fleet, &[("TWILIO_DELETE_AFTER_DAYS", "0")]).await;
    until("Twilio's copy is gone", async || fleet.truth(&sid).status == "deleted").await;
    until("it is written down", async || !fleet.show(&sid)["twilio_deleted_at"].is_null()).await;
    assert_opens(&fleet, &sid);
    let shown = fleet.show(&sid);
    assert!(shown["status"] == "transcribed" && shown["deleted_at"].is_null(), "{shown}");
    assert_eq!(fleet.objects().len(), 2);
}

/// Changes the last byte of our copy, and not its length.
fn damage(fleet: &Fleet, sid: &str) {
    let object = fleet.path("vault").join(fleet.show(sid)["media"]["object"].as_str().unwrap());
    let mut bytes = std::fs::read(&object).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&object, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn our_copy_that_turns_out_broken_is_archived_again_before_twilios_goes() {
    let (mut fleet, serving, sid) = old_call(Fleet::new().await, &[]).await;
    serving.kill();
    damage(&fleet, &sid);
    fleet.set("TWILIO_DELETE_AFTER_DAYS", "0");
    let _serving = fleet.serve(true).await;
    until("Twilio's copy is gone", async || !fleet.show(&sid)["twilio_deleted_at"].is_null()).await;
    assert_opens(&fleet, &sid);
    let shown = fleet.show(&sid);
    assert_eq!((&shown["status"], &shown["flags"][0]), (&"transcribed".into(), &"archived_again".into()), "{shown}");
    assert_eq!(fleet.queued("dead"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_that_turns_out_broken_is_archived_again_before_a_transcript_that_is_due_goes() {
    let (mut fleet, serving, sid) = old_call(Fleet::new().await, &[]).await;
    serving.kill();
    damage(&fleet, &sid);
    fleet.set("TWILIO_DELETE_AFTER_DAYS", "0");
    fleet.set("RETENTION_TRANSCRIPT_DAYS", "1");
    let _serving = fleet.serve(true).await;
    until("Twilio's copy is gone", async || !fleet.show(&sid)["twilio_deleted_at"].is_null()).await;
    until("the transcript is gone", async || fleet.objects().len() == 1).await;
    assert_opens(&fleet, &sid);
    let shown = fleet.show(&sid);
    assert_eq!((&shown["status"], &shown["flags"][0]), (&"archived".into(), &"archived_again".into()), "{shown}");
    assert_eq!(fleet.queued("dead"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn twilios_copy_stays_when_ours_turns_out_broken_a_second_time() {
    let (mut fleet, serving, sid) = old_call(Fleet::new().await, &[]).await;
    damage(&fleet, &sid);
    assert_eq!(fleet.run(&["audit", "--open", "--repair"]).status.code(), Some(1));
    until("it is archived again", async || fleet.show(&sid)["status"] == "transcribed").await;
    serving.kill();
    damage(&fleet, &sid);
    fleet.set("TWILIO_DELETE_AFTER_DAYS", "0");
    let _serving = fleet.serve(true).await;
    until("the purge is given up", async || !fleet.show(&sid)["error"].is_null()).await;
    assert_eq!(fleet.truth(&sid).status, "completed");
    let reason = fleet.json(&["queue", "dead", "--stage", "purge"]).remove(0)["reason"].to_string();
    assert!(reason.contains("Twilio's copy is kept"), "{reason}");
}

async fn transcript_with_the_shorter_retention_goes_and_the_audio_stays(fleet: Fleet) {
    let (fleet, _serving, sid) = old_call(fleet, &[("RETENTION_TRANSCRIPT_DAYS", "1")]).await;
    assert_eq!(fleet.json(&["retention"])[0]["published"], 1);
    fleet.settled(1, &["archived"]).await;
    assert!(fleet.objects().iter().all(|object| object.starts_with("recordings")), "{:?}", fleet.objects());
    assert_opens(&fleet, &sid);
    assert_eq!(fleet.truth(&sid).status, "completed", "Twilio's copy goes with the audio");
    assert_eq!(fleet.json(&["retention"])[0]["due"], 0);
}

async fn transcript_with_the_longer_retention_stays_when_all_audio_goes(fleet: Fleet) {
    let settings = [("RETENTION_DAYS", "1"), ("RETENTION_TRANSCRIPT_DAYS", "90")];
    let (fleet, _serving, sid) = old_call(fleet, &settings).await;
    assert_eq!(fleet.json(&["retention"])[0]["published"], 1);
    until("the audio is gone", async || fleet.show(&sid)["media"].is_null()).await;
    assert!(fleet.objects().iter().all(|object| object.starts_with("transcripts")), "{:?}", fleet.objects());
    assert_eq!(fleet.truth(&sid).status, "deleted");
    assert_eq!(fleet.json(&["recordings", "transcript", &sid])[0]["text"], fleet.truth(&sid).text);
    assert!(fleet.refused(1, &["recordings", "audio", &sid]).await.contains("no archived audio"));
}

on_each_engine!(
    recording_that_twilio_encrypted_is_archived_as_it_is_flagged_and_not_transcribed,
    twilios_copy_goes_at_once_where_policy_says_so_and_ours_stays,
    transcript_with_the_shorter_retention_goes_and_the_audio_stays,
    transcript_with_the_longer_retention_stays_when_all_audio_goes,
);
