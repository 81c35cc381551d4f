//! Objects that nothing names: written after their recording was purged, or of recordings the catalog does not know.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

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

/// The same, a day ago.
#[expect(clippy::disallowed_methods, reason = "files have the system's clock")]
fn put_a_day_ago(fleet: &Fleet, object: &Path) -> PathBuf {
    let path = put(fleet, object);
    let file = File::options().write(true).open(&path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(24 * 3600)).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_removes_what_landed_after_its_purge_and_nobody_knows_of() {
    let (fleet, serving, sid, object) = with_a_tombstone().await;
    assert_eq!(serving.stop(), Some(0));
    let late = put_a_day_ago(&fleet, &object);
    let fresh = put(&fleet, &object.with_extension("fresh"));
    assert_eq!(fleet.json(&["retention"])[0]["strays_removed"], 0, "the vault was looked through when serve began");
    assert_eq!(fleet.json(&["retention", "--again"])[0]["strays_removed"], 1);
    assert!(!late.exists() && fresh.exists());
    assert_eq!(fleet.show(&sid)["status"], "deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_reports_what_the_catalog_does_not_know_and_leaves_it() {
    let fleet = Fleet::new().await;
    let serving = fleet.serve(true).await;
    let sid = fleet.place(CallPlan::nth(0, ago(TimeDelta::hours(2)))).await;
    fleet.settled(1, &["transcribed"]).await;
    assert_eq!(serving.stop(), Some(0));
    let kept = PathBuf::from(fleet.show(&sid)["media"]["object"].as_str().unwrap());
    let unknown = put_a_day_ago(&fleet, &kept.with_file_name(format!("RE{:032x}.wav.age", 9)));
    let report = fleet.json(&["retention", "--again"]).remove(0);
    assert_eq!((&report["strays"], &report["strays_removed"]), (&1.into(), &0.into()), "{report}");
    assert!(unknown.exists() && fleet.path("vault").join(kept).exists());
}
