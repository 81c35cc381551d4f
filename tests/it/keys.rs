//! The key that opens what is sealed: wrong, or missing.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::fleet::{Fleet, call, until};
use crate::whole::{assert_opens, assert_whole};

fn generated(fleet: &Fleet, name: &str) -> (String, String) {
    let file = fleet.path(name).display().to_string();
    let made = fleet.json(&["keys", "generate", "--output", &file]).remove(0);
    (file, made["recipient"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_identity_is_told_and_the_work_goes_on_with_the_right_one() {
    let mut fleet = Fleet::new().await;
    let (right, recipient) = generated(&fleet, "right.txt");
    let (wrong, _) = generated(&fleet, "wrong.txt");
    fleet.set("ENCRYPTION_RECIPIENTS", recipient);
    fleet.set("ENCRYPTION_IDENTITY_FILE", wrong);
    let serving = fleet.serve(true).await;
    let sid = fleet.place(call(0)).await;
    until("it was tried", async || fleet.log().contains("stage=transcribe")).await;
    let told = "no key at hand opens it: ENCRYPTION_IDENTITY_FILE must hold one it was sealed to";
    assert!(fleet.log().contains(told));
    assert!(fleet.refused(1, &["recordings", "audio", &sid]).await.contains(told));
    assert_eq!(fleet.show(&sid)["status"], "archived");
    assert_eq!(serving.stop(), Some(0));

    fleet.set("ENCRYPTION_IDENTITY_FILE", right);
    let _serving = fleet.serve(true).await;
    fleet.settled(1, &["transcribed"]).await;
    assert_whole(&fleet);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_key_is_never_replaced_by_a_new_one() {
    let fleet = Fleet::new().await;
    let serving = fleet.serve(true).await;
    let sid = fleet.place(call(0)).await;
    fleet.settled(1, &["transcribed"]).await;
    assert_eq!(serving.stop(), Some(0));
    fs::rename(fleet.path("identity.txt"), fleet.path("lost.txt")).unwrap();
    for arguments in [["serve"].as_slice(), &["worker"], &["recordings", "audio", &sid]] {
        let said = fleet.refused(1, arguments).await;
        assert!(said.contains("identity.txt is missing") && said.contains("put the key back"), "{arguments:?}: {said}");
        assert!(!fleet.path("identity.txt").exists(), "{arguments:?}");
    }
    fs::rename(fleet.path("lost.txt"), fleet.path("identity.txt")).unwrap();
    assert_opens(&fleet, &sid);
}

#[tokio::test(flavor = "multi_thread")]
async fn key_made_on_first_use_is_its_owners_alone_and_the_log_says_to_back_it_up() {
    let fleet = Fleet::new().await;
    let _serving = fleet.serve(true).await;
    let mode = fs::metadata(fleet.path("identity.txt")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let path = fleet.path("identity.txt").display().to_string();
    assert!(fleet.logged(&[&path, "Back it up now"]));
}

#[tokio::test]
async fn key_that_is_there_is_kept_where_only_a_missing_one_is_asked_for() {
    let fleet = Fleet::new().await;
    let file = fleet.path("own.txt").display().to_string();
    let generate = ["keys", "generate", "--if-missing", "--output", &file];
    let made = fleet.json(&generate).remove(0);
    assert_eq!(fleet.json(&generate).remove(0), made);
    assert_eq!(fleet.run(&["keys", "generate", "--output", &file]).status.code(), Some(1));
}
