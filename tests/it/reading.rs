//! Looking at what is kept, as an operator types it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use chrono::TimeDelta;
use simulator::{CallPlan, MediaPlan};

use crate::engines::on_each_engine;
use crate::fleet::{Fleet, Running, ago, call};
use crate::whole::sha256;

const NOBODYS: &str = "RE00000000000000000000000000000000";

async fn one_call(fleet: Fleet) -> (Fleet, Running, String) {
    let serving = fleet.serve(true).await;
    let sid = fleet.place(call(0)).await;
    fleet.settled(1, &["transcribed"]).await;
    (fleet, serving, sid)
}

fn stdout(fleet: &Fleet, arguments: &[&str]) -> String {
    let output = fleet.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The SIDs of the recordings that these filters leave, in the order they are listed.
fn listed(fleet: &Fleet, filters: &[&str]) -> Vec<String> {
    let rows = fleet.json(&[&["recordings", "list"], filters].concat());
    rows.iter().map(|row| row["recording_sid"].as_str().unwrap().to_owned()).collect()
}

async fn list_is_newest_first_and_narrowed_by_its_filters(fleet: Fleet) {
    let _serving = fleet.serve(true).await;
    let mut placed = Vec::new();
    for (index, days) in [(0, 5), (1, 3), (2, 1)] {
        let media = if index == 1 { MediaPlan::Absent { code: 16102 } } else { MediaPlan::Clip(0) };
        let plan = CallPlan { media, ..CallPlan::nth(index, ago(TimeDelta::days(days))) };
        placed.push(fleet.twilio.place_call(plan).await);
    }
    fleet.settled(3, &["transcribed", "absent"]).await;
    let [old, absent, new] = [0, 1, 2].map(|at: usize| placed[at].recording_sid.as_str());
    assert_eq!(listed(&fleet, &[]), [new, absent, old]);
    assert_eq!(listed(&fleet, &["--limit", "1"]), [new]);
    assert_eq!(listed(&fleet, &["--status", "absent"]), [absent]);
    assert_eq!(listed(&fleet, &["--since", "4d", "--until", "2d"]), [absent]);
    assert_eq!(listed(&fleet, &["--until", "4d"]), [old]);
    let call_sid = placed[2].call_sid.as_ref().unwrap();
    assert_eq!(listed(&fleet, &["--call", call_sid.as_str()]), [new]);
    let started = ago(TimeDelta::days(1) + TimeDelta::minutes(5)).to_rfc3339();
    assert_eq!(listed(&fleet, &["--since", &started]), [new]);
}

#[tokio::test(flavor = "multi_thread")]
async fn list_as_text_is_a_table_with_a_line_for_each_recording() {
    let (fleet, _serving, sid) = one_call(Fleet::new().await).await;
    let table = stdout(&fleet, &["recordings", "list"]);
    let lines: Vec<&str> = table.lines().collect();
    let [headings, row] = lines.as_slice() else { panic!("{table}") };
    assert!(headings.starts_with("recording") && headings.contains("status"), "{table}");
    assert!(row.starts_with(&sid) && row.contains("transcribed"), "{table}");
}

async fn transcript_is_printed_in_each_format(fleet: Fleet) {
    let (fleet, _serving, sid) = one_call(fleet).await;
    let print = |format: &str| stdout(&fleet, &["recordings", "transcript", &sid, "--format", format]);
    let said = fleet.truth(&sid).text;
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&print("txt")), words(&said));
    assert_eq!(print("txt"), stdout(&fleet, &["recordings", "transcript", &sid]));
    let json: serde_json::Value = serde_json::from_str(&print("json")).unwrap();
    assert_eq!(json["text"], said.as_str());
    let first = said.split_inclusive('.').next().unwrap();
    let srt = print("srt");
    assert!(srt.starts_with("1\n00:00:0") && srt.contains(" --> 00:00:0") && srt.contains(first), "{srt}");
    let vtt = print("vtt");
    assert!(vtt.starts_with("WEBVTT\n\n00:00:0") && vtt.contains(first), "{vtt}");
}

async fn audio_is_written_to_a_file_of_ones_own_that_is_never_overwritten(fleet: Fleet) {
    let (fleet, _serving, sid) = one_call(fleet).await;
    let file = fleet.path("call.wav");
    let arguments = ["recordings", "audio", &sid, "-o", file.to_str().unwrap()];
    assert_eq!(stdout(&fleet, &arguments), "");
    assert_eq!(Some(sha256(&fs::read(&file).unwrap())), fleet.truth(&sid).sha256);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(&file, "mine").unwrap();
    assert!(fleet.refused(1, &arguments).await.contains("call.wav: the file exists"));
    assert_eq!(fs::read(&file).unwrap(), b"mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn audio_that_turns_out_broken_leaves_no_file() {
    let (fleet, _serving, sid) = one_call(Fleet::new().await).await;
    let object = fleet.path("vault").join(fleet.show(&sid)["media"]["object"].as_str().unwrap());
    let mut broken = fs::read(&object).unwrap();
    *broken.last_mut().unwrap() ^= 1;
    fs::write(&object, broken).unwrap();
    let file = fleet.path("call.wav");
    let said = fleet.refused(1, &["recordings", "audio", &sid, "-o", file.to_str().unwrap()]).await;
    assert!(said.contains("damaged"), "{said}");
    assert!(!file.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn reader_that_has_enough_is_no_failure() {
    let (fleet, _serving, sid) = one_call(Fleet::new().await).await;
    let printing = [
        &["recordings", "audio", &sid][..],
        &["recordings", "transcript", &sid],
        &["recordings", "list"],
        &["recordings", "list", "--json"],
        &["settings"],
    ];
    for arguments in printing {
        let mut child = fleet.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*said), (Some(0), ""), "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recording_nobody_told_us_of_is_said_to_be_unknown() {
    let fleet = Fleet::new().await;
    let subcommands = [&["show"][..], &["audio"], &["transcript"], &["transcribe"], &["hold", "--reason", "r"]];
    for subcommand in subcommands {
        let arguments = [&["recordings"], subcommand, &[NOBODYS]].concat();
        let said = fleet.refused(1, &arguments).await;
        assert!(said.contains(NOBODYS) && said.contains("no such recording"), "{arguments:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn argument_that_is_malformed_is_named_with_what_is_expected() {
    let fleet = Fleet::new().await;
    let wrong = [
        (&["show", "RE123"][..], "RE123", "RE and 32 hex digits"),
        (&["audio", "CA00000000000000000000000000000000"], "CA0", "RE and 32 hex digits"),
        (&["list", "--status", "lost"], "--status", "transcribed"),
        (&["list", "--since", "yesterday"], "--since", "2026-01-31"),
        (&["list", "--call", "RE00000000000000000000000000000000"], "--call", "CA and 32 hex digits"),
        (&["transcript", NOBODYS, "--format", "doc"], "--format", "vtt"),
        (&["hold", NOBODYS], "--reason", "required"),
        (&["erase", NOBODYS, "--reason", " "], "--reason", "say why"),
    ];
    for (arguments, named, expected) in wrong {
        let said = fleet.refused(2, &[&["recordings"], arguments].concat()).await;
        assert!(said.contains(named) && said.contains(expected), "{arguments:?}: {said}");
    }
}

on_each_engine!(
    list_is_newest_first_and_narrowed_by_its_filters,
    transcript_is_printed_in_each_format,
    audio_is_written_to_a_file_of_ones_own_that_is_never_overwritten,
);
