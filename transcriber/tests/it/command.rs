//! The `command` provider as a process: what the program gets, and that nothing of it is left behind.

use std::env;
use std::time::{Duration, Instant};

use callvault_transcriber::{Command, CommandConfig, FaultKind, Media, Transcriber, TranscriberError, Transcription};

use crate::harness::{MINUTE, broken_media, media, options};

fn command(line: &str, timeout: Duration) -> Command {
    Command::new(CommandConfig { command: line.to_owned(), timeout }).unwrap()
}

async fn run(line: &str, media: Media) -> Result<Transcription, TranscriberError> {
    command(line, MINUTE).transcribe(media, &options(Some("small"), Some("en"))).await
}

/// Media whose length gives no extra time.
fn no_length(chunks: &[&'static [u8]]) -> Media {
    Media { duration_secs: Some(0.001), ..media(1, chunks) }
}

/// Whether a process with this id runs. A zombie, killed and waiting to be reaped, does not.
fn is_running(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

async fn until(is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(20), "it never came");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn media_comes_on_standard_input() {
    let made = run("cat", media(1, &[b"hello ", b"there"])).await.unwrap();
    assert_eq!(made.text, "hello there");
}

#[tokio::test]
async fn media_comes_as_a_file_where_the_command_asks_for_one() {
    let made = run("cat {audio}", media(1, &[b"hello ", b"there"])).await.unwrap();
    assert_eq!(made.text, "hello there");
}

#[tokio::test]
async fn media_file_can_be_opened_often_by_what_the_program_starts() {
    let made = run("sh -c 'sh -c \"cat $1 $1\"; wc -c <$1' recognise {audio}", media(1, &[b"RIFF"])).await.unwrap();
    assert_eq!(made.text, "RIFFRIFF4");
}

#[tokio::test]
async fn media_file_is_in_memory_only_and_can_not_be_changed() {
    let probe = "sh -c 'readlink $1; (echo no >$1) 2>/dev/null || echo refused' recognise {audio}";
    let made = run(probe, media(1, &[b"RIFF"])).await.unwrap();
    assert_eq!(made.text, "/memfd:recording (deleted)\nrefused");
}

#[tokio::test]
async fn media_file_is_gone_afterwards() {
    let made = run("sh -c 'echo $1' recognise {audio}", media(1, &[b"RIFF"])).await.unwrap();
    let target = std::fs::read_link(&made.text).unwrap_or_default();
    assert!(!target.to_string_lossy().contains("memfd:recording"), "{target:?}");
}

#[tokio::test]
async fn only_a_command_that_asks_for_a_file_holds_media_in_memory() {
    assert_eq!(command("recognise", MINUTE).memory_bytes(1000), 0);
    assert_eq!(command("recognise {audio}", MINUTE).memory_bytes(1000), 1000);
}

#[tokio::test]
async fn channels_language_and_model_are_filled_in() {
    let made = run("echo {channels} {language} {model}", media(2, &[])).await.unwrap();
    assert_eq!(made.text, "2 en small");
}

#[tokio::test]
async fn program_may_stop_reading_early() {
    const MEGABYTE: &[u8] = &[b'a'; 1 << 20];
    let made = run("head -c 3", media(1, &[MEGABYTE; 8])).await.unwrap();
    assert_eq!(made.text, "aaa");
}

#[tokio::test]
async fn media_that_breaks_off_is_never_taken_for_whole() {
    for line in ["sh -c 'cat >&2; echo half'", "cat {audio}"] {
        let error = run(line, broken_media()).await.unwrap_err();
        assert_eq!(error.kind, FaultKind::Transient, "{line}");
        assert!(error.to_string().contains("could not be read to its end"), "{error}");
    }
}

#[tokio::test]
async fn exit_codes_decide_the_kind() {
    for (code, kind) in [(65, FaultKind::Rejected), (75, FaultKind::Transient), (1, FaultKind::Transient)] {
        let error = run(&format!("sh -c 'exit {code}'"), media(1, &[])).await.unwrap_err();
        assert_eq!(error.kind, kind, "{code}");
    }
    let error = run("sh -c 'kill -9 $$'", media(1, &[])).await.unwrap_err();
    assert_eq!((error.kind, error.to_string().contains("signal 9")), (FaultKind::Transient, true));
}

#[tokio::test]
async fn program_that_can_not_be_started_is_a_fault_of_the_configuration() {
    for line in ["no-such-recogniser", "/no/such/recogniser", "/dev/null"] {
        let error = run(line, media(1, &[])).await.unwrap_err();
        assert_eq!(error.kind, FaultKind::Unauthorized, "{line}");
        let error = command(line, MINUTE).check().await.unwrap_err();
        assert!(error.to_string().contains("TRANSCRIPTION_COMMAND"), "{error}");
    }
    for line in ["cat", "/bin/cat {audio}"] {
        command(line, MINUTE).check().await.unwrap();
    }
}

#[tokio::test]
async fn program_and_all_it_started_are_killed_after_the_time_limit() {
    let pids = tempfile::NamedTempFile::new().unwrap();
    let line = format!("sh -c 'sleep 1000 & echo $! $$ >{}; wait'", pids.path().display());
    // Long enough for the shell to write its line, on a busy machine too.
    let limited = command(&line, Duration::from_secs(2));
    let error = limited.transcribe(no_length(&[]), &options(None, None)).await.unwrap_err();
    assert_eq!(error.kind, FaultKind::Transient);
    assert!(error.to_string().contains("did not end within"), "{error}");
    let started = std::fs::read_to_string(pids.path()).unwrap();
    assert_eq!(started.split_whitespace().count(), 2, "the shell and its child wrote their ids");
    until(|| !started.split_whitespace().any(is_running)).await;
}

#[tokio::test]
async fn dropped_transcription_kills_the_program() {
    let pids = tempfile::NamedTempFile::new().unwrap();
    let line = format!("sh -c 'sleep 1000 & echo $! $$ >{}; wait'", pids.path().display());
    let written = || std::fs::read_to_string(pids.path()).unwrap();
    let running = command(&line, MINUTE);
    let asked = options(None, None);
    tokio::select! {
        _ = running.transcribe(media(1, &[]), &asked) => panic!("it ended"),
        () = until(|| written().ends_with('\n')) => {}
    }
    until(|| !written().split_whitespace().any(is_running)).await;
}

#[tokio::test]
async fn secrets_of_the_service_are_not_handed_to_the_program() {
    // The environment can't be changed safely in a running process, so the test runs itself in one that has secrets.
    if env::var_os("NO_SECRET").is_none() {
        let test = "command::secrets_of_the_service_are_not_handed_to_the_program";
        let mut again = std::process::Command::new(env::current_exe().unwrap());
        again.args(["--exact", test]).envs([
            ("TWILIO_AUTH_TOKEN", "t"),
            ("QUEUE_URL", "amqp://u:p@h"),
            ("NO_SECRET", "yes"),
        ]);
        crate::harness::run(again, Vec::new()).await;
        return;
    }
    let made = run("sh -c 'echo $TWILIO_AUTH_TOKEN $QUEUE_URL $NO_SECRET'", media(1, &[])).await.unwrap();
    assert_eq!(made.text, "yes");
}
