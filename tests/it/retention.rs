//! What puts that were broken off left in the vault.

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::fleet::{Fleet, until};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// An unfinished file that was last written so long ago.
#[expect(clippy::disallowed_methods, reason = "files have the system's clock")]
fn unfinished(fleet: &Fleet, name: &str, age: Duration) -> PathBuf {
    let folder = fleet.folder.path().join("vault/.unfinished");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    File::create(&path).unwrap().set_modified(SystemTime::now() - age).unwrap();
    path
}

#[tokio::test]
async fn retention_removes_old_unfinished_objects_and_leaves_fresh_ones() {
    let fleet = Fleet::new().await;
    let (old, fresh) = (unfinished(&fleet, "old", DAY), unfinished(&fleet, "fresh", DAY / 2));
    assert_eq!(fleet.json(&["retention", "--dry-run"])[0]["unfinished_removed"], 0);
    assert!(old.exists(), "a dry run removed it");
    assert_eq!(fleet.json(&["retention"])[0]["unfinished_removed"], 1);
    assert!(!old.exists() && fresh.exists());
}

#[tokio::test]
async fn retention_that_cannot_sweep_the_store_still_says_what_it_queued() {
    let fleet = Fleet::new().await;
    std::fs::create_dir_all(fleet.folder.path().join("vault")).unwrap();
    std::fs::write(fleet.folder.path().join("vault/.unfinished"), "no folder").unwrap();
    let output = fleet.run(&["retention"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("unfinished objects not swept"), "{told}");
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("due 0, purge jobs queued 0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn schedule_of_serve_removes_old_unfinished_objects() {
    let fleet = Fleet::new().await;
    let (old, fresh) = (unfinished(&fleet, "old", DAY), unfinished(&fleet, "fresh", Duration::ZERO));
    let _serving = fleet.serve(true).await;
    until("the old one is gone", async || !old.exists()).await;
    assert!(fresh.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_with_a_period_sweeps_again_and_again_until_it_is_told_to_stop() {
    let fleet = Fleet::new().await;
    let sweeping = fleet.start(&["retention", "--every", "1s"]);
    for name in ["first", "second"] {
        let old = unfinished(&fleet, name, DAY);
        until("the old one is gone", async || !old.exists()).await;
    }
    assert_eq!(sweeping.stop(), Some(0));
}
