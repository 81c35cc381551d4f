//! The demo, as a newcomer runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn demo(folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_callvault")).args(["demo", "--data-dir"]).arg(folder).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn demo_accounts_for_every_call_and_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    for run in ["first", "second"] {
        let output = demo(folder.path());
        assert!(output.status.success(), "{run} run: {}", text(&output));
        assert!(text(&output).contains("12 of 12 recordings accounted for"), "{run} run: {}", text(&output));
    }
}

#[test]
fn broken_byte_in_any_kind_of_stored_object_fails_the_demo() {
    let folder = tempfile::tempdir().unwrap();
    assert!(demo(folder.path()).status.success());
    for kind in ["recordings", "transcripts"] {
        let object = files(&folder.path().join("vault").join(kind)).pop().unwrap();
        let whole = std::fs::read(&object).unwrap();
        let mut broken = whole.clone();
        *broken.last_mut().unwrap() ^= 1;
        std::fs::write(&object, broken).unwrap();
        let output = demo(folder.path());
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(text(&output).contains("WRONG"), "{}", text(&output));
        std::fs::write(&object, whole).unwrap();
    }
}

#[test]
fn missing_setting_is_named_with_exit_code_2() {
    let output = Command::new(env!("CARGO_BIN_EXE_callvault")).arg("ingest").env_clear().output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(
        text(&output).contains("PUBLIC_BASE_URL") || text(&output).contains("TWILIO_ACCOUNT_SID"),
        "{}",
        text(&output)
    );
}
