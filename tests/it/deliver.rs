//! Finished transcripts, posted to the owner's system.

use serde_json::Value;

use crate::engines::on_each_engine;
use crate::fleet::{Fleet, Running, call, until};
use crate::receiver::{Receiver, SECRET};

/// A call on its way to a receiver that answers so; returns once the first post was answered.
async fn posted(mut fleet: Fleet, statuses: &[&str]) -> (Fleet, Receiver, Running, String) {
    let receiver = Receiver::start(&mut fleet, statuses).await;
    let serving = fleet.serve_by_callbacks().await;
    let sid = fleet.place(call(0)).await;
    until("it is posted", async || !receiver.posts().is_empty()).await;
    (fleet, receiver, serving, sid)
}

/// Two passes that would find what was not handed on.
async fn reconciled(fleet: &mut Fleet) {
    fleet.set("RECONCILE_STUCK_AFTER_SECS", "1");
    for _ in 0..2 {
        until("no other pass is under way", async || fleet.json(&["reconcile", "--again"])[0]["skipped"] != true).await;
        fleet.idle().await;
    }
}

async fn transcript_is_posted_as_show_and_transcript_print_it_and_the_official_library_accepts_it(fleet: Fleet) {
    let (fleet, receiver, _serving, sid) = posted(fleet, &["200"]).await;
    fleet.idle().await;
    let posts = receiver.posts();
    let [post] = posts.as_slice() else { panic!("posted {posts:?}") };
    assert_eq!(post.get("refused"), None);
    assert_eq!(post["body"]["type"], "recording.transcribed");
    assert_eq!(post["body"]["data"]["recording"], fleet.show(&sid));
    let printed = fleet.run(&["recordings", "transcript", &sid, "--format", "json"]);
    let printed: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(post["body"]["data"]["transcript"], printed);
    assert_eq!(printed["text"], fleet.truth(&sid).text);
}

async fn delivery_refused_at_first_comes_again_under_its_id_until_it_is_taken_and_then_never(fleet: Fleet) {
    let (mut fleet, receiver, _serving, sid) = posted(fleet, &["500", "500", "200"]).await;
    until("it is taken", async || receiver.posts().len() == 3).await;
    fleet.idle().await;
    fleet.twilio.send_callback(&sid.parse().unwrap(), "completed").await;
    reconciled(&mut fleet).await;
    let posts = receiver.posts();
    assert_eq!(posts.len(), 3, "a delivery that was taken comes no more");
    assert!(posts.iter().all(|post| post["id"] == posts[0]["id"] && !post["id"].is_null()), "{posts:?}");
    assert!(posts.iter().all(|post| post.get("refused").is_none()), "{posts:?}");
    assert_eq!(fleet.show(&sid)["error"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn redirect_is_not_followed_and_counts_as_a_failure() {
    let (fleet, receiver, _serving, _sid) = posted(Fleet::new().await, &["302", "307", "200"]).await;
    until("it is taken", async || receiver.posts().len() == 3).await;
    fleet.idle().await;
    let posts = receiver.posts();
    assert!(posts.iter().all(|post| post["path"] == "/hook"), "{posts:?}");
}

async fn receiver_that_is_gone_for_good_makes_a_dead_letter_with_the_reason(fleet: Fleet) {
    let (fleet, receiver, _serving, sid) = posted(fleet, &["410"]).await;
    fleet.idle().await;
    let dead = fleet.json(&["queue", "dead", "--stage", "deliver"]);
    assert_eq!(dead[0]["recording_sid"], sid.as_str());
    assert!(dead[0]["reason"].as_str().unwrap().contains("410 Gone"), "{dead:?}");
    let shown = fleet.show(&sid);
    assert!(shown["error"].as_str().unwrap().contains("410 Gone"), "{shown}");
    assert_eq!((shown["status"].as_str(), receiver.posts().len()), (Some("transcribed"), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn private_address_is_refused_at_start_unless_allowed() {
    let mut fleet = Fleet::new().await;
    fleet.set("DELIVERY_WEBHOOK_SECRET", SECRET);
    for host in ["127.0.0.1:9", "10.0.0.8", "169.254.169.254", "[::1]:9", "[::ffff:192.168.0.1]"] {
        fleet.set("DELIVERY_WEBHOOK_URL", format!("http://{host}/hook"));
        let said = fleet.refused(2, &["serve"]).await;
        assert!(said.contains("DELIVERY_WEBHOOK_ALLOW_PRIVATE") && !said.contains(SECRET), "{host}: {said}");
    }
    fleet.set("DELIVERY_WEBHOOK_ALLOW_PRIVATE", "true");
    let _serving = fleet.serve(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn name_that_leads_to_a_private_address_is_never_connected_to() {
    let mut fleet = Fleet::new().await;
    let receiver = Receiver::start(&mut fleet, &["200"]).await;
    let port = receiver.port();
    fleet.set("DELIVERY_WEBHOOK_URL", format!("http://localhost:{port}/hook"));
    fleet.set("DELIVERY_WEBHOOK_ALLOW_PRIVATE", "");
    let _serving = fleet.serve(true).await;
    fleet.place(call(0)).await;
    until("the log says why", async || fleet.log().contains("localhost has no public address")).await;
    assert!(receiver.posts().is_empty());
}

on_each_engine!(
    transcript_is_posted_as_show_and_transcript_print_it_and_the_official_library_accepts_it,
    delivery_refused_at_first_comes_again_under_its_id_until_it_is_taken_and_then_never,
    receiver_that_is_gone_for_good_makes_a_dead_letter_with_the_reason,
);
