//! The ledger check: that every recording is accounted for, and that what is not is named and healed.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use serde_json::{Value, json};
use simulator::CallPlan;

use crate::engines::on_each_engine;
use crate::fleet::{Fleet, ago, call, until};
use crate::receiver::Receiver;
use crate::whole::{assert_opens, assert_whole};

/// What an audit said: its exit code, its exceptions, and its summary.
struct Said {
    code: Option<i32>,
    exceptions: Vec<Value>,
    summary: Value,
}

fn audit(fleet: &Fleet, options: &[&str]) -> Said {
    let output = fleet.run(&[&["audit", "--json"], options].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = lines.pop().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    lines.retain(|line| !line["exception"].is_null());
    Said { code: output.status.code(), exceptions: lines, summary: last["summary"].clone() }
}

fn assert_clean(fleet: &Fleet, recordings: u64) {
    let said = audit(fleet, &[]);
    assert_eq!((said.code, said.exceptions), (Some(0), vec![]), "{}", said.summary);
    let counts = ["recordings", "accounted_for", "exceptions"].map(|count| said.summary[count].as_u64().unwrap());
    assert_eq!(counts, [recordings, recordings, 0], "{}", said.summary);
}

/// The only exception, which is of this kind and this recording.
fn only(said: &Said, exception: &str, sid: &str) -> Value {
    let [only] = said.exceptions.as_slice() else { panic!("{:?}", said.exceptions) };
    assert_eq!(
        (said.code, &only["exception"], &only["recording_sid"]),
        (Some(1), &json!(exception), &json!(sid)),
        "{only}"
    );
    only.clone()
}

/// Calls that are transcribed, and the fleet stopped; their SIDs.
async fn transcribed<const N: usize>(fleet: &Fleet, days_ago: i64) -> [String; N] {
    let serving = fleet.serve(true).await;
    fleet.swept().await;
    let mut sids = [const { String::new() }; N];
    for (index, sid) in sids.iter_mut().enumerate() {
        let started_at = ago(TimeDelta::days(days_ago) + TimeDelta::minutes(10));
        *sid = fleet.place(CallPlan::nth(index as u64, started_at)).await;
    }
    fleet.settled(N, &["transcribed"]).await;
    fleet.idle().await;
    assert_eq!(serving.stop(), Some(0));
    sids
}

/// The file of an object.
fn file(fleet: &Fleet, sid: &str, kind: &str) -> PathBuf {
    fleet.path(fleet.vault).join(fleet.show(sid)[kind]["object"].as_str().unwrap())
}

/// All stages at work until what is queued is done.
async fn worked_off(fleet: &Fleet, settled: usize, ends: &[&str]) {
    let worker = fleet.start(&["worker"]);
    fleet.settled(settled, ends).await;
    until("nothing is left to do", async || fleet.queued("ready") == 0 && fleet.queued("delayed") == 0).await;
    assert_eq!(worker.stop(), Some(0));
}

async fn fleet_at_work_is_accounted_for(fleet: Fleet) {
    let _serving = fleet.serve(true).await;
    for index in 0..3 {
        fleet.place(call(index)).await;
    }
    fleet.settled(3, &["transcribed"]).await;
    assert_clean(&fleet, 3);
    let text = String::from_utf8(fleet.run(&["audit", "--open"]).stdout).unwrap();
    assert!(text.starts_with("3 of 3 accounted for; exceptions 0"), "{text}");
    assert!(text.contains("transcribed 3") && text.contains("objects 6"), "{text}");
}

async fn recording_that_only_twilio_knows_is_named_and_taken_in(fleet: Fleet) {
    let [known] = transcribed(&fleet, 0).await;
    let sid = fleet.twilio.add_recording(call(7)).recording_sid.to_string();
    only(&audit(&fleet, &[]), "unknown_to_catalog", &sid);
    let said = audit(&fleet, &["--repair"]);
    assert_eq!(only(&said, "unknown_to_catalog", &sid)["repair"], "queued: archive");
    assert_eq!((&said.summary["recordings"], &said.summary["accounted_for"]), (&json!(2), &json!(1)));
    worked_off(&fleet, 2, &["transcribed"]).await;
    assert_clean(&fleet, 2);
    assert_opens(&fleet, &known);
    assert_whole(&fleet);
}

async fn media_whose_object_is_gone_is_named_and_archived_again_byte_for_byte(fleet: Fleet) {
    let [sid, _] = transcribed(&fleet, 0).await;
    let object = file(&fleet, &sid, "media");
    fs::remove_file(&object).unwrap();
    let exception = only(&audit(&fleet, &[]), "media_broken", &sid);
    assert!(exception["what"].as_str().unwrap().contains("is not there"), "{exception}");
    assert!(!object.exists() && exception["repair"].is_null(), "nothing is done unasked");
    let said = audit(&fleet, &["--repair"]);
    assert_eq!(only(&said, "media_broken", &sid)["repair"], "set back, and queued: archive");
    worked_off(&fleet, 2, &["transcribed"]).await;
    assert_clean(&fleet, 2);
    assert_whole(&fleet);
    assert_eq!(fleet.show(&sid)["flags"], json!(["archived_again"]));
    assert_eq!(fleet.twilio.counters().requests_to("deepgram"), 2, "its transcript stays");
}

async fn object_of_nobody_is_named_and_left(fleet: Fleet) {
    let [sid] = transcribed(&fleet, 0).await;
    let unknown = format!("RE{:032x}", 9);
    let path = file(&fleet, &sid, "media").with_file_name(format!("{unknown}.wav.age"));
    fs::write(&path, "sealed").unwrap();
    let said = audit(&fleet, &["--repair"]);
    let exception = only(&said, "unknown_object", &unknown);
    assert!(exception["what"].as_str().unwrap().contains(".wav.age"), "{exception}");
    assert!(exception["repair"].is_null() && path.exists(), "the catalog may be what lost it");
    assert_eq!((&said.summary["recordings"], &said.summary["accounted_for"]), (&json!(1), &json!(1)));
}

async fn recording_that_is_stuck_is_named_and_set_going(mut fleet: Fleet) {
    fleet.set("RECONCILE_STUCK_AFTER_SECS", "1");
    let sid = fleet.twilio.add_recording(call(0)).recording_sid.to_string();
    let archiving = fleet.start(&["worker", "--stages", "archive"]);
    assert_eq!(fleet.json(&["reconcile"])[0]["published"], 1);
    fleet.settled(1, &["archived"]).await;
    assert_eq!(archiving.stop(), Some(0));
    until("it has not moved for long enough", async || audit(&fleet, &[]).code == Some(1)).await;
    let exception = only(&audit(&fleet, &["--repair"]), "stuck", &sid);
    assert!(exception["what"].as_str().unwrap().contains("version 1 of its transcript"), "{exception}");
    assert_eq!(exception["repair"], "queued: transcribe");
    worked_off(&fleet, 1, &["transcribed"]).await;
    assert_clean(&fleet, 1);
    assert_whole(&fleet);
}

async fn recording_past_its_date_is_named_and_deleted(fleet: Fleet) {
    let [sid, _] = transcribed(&fleet, 40).await;
    assert!(fleet.run(&["recordings", "hold", &sid, "--reason", "a lawsuit"]).status.success());
    let [overdue] = audit(&fleet, &[]).exceptions.try_into().unwrap();
    assert_eq!(overdue["exception"], "overdue", "the other one is held");
    let said = audit(&fleet, &["--repair"]);
    let other = overdue["recording_sid"].as_str().unwrap();
    assert_eq!(only(&said, "overdue", other)["repair"], "queued: purge");
    let worker = fleet.start(&["worker"]);
    until("it is deleted", async || fleet.show(other)["status"] == "deleted").await;
    assert_eq!(worker.stop(), Some(0));
    assert_clean(&fleet, 2);
    assert_eq!(fleet.show(&sid)["status"], "transcribed");
}

on_each_engine!(
    fleet_at_work_is_accounted_for,
    recording_that_only_twilio_knows_is_named_and_taken_in,
    media_whose_object_is_gone_is_named_and_archived_again_byte_for_byte,
    object_of_nobody_is_named_and_left,
    recording_that_is_stuck_is_named_and_set_going,
    recording_past_its_date_is_named_and_deleted,
);

/// Changes the last byte, and not the length.
fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_copy_of_the_right_length_is_found_by_opening_it() {
    let fleet = Fleet::new().await;
    let [sid] = transcribed(&fleet, 0).await;
    flip(&file(&fleet, &sid, "media"));
    assert_clean(&fleet, 1);
    let exception = only(&audit(&fleet, &["--open", "--repair"]), "media_broken", &sid);
    assert!(exception["what"].as_str().unwrap().contains("cannot be opened"), "{exception}");
    worked_off(&fleet, 1, &["transcribed"]).await;
    assert_whole(&fleet);
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_that_is_gone_here_and_at_twilio_is_said_to_be_lost() {
    let fleet = Fleet::new().await;
    let [sid, _] = transcribed(&fleet, 0).await;
    fleet.twilio.set_status(&sid.parse().unwrap(), "deleted");
    fs::write(file(&fleet, &sid, "media"), "short").unwrap();
    let said = audit(&fleet, &["--repair"]);
    let exception = only(&said, "media_lost", &sid);
    let what = exception["what"].as_str().unwrap();
    assert!(what.contains("LOST") && what.contains("has 5 bytes") && what.contains("deleted"), "{what}");
    assert!(exception["repair"].is_null() && exception["heals"].as_str().unwrap().contains("backup"), "{exception}");
    assert_eq!((&said.summary["repaired"], fleet.queued("ready")), (&json!(0), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn transcript_whose_object_is_gone_is_made_anew_as_a_further_version() {
    let fleet = Fleet::new().await;
    let [sid] = transcribed(&fleet, 0).await;
    fs::remove_file(file(&fleet, &sid, "transcript")).unwrap();
    let exception = only(&audit(&fleet, &["--repair"]), "transcript_broken", &sid);
    assert_eq!(exception["repair"], "queued: transcribe");
    worked_off(&fleet, 1, &["transcribed"]).await;
    assert_eq!(fleet.show(&sid)["transcript"]["version"], 2);
    assert_clean(&fleet, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn delivery_that_was_given_up_is_named_and_made_once_its_receiver_is_back() {
    let mut fleet = Fleet::new().await;
    let gone = Receiver::start(&mut fleet, &["410"]).await;
    let [sid] = transcribed(&fleet, 0).await;
    drop(gone);
    let exception = only(&audit(&fleet, &[]), "stuck", &sid);
    let what = exception["what"].as_str().unwrap();
    assert!(what.contains("the delivery of version 1") && what.contains("410 Gone"), "{what}");
    let back = Receiver::start(&mut fleet, &["200"]).await;
    assert_eq!(only(&audit(&fleet, &["--repair"]), "stuck", &sid)["repair"], "queued: deliver");
    worked_off(&fleet, 1, &["transcribed"]).await;
    assert_eq!(back.posts().len(), 1);
    assert_clean(&fleet, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn repair_is_in_the_audit_log_in_the_name_of_who_asked() {
    let fleet = Fleet::new().await;
    let [sid, _] = transcribed(&fleet, 0).await;
    fs::remove_file(file(&fleet, &sid, "media")).unwrap();
    audit(&fleet, &[]);
    audit(&fleet, &["--repair"]);
    let database = format!("sqlite:{}", fleet.path("catalog.db").display());
    let catalog = catalog::Catalog::connect(&database).await.unwrap();
    let log = catalog.audit_log(Some(&sid.parse().unwrap()), 10).await.unwrap();
    let acts = log.iter().map(|entry| (entry.action.as_str(), entry.actor.as_str()));
    let acts: Vec<_> = acts.filter(|(action, _)| *action != "show").collect();
    assert_eq!(acts, [("archive again", "auditor"), ("repair", "auditor")], "newest first");
}

#[tokio::test(flavor = "multi_thread")]
async fn vault_that_is_away_proves_nothing_and_is_not_filled_anew() {
    let fleet = Fleet::new().await;
    transcribed::<1>(&fleet, 0).await;
    fs::rename(fleet.path("vault"), fleet.path("away")).unwrap();
    fs::create_dir(fleet.path("vault")).unwrap();
    let said = fleet.refused(1, &["audit", "--repair"]).await;
    assert!(said.contains("is its disk mounted"), "{said}");
    assert_eq!(fleet.queued("ready"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn list_of_twilios_that_fails_proves_nothing() {
    let mut fleet = Fleet::new().await;
    transcribed::<1>(&fleet, 0).await;
    fleet.set("TWILIO_AUTH_TOKEN", "revoked");
    let said = fleet.refused(1, &["audit"]).await;
    assert!(said.contains("nothing is proven") && said.contains("401"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fleet_that_never_archived_anything_is_accounted_for() {
    assert_clean(&Fleet::new().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn window_leaves_out_what_started_on_other_days() {
    let fleet = Fleet::new().await;
    let [sid, _] = transcribed(&fleet, 5).await;
    fs::remove_file(file(&fleet, &sid, "media")).unwrap();
    fleet.twilio.add_recording(CallPlan::nth(9, ago(TimeDelta::days(5))));
    for (window, exceptions, recordings) in [(["--since", "2d"], 0, 0), (["--until", "3d"], 2, 3)] {
        let said = audit(&fleet, &window);
        assert_eq!(
            (said.exceptions.len(), &said.summary["recordings"]),
            (exceptions, &json!(recordings)),
            "{window:?}"
        );
    }
}
