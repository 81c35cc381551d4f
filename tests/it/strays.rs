//! Objects that nothing names: written after their recording was purged, or of recordings the catalog does not know.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use simulator::CallPlan;

use crate::fleet::{Fleet, Running, ago, until};

/// A fleet with one call that is a tombstone, its SID, and the key its media was under.
async fn with_a_tombstone() -> (Fleet, Running, String, PathBuf) {
    let fleet = Fleet::new().await;
    let serving = fleet.serve(true).await;
    fleet.swept().await;
    let sid = fleet.place(CallPlan::nth(0, ago(TimeDelta::days(40)))).await;
    fleet.settled(1, &["transcribed"]).await;
    let object = PathBuf::from(fleet.show(&sid)["media"]["object"].as_str().unwrap());
    fleet.json(&["retention"]);
    fleet.settled(1, &["deleted"]).await;
    assert!(fleet.objects().is_empty(), "{:?}", fleet.objects());
    (fleet, serving, sid, object)
}

/// What a worker that had lost its claim leaves in the vault.
fn put(fleet: &Fleet, object: &Path) -> PathBuf {
    let path = fleet.path("vault").join(object);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "sealed").unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn media_that_landed_after_its_purge_goes_when_its_job_comes_again() {
    let (fleet, _serving, sid, object) = with_a_tombstone().await;
    let late = put(&fleet, &object);
    fleet.twilio.send_callback(&sid.parse().unwrap(), "completed").await;
    until("the late object is gone", async || !late.exists()).await;
    fleet.idle().await;
    assert_eq!(fleet.show(&sid)["status"], "deleted");
}
