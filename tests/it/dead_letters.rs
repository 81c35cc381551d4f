//! What cannot be done is parked with its reason, and done once the cause is gone.

use std::process::Command;

use serde_json::{Value, json};
use simulator::Faults;

use crate::engines::on_each_engine;
use crate::fleet::{Fleet, call, until};
use crate::receiver::Receiver;
use crate::whole::assert_whole;

/// The reason of the only dead letter of all stages.
fn reason(fleet: &Fleet, stage: &str, sid: &str) -> String {
    let dead = fleet.json(&["queue", "dead"]);
    let [letter] = dead.as_slice() else { panic!("{dead:?}") };
    assert_eq!((&letter["stage"], &letter["recording_sid"]), (&json!(stage), &json!(sid)), "{letter}");
    letter["reason"].as_str().unwrap().to_owned()
}

async fn recording_the_transcriber_refused_is_transcribed_after_a_redrive(mut fleet: Fleet) {
    let _serving = fleet.serve_by_callbacks().await;
    fleet.twilio.set_faults(Faults { transcriber_refusal_every: Some(1), ..Faults::default() });
    let sid = fleet.place(call(0)).await;
    fleet.settled(1, &["failed"]).await;
    fleet.idle().await;
    let reason = reason(&fleet, "transcribe", &sid);
    assert!(reason.contains("400 Bad Request") && reason.contains("corrupt or unsupported"), "{reason}");
    assert_eq!(fleet.show(&sid)["error"], reason.as_str());
    let table = String::from_utf8(fleet.run(&["queue", "dead"]).stdout).unwrap();
    assert!(table.contains(&sid) && table.contains(&reason), "{table}");

    fleet.twilio.set_faults(Faults::default());
    let redriven = fleet.json(&["queue", "redrive", "--stage", "transcribe"]);
    assert_eq!(redriven, [json!({ "stage": "transcribe", "redriven": 1 })]);
    fleet.settled(1, &["transcribed"]).await;
    assert_whole(&fleet);
}

async fn callback_that_comes_once_more_leaves_what_was_given_up_to_the_operator(mut fleet: Fleet) {
    let _serving = fleet.serve_by_callbacks().await;
    fleet.twilio.set_faults(Faults { transcriber_refusal_every: Some(1), ..Faults::default() });
    let sid = fleet.place(call(0)).await;
    fleet.idle().await;
    let asked = fleet.twilio.counters().requests_to("deepgram");
    let dead = fleet.queued("dead");
    fleet.twilio.send_callback(&sid.parse().unwrap(), "completed").await;
    fleet.idle().await;
    assert_eq!((fleet.twilio.counters().requests_to("deepgram"), fleet.queued("dead")), (asked, dead));
    assert_eq!(fleet.show(&sid)["status"], "failed");
}

async fn delivery_that_was_given_up_is_taken_after_a_redrive(mut fleet: Fleet) {
    let receiver = Receiver::start(&mut fleet, &["410", "200"]).await;
    let _serving = fleet.serve_by_callbacks().await;
    let sid = fleet.place(call(0)).await;
    until("it is given up", async || fleet.queued("dead") == 1).await;
    assert!(reason(&fleet, "deliver", &sid).contains("410 Gone"));
    fleet.json(&["queue", "redrive"]);
    until("it is taken", async || receiver.posts().len() == 2).await;
    fleet.idle().await;
    assert_whole(&fleet);
}

async fn redrive_of_one_stage_leaves_the_others_dead_letters(mut fleet: Fleet) {
    let _serving = fleet.serve_by_callbacks().await;
    fleet.twilio.set_faults(Faults { transcriber_refusal_every: Some(1), ..Faults::default() });
    let sid = fleet.place(call(0)).await;
    until("it is given up", async || fleet.queued("dead") == 1).await;
    fleet.json(&["queue", "redrive", "--stage", "archive"]);
    assert!(fleet.json(&["queue", "dead", "--stage", "archive"]).is_empty());
    assert!(reason(&fleet, "transcribe", &sid).contains("400"));
}

#[tokio::test(flavor = "multi_thread")]
async fn message_that_cannot_be_read_is_parked_and_holds_nothing_up() {
    let fleet = Fleet::new().await;
    let _serving = fleet.serve(true).await;
    let insert = "import sqlite3, sys\n\
                  queue = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
                  queue.execute(\"INSERT INTO messages (stage, body, published_at, visible_at) \
                                 VALUES ('archive', '{\\\"job\\\": \\\"ArchiveV9\\\"}', 0, 0)\")";
    assert!(Command::new("python3").args(["-c", insert]).arg(fleet.path("queue.db")).status().unwrap().success());
    fleet.place(call(0)).await;
    fleet.settled(1, &["transcribed"]).await;
    let dead = fleet.json(&["queue", "dead"]).remove(0);
    assert_eq!((&dead["stage"], &dead["recording_sid"]), (&json!("archive"), &Value::Null), "{dead}");
    assert!(dead["reason"].as_str().unwrap().contains("not a job this version knows"), "{dead}");
}

on_each_engine!(
    recording_the_transcriber_refused_is_transcribed_after_a_redrive,
    callback_that_comes_once_more_leaves_what_was_given_up_to_the_operator,
    delivery_that_was_given_up_is_taken_after_a_redrive,
    redrive_of_one_stage_leaves_the_others_dead_letters,
);
