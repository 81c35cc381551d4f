//! `callvault check` against the simulator: what it says of each thing that can be wrong.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use crate::fleet::{Fleet, call};

/// What `check` found of each thing: whether it is ok, and what it says.
type Findings = BTreeMap<String, (bool, String)>;

/// The findings, and the exit code.
async fn check(fleet: &Fleet) -> (Findings, i32) {
    let output = fleet.ended(&["check", "--json"]).await;
    let lines = String::from_utf8(output.stdout).unwrap();
    let findings = lines.lines().map(|line| {
        let finding: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| finding[name].as_str().unwrap().to_owned();
        (text("what"), (finding["ok"].as_bool().unwrap(), text("detail")))
    });
    (findings.collect(), output.status.code().unwrap())
}

/// What is wrong, by name; the exit code has to agree.
async fn wrong(fleet: &Fleet) -> BTreeMap<String, String> {
    let (findings, code) = check(fleet).await;
    assert_eq!(findings.len(), 8, "{findings:?}");
    let wrong: BTreeMap<_, _> =
        findings.into_iter().filter(|(_, (ok, _))| !ok).map(|(what, (_, why))| (what, why)).collect();
    assert_eq!(code, i32::from(!wrong.is_empty()), "{wrong:?}");
    wrong
}

/// A fleet whose public URL is itself, so that all can be right.
async fn fleet() -> Fleet {
    let mut fleet = Fleet::new().await;
    fleet.set("PUBLIC_BASE_URL", fleet.ingest_url(""));
    fleet
}

