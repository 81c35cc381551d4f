//! Settings as the command takes, refuses and prints them.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn callvault(arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callvault"));
    command.args(arguments).env_clear().envs(settings.iter().copied());
    command
}

fn run(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    callvault(arguments, settings).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn wrong_setting_ends_with_2_and_names_the_variable() {
    for (arguments, name, value, expected) in [
        (&["settings"][..], "RETENTION_DAYS", "30d", "a whole number"),
        (&["settings"], "LOG_LEVEL", "verbose", "error, warn, info, debug, trace"),
        (&["settings"], "RUST_LOG", "callvault=loud", "expected one of"),
        (&["queue", "status"], "QUEUE_URL", "kafka://anna:hunter2@broker", "expected sqlite:PATH"),
        (&["queue", "status"], "QUEUE_URL", "sqlite:", "the path of a file"),
        (&["recordings", "list"], "DATABASE_URL", "mysql://anna:hunter2@db/x", "sqlite:PATH"),
        (&["migrate"], "DATABASE_URL", "sqlite:", "the path of a file"),
        (&["serve"], "PUBLIC_BASE_URL", "voice.example.com", "like https://voice.example.com"),
        (&["retention"], "WORKER_MEMORY_MB", "lots", "a whole number"),
    ] {
        let output = run(arguments, &[(name, value)]);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{name}={value}: {told}");
        assert!(told.starts_with(&format!("callvault: {name}: ")) && told.contains(expected), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn missing_file_and_wrong_flag_end_with_2() {
    let missing = run(&["settings", "--config", "/nowhere.toml"], &[]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(stderr(&missing).starts_with("callvault: --config: /nowhere.toml: "), "{}", stderr(&missing));
    let flag = run(&["retention", "--dry"], &[]);
    assert_eq!(flag.status.code(), Some(2));
    assert!(stderr(&flag).contains("'--dry-run'"), "{}", stderr(&flag));
}

#[test]
fn store_of_an_unknown_kind_is_an_error_of_its_variable() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
    let engines = [("QUEUE_URL", path("queue.db")), ("DATABASE_URL", path("catalog.db"))];
    let mut command = callvault(&["retention"], &[("RECORDINGS_BUCKET", "ftp://anna:hunter2@host")]);
    let output = command.envs(engines).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = stderr(&output);
    assert!(told.starts_with("callvault: RECORDINGS_BUCKET: ftp names no object store"), "{told}");
}

/// Each with its name, documentation, default, value and where it was set.
#[test]
fn settings_tells_all_of_each_setting() {
    let output = run(&["settings", "--json"], &[("RETENTION_DAYS", "7"), ("TWILIO_AUTH_TOKEN", "hunter2")]);
    let settings: Vec<Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let find = |name: &str| settings.iter().find(|setting| setting["name"] == name).unwrap();
    assert!(settings.len() > 40 && settings.iter().all(|one| one["documentation"].as_str().unwrap().len() > 20));
    let days = find("RETENTION_DAYS");
    assert_eq!((&days["value"], &days["default"], &days["origin"]), (&"7".into(), &"30".into(), &"environment".into()));
    let token = find("TWILIO_AUTH_TOKEN");
    assert_eq!((&token["value"], &token["is_secret"]), (&"(set, not shown)".into(), &true.into()));
    assert_eq!(find("PUBLIC_BASE_URL")["value"], Value::Null);
}

/// TOML as Python's own reader of it understands it.
fn read_toml(text: &str) -> Value {
    let program = "import json, sys, tomllib; print(json.dumps(tomllib.load(sys.stdin.buffer)))";
    let mut python = Command::new("python3");
    let mut reader = python.args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    reader.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    serde_json::from_slice(&reader.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn printed_page_is_toml_with_the_values_in_force_and_without_secrets() {
    let model = "a \"quoted\" \\ model";
    let set = [("RETENTION_DAYS", "7"), ("TRANSCRIPTION_MODEL", model), ("DEEPGRAM_API_KEY", "hunter2")];
    let page = stdout(&run(&["settings"], &set));
    assert!(!page.contains("hunter2") && page.contains("#deepgram_api_key = (not shown)  # environment"), "{page}");
    let read = read_toml(&page);
    assert_eq!((&read["retention_days"], &read["transcription_model"]), (&7.into(), &model.into()));
    assert_eq!((&read["listen_addr"], &read["deepgram_api_key"]), (&"0.0.0.0:3000".into(), &Value::Null));
}

#[test]
fn printed_page_taken_as_settings_file_says_the_same_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("callvault.toml");
    let set = [("RETENTION_DAYS", "7"), ("PUBLIC_BASE_URL", "https://voice.example.com")];
    let page = stdout(&run(&["settings"], &set));
    std::fs::write(&file, &page).unwrap();
    let again = stdout(&run(&["settings", "--config", file.to_str().unwrap()], &[]));
    let values =
        |page: &str| page.lines().map(|line| line.split("  # ").next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(values(&again), values(&page));
}

#[test]
fn risky_settings_and_slips_of_names_are_warned_of() {
    let output = run(&["settings"], &[("RETENTION_DAYS", "0"), ("RETENTION_TRANSCRIPTS_DAYS", "7")]);
    let told = stderr(&output);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("RETENTION_DAYS is 0: every recording is deleted"), "{told}");
    assert!(
        told.contains("RETENTION_TRANSCRIPTS_DAYS is no setting of callvault: did you mean RETENTION_TRANSCRIPT_DAYS?")
    );
}

#[test]
fn reader_that_has_seen_enough_is_no_error() {
    for arguments in [&["settings"][..], &["settings", "--json"]] {
        let mut child = callvault(arguments, &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{}", stderr(&output));
    }
}
