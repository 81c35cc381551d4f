//! What was said while nobody listened: an outage of days, and last words that never came as callbacks.

use std::process::Command;

use chrono::TimeDelta;
use simulator::{CallPlan, MediaPlan};

use crate::fleet::{Fleet, ago, call};
use crate::whole::assert_opens;

/// The last complete pass over Twilio's list began so many days ago.
fn last_pass_was(fleet: &Fleet, days: i64) {
    let script = "import sqlite3, sys\n\
                  catalog = sqlite3.connect(sys.argv[1])\n\
                  changed = catalog.execute('UPDATE passes SET began_at = ?', (int(sys.argv[2]),)).rowcount\n\
                  catalog.commit()\n\
                  assert changed == 1";
    let began_at = ago(TimeDelta::days(days)).timestamp_millis().to_string();
    let mut python = Command::new("python3");
    assert!(python.args(["-c", script]).arg(fleet.path("catalog.db")).arg(began_at).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn pass_after_an_outage_reads_the_list_from_where_the_last_one_began() {
    let fleet = Fleet::new().await;
    fleet.json(&["reconcile"]);
    fleet.twilio.add_recording(CallPlan::nth(0, ago(TimeDelta::days(8))));
    assert_eq!(fleet.json(&["reconcile"])[0]["missing"], 0, "the lookback is three days");
    last_pass_was(&fleet, 10);
    for arguments in [["reconcile", "--dry-run"].as_slice(), &["reconcile", "--since", "1d"], &["reconcile"]] {
        let missing = u64::from(!arguments.contains(&"--since"));
        assert_eq!(fleet.json(arguments)[0]["missing"], missing, "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn last_word_that_only_the_list_says_is_heard_with_all_that_belongs_to_it() {
    let fleet = Fleet::new().await;
    let _serving = fleet.serve(true).await;
    let plans = [CallPlan { media: MediaPlan::Encrypted, ..call(0) }, call(1)];
    for (plan, word) in plans.into_iter().zip(["in-progress", "failed"]) {
        let sid = fleet.twilio.add_recording(plan).recording_sid;
        fleet.twilio.send_callback(&sid, word).await;
    }
    fleet.settled(2, &["archived", "transcribed"]).await;
    for recording in fleet.twilio.recordings() {
        assert_opens(&fleet, recording.recording_sid.as_str());
    }
    assert_eq!(fleet.queued("dead"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn stuck_recording_that_was_only_heard_to_begin_is_archived_as_twilio_encrypted_it() {
    let mut fleet = Fleet::new().await;
    fleet.set("RECONCILE_STUCK_AFTER_SECS", "1");
    fleet.set("RECONCILE_LOOKBACK_DAYS", "1");
    let plan = CallPlan { media: MediaPlan::Encrypted, ..CallPlan::nth(0, ago(TimeDelta::days(5))) };
    let sid = fleet.twilio.add_recording(plan).recording_sid;
    let _serving = fleet.serve(true).await;
    fleet.twilio.send_callback(&sid, "in-progress").await;
    fleet.settled(1, &["archived"]).await;
    assert_eq!(fleet.show(sid.as_str())["flags"], serde_json::json!(["twilio_encrypted"]));
    assert_opens(&fleet, sid.as_str());
}