/// An address nobody listens on.
fn nobody() -> String {
    format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_fleet_is_ok_in_every_point() {
    let fleet = fleet().await;
    let _serving = fleet.serve(true).await;
    assert_eq!(wrong(&fleet).await, BTreeMap::new());
    let text = String::from_utf8(fleet.run(&["check"]).stdout).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("ok ")).count(), 8, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_token_is_told_and_not_shown() {
    let mut fleet = fleet().await;
    let _serving = fleet.serve(true).await;
    fleet.set("TWILIO_AUTH_TOKEN", "hunter2");
    let wrong = wrong(&fleet).await;
    assert_eq!(wrong.keys().collect::<Vec<_>>(), ["twilio"], "{wrong:?}");
    assert!(wrong["twilio"].contains("check TWILIO_AUTH_TOKEN") && wrong["twilio"].contains("401"), "{wrong:?}");
    assert!(!wrong["twilio"].contains("hunter2"), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn api_key_and_token_are_each_tried() {
    let key = "SKaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let mut fleet = fleet().await;
    let _serving = fleet.serve(true).await;
    fleet.twilio.add_api_key(key, "right".into());
    fleet.set("TWILIO_API_KEY_SID", key);
    for (secret, token, advice) in [
        ("wrong", "e2e-token", "check TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET"),
        ("right", "wrong", "check TWILIO_AUTH_TOKEN"),
    ] {
        fleet.set("TWILIO_API_KEY_SECRET", secret);
        fleet.set("TWILIO_AUTH_TOKEN", token);
        let wrong = wrong(&fleet).await;
        assert!(wrong.len() == 1 && wrong["twilio"].contains(advice), "{wrong:?}");
    }
    fleet.set("TWILIO_AUTH_TOKEN", "e2e-token");
    assert_eq!(wrong(&fleet).await, BTreeMap::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_twilio_is_told_from_wrong_credentials() {
    let mut fleet = fleet().await;
    let _serving = fleet.serve(true).await;
    fleet.set("TWILIO_API_URL", nobody());
    let wrong = wrong(&fleet).await;
    assert_eq!(wrong.keys().collect::<Vec<_>>(), ["clock", "twilio"], "{wrong:?}");
    assert!(wrong["twilio"].contains("cannot be reached: check TWILIO_API_URL"), "{wrong:?}");
    assert!(wrong["clock"].contains("nothing to compare the clock with"), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_queue_and_catalog_are_told() {
    let mut fleet = fleet().await;
    let _serving = fleet.serve(true).await;
    let damaged = fleet.folder.path().join("damaged.db");
    std::fs::write(&damaged, vec![7; 8192]).unwrap();
    fleet.set("QUEUE_URL", format!("sqlite:{}", damaged.display()));
    fleet.set("DATABASE_URL", format!("sqlite:{}", damaged.display()));
    let wrong = wrong(&fleet).await;
    assert_eq!(wrong.keys().collect::<Vec<_>>(), ["catalog", "queue"], "{wrong:?}");
    assert!(wrong["queue"].starts_with("QUEUE_URL: ") && wrong["queue"].contains("is damaged"), "{wrong:?}");
    assert!(wrong["catalog"].starts_with("DATABASE_URL: ") && wrong["catalog"].contains("is damaged"), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn vault_without_rights_is_told() {
    let mut fleet = fleet().await;
    let _serving = fleet.serve(true).await;
    // Nobody makes folders there, root neither.
    fleet.set("RECORDINGS_BUCKET", "file:/sys/callvault-vault");
    fleet.set("ENCRYPTION_IDENTITY_FILE", identity(&fleet, "own").0);
    let wrong = wrong(&fleet).await;
    assert_eq!(wrong.keys().collect::<Vec<_>>(), ["store"], "{wrong:?}");
    assert!(wrong["store"].starts_with("RECORDINGS_BUCKET: "), "{wrong:?}");
    assert!(wrong["store"].contains("see the folder's owner and mode"), "{wrong:?}");
}

/// A new key: its file, and its recipient.
fn identity(fleet: &Fleet, name: &str) -> (String, String) {
    let file = fleet.folder.path().join(name).display().to_string();
    let recipient = fleet.json(&["keys", "generate", "-o", &file])[0]["recipient"].as_str().unwrap().to_owned();
    (file, recipient)
}

#[tokio::test(flavor = "multi_thread")]
async fn key_that_opens_nothing_that_is_sealed_is_told() {
    let mut fleet = fleet().await;
    let _serving = fleet.serve(true).await;
    fleet.set("ENCRYPTION_IDENTITY_FILE", identity(&fleet, "one").0);
    fleet.set("ENCRYPTION_RECIPIENTS", identity(&fleet, "other").1);
    let wrong = wrong(&fleet).await;
    assert_eq!(wrong.keys().collect::<Vec<_>>(), ["keys"], "{wrong:?}");
    assert!(wrong["keys"].contains("opens nothing that ENCRYPTION_RECIPIENTS seals"), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn key_that_was_replaced_by_another_is_told() {
    let mut fleet = fleet().await;
    let _serving = fleet.serve(true).await;
    fleet.twilio.add_recording(call(0));
    fleet.settled(1, &["transcribed"]).await;
    assert_eq!(wrong(&fleet).await, BTreeMap::new());
    fleet.set("ENCRYPTION_IDENTITY_FILE", identity(&fleet, "another").0);
    let wrong = wrong(&fleet).await;
    assert_eq!(wrong.keys().collect::<Vec<_>>(), ["keys"], "{wrong:?}");
    assert!(wrong["keys"].contains("is stored and cannot be opened"), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_transcriber_key_is_told_for_either_provider() {
    let mut fleet = fleet().await;
    let _serving = fleet.serve(true).await;
    fleet.twilio.set_transcriber_key("right".into());
    fleet.set("OPENAI_BASE_URL", format!("{}v1", fleet.twilio.url()));
    for (provider, key) in [("deepgram", "DEEPGRAM_API_KEY"), ("openai", "OPENAI_API_KEY")] {
        fleet.set("TRANSCRIPTION_PROVIDER", provider);
        fleet.set(key, "hunter2");
        let wrong = wrong(&fleet).await;
        assert_eq!(wrong.keys().collect::<Vec<_>>(), ["transcriber"], "{wrong:?}");
        assert!(wrong["transcriber"].contains(&format!("check {key}")), "{wrong:?}");
        assert!(!wrong["transcriber"].contains("hunter2"), "{wrong:?}");
        fleet.set(key, "right");
        assert_eq!(self::wrong(&fleet).await, BTreeMap::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transcription_program_that_is_not_there_is_told() {
    let mut fleet = fleet().await;
    let _serving = fleet.serve(true).await;
    fleet.set("TRANSCRIPTION_PROVIDER", "command");
    fleet.set("TRANSCRIPTION_COMMAND", "no-such-program {audio}");
    let wrong = wrong(&fleet).await;
    assert!(wrong.len() == 1 && wrong["transcriber"].contains("names no-such-program"), "{wrong:?}");
}

/// A server that says the same to everybody.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut peer in listener.incoming().flatten() {
            let _ = peer.read(&mut [0; 4096]);
            let _ = peer.write_all(answer.as_bytes());
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn public_url_is_told_apart_as_not_reached_not_ours_and_leading_elsewhere() {
    let mut fleet = fleet().await;
    let elsewhere =
        answering("HTTP/1.1 308 Permanent Redirect\r\nLocation: https://x.example/\r\nContent-Length: 0\r\n\r\n");
    for (url, says) in [
        (nobody(), "cannot be reached from here: start `callvault serve` or `ingest`"),
        (format!("{}v1", fleet.twilio.url()), "not as callvault does"),
        (elsewhere, "redirects (308 Permanent Redirect): set PUBLIC_BASE_URL to where it leads"),
    ] {
        fleet.set("PUBLIC_BASE_URL", url);
        let wrong = wrong(&fleet).await;
        assert!(wrong.len() == 1 && wrong["public_url"].contains(says), "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clock_that_is_off_against_twilios_date_is_told() {
    let fleet = fleet().await;
    let _serving = fleet.serve(true).await;
    fleet.twilio.advance_clock(Duration::from_secs(3600));
    let wrong = wrong(&fleet).await;
    assert_eq!(wrong.keys().collect::<Vec<_>>(), ["clock"], "{wrong:?}");
    let off: i64 = wrong["clock"].split(' ').next().unwrap().parse().unwrap();
    assert!((-3605..=-3595).contains(&off) && wrong["clock"].contains("start a time service"), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_and_files_that_hang_hold_up_nothing_else() {
    let mut fleet = fleet().await;
    let _serving = fleet.serve(true).await;
    // Connections are made and never answered; a pipe that nobody writes to blocks its reader.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    let pipe = fleet.folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for name in ["TWILIO_API_URL", "DEEPGRAM_API_URL", "PUBLIC_BASE_URL"] {
        fleet.set(name, silent.clone());
    }
    fleet.set("ENCRYPTION_IDENTITY_FILE", pipe.display().to_string());
    let wrong = wrong(&fleet).await;
    assert_eq!(wrong.keys().collect::<Vec<_>>(), ["clock", "keys", "public_url", "transcriber", "twilio"], "{wrong:?}");
    for what in ["keys", "transcriber", "twilio"] {
        assert!(wrong[what].contains("no answer within"), "{wrong:?}");
    }
}
