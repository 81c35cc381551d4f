//! What a put left behind whose process died.

use std::fs::{self, File};
use std::time::Duration;

use crate::fleet::{Fleet, until};

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_object_is_cleared_away_after_a_day_and_not_before() {
    let fleet = Fleet::new().await;
    let folder = fleet.folder.path().join("vault/.unfinished");
    fs::create_dir_all(&folder).unwrap();
    for (name, hours) in [("old", 25), ("fresh", 1)] {
        let file = File::create(folder.join(name)).unwrap();
        #[expect(clippy::disallowed_methods, reason = "a file's age is told by the system's clock")]
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(hours * 3600)).unwrap();
    }
    let _serving = fleet.serve(true).await;
    until("the old one is gone", async || !folder.join("old").exists()).await;
    assert!(folder.join("fresh").exists());
}
