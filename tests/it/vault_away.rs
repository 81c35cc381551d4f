//! The vault's folder is away for a while: renamed, or its disk not mounted.

use std::fs;

use chrono::TimeDelta;
use simulator::CallPlan;

use crate::fleet::{Fleet, Running, ago, call, until};
use crate::whole::assert_whole;

/// A fleet with one call of so many days ago, transcribed.
async fn with_a_call(days: i64) -> (Fleet, Running, String) {
    let fleet = Fleet::new().await;
    let serving = fleet.serve(true).await;
    fleet.swept().await;
    let sid = fleet.place(CallPlan::nth(0, ago(TimeDelta::days(days)))).await;
    fleet.settled(1, &["transcribed"]).await;
    (fleet, serving, sid)
}

fn take_away(fleet: &Fleet) {
    fs::rename(fleet.path("vault"), fleet.path("elsewhere")).unwrap();
}

fn bring_back(fleet: &Fleet) {
    fs::rename(fleet.path("elsewhere"), fleet.path("vault")).unwrap();
}

/// New calls and a sweep while the vault is away: each stage has tried, and waits uncharged, before this returns.
async fn work_in_vain(fleet: &Fleet) {
    for index in 1..3 {
        fleet.place(call(index)).await;
    }
    fleet.json(&["retention"]);
    until("both were tried", async || {
        ["stage=archive", "stage=purge"].iter().all(|stage| fleet.logged(&[stage, "unauthorized"]))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn folder_that_vanishes_delays_the_work_and_loses_nothing() {
    let (fleet, _serving, old) = with_a_call(40).await;
    take_away(&fleet);
    work_in_vain(&fleet).await;
    assert_eq!(fleet.show(&old)["deleted_at"], serde_json::Value::Null, "nothing was seen to be gone");
    assert!(!fleet.path("vault").exists(), "no second vault is begun in its place");
    assert!(fleet.logged(&["stage=archive", "is its disk mounted"]), "the log says what to do");
    bring_back(&fleet);
    until("the old call is deleted", async || fleet.show(&old)["status"] == "deleted").await;
    fleet.settled(3, &["transcribed", "deleted"]).await;
    fleet.idle().await;
    assert_eq!(fleet.objects().len(), 4, "{:?}", fleet.objects());
    assert_eq!(fleet.queued("dead"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_folder_in_the_vaults_place_is_a_disk_that_is_not_mounted() {
    let (fleet, _serving, old) = with_a_call(40).await;
    take_away(&fleet);
    fs::create_dir(fleet.path("vault")).unwrap();
    work_in_vain(&fleet).await;
    assert_eq!(fleet.show(&old)["deleted_at"], serde_json::Value::Null, "nothing was seen to be gone");
    fs::remove_dir(fleet.path("vault")).expect("nothing was written below the mount point");
    bring_back(&fleet);
    until("the old call is deleted", async || fleet.show(&old)["status"] == "deleted").await;
    fleet.settled(3, &["transcribed", "deleted"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn start_without_the_vault_that_holds_the_recordings_is_refused() {
    let (fleet, serving, _) = with_a_call(1).await;
    serving.kill();
    take_away(&fleet);
    for replacement in [false, true] {
        if replacement {
            fs::create_dir(fleet.path("vault")).unwrap();
        }
        for role in ["serve", "worker"] {
            let said = fleet.refused(1, &[role]).await;
            assert!(said.contains("RECORDINGS_BUCKET") && said.contains("is its disk mounted"), "{role}: {said}");
        }
    }
    fs::remove_dir(fleet.path("vault")).unwrap();
    bring_back(&fleet);
    let _serving = fleet.serve(true).await;
    assert_whole(&fleet);
}

#[tokio::test(flavor = "multi_thread")]
async fn vault_that_policy_emptied_of_audio_starts() {
    let mut fleet = Fleet::new().await;
    fleet.set("RETENTION_DAYS", "1");
    fleet.set("RETENTION_TRANSCRIPT_DAYS", "90");
    let serving = fleet.serve(true).await;
    let sid = fleet.place(CallPlan::nth(0, ago(TimeDelta::days(2)))).await;
    fleet.settled(1, &["transcribed"]).await;
    fleet.json(&["retention"]);
    until("the audio is gone", async || fleet.show(&sid)["media"].is_null()).await;
    assert_eq!(serving.stop(), Some(0));
    let _serving = fleet.serve(true).await;
}
