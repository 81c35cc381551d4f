//! The official libraries sign; ingest judges. What each case has to come to is the library's own word: it is asked to
//! validate what it signed, and what was tampered with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::harness::*;
use crate::raw_http::{exchange, request};

/// One line of a script of `official/`.
#[derive(Deserialize)]
struct Case {
    name: String,
    /// The public base URL the service is set to.
    base: String,
    method: String,
    /// Path and query, below the base URL.
    target: String,
    headers: BTreeMap<String, String>,
    body: String,
    is_valid: bool,
}

#[tokio::test]
async fn python_library_and_ingest_agree() {
    let script = scripts().join("sign.py");
    let python = tools().join("venv/bin/python");
    agree(Command::new(python).arg(script)).await;
}

#[tokio::test]
async fn node_library_and_ingest_agree() {
    let script = scripts().join("sign.js");
    agree(Command::new("node").arg(script).env("NODE_PATH", tools().join("node/node_modules"))).await;
}

async fn agree(script: &mut Command) {
    let cases = cases(script);
    assert!(cases.iter().any(|case| case.is_valid) && cases.iter().any(|case| !case.is_valid));
    let mut services = BTreeMap::new();
    for case in &cases {
        if !services.contains_key(&case.base) {
            let public_url = case.base.clone().leak();
            services.insert(case.base.clone(), Setup { public_url, ..Setup::default() }.start().await);
        }
        judge(&services[&case.base], case).await;
    }
}

async fn judge(service: &Service, case: &Case) {
    let headers: Vec<_> = case.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let answer = exchange(service.address, &request(&case.method, &case.target, &headers, case.body.as_bytes())).await;
    let expected = if case.is_valid { 200 } else { 403 };
    assert_eq!(answer.status, expected, "{}: {} {}: {answer:?}", case.name, case.base, case.target);
    assert_eq!(service.queued().await.len(), usize::from(case.is_valid), "{}", case.name);
}

fn cases(script: &mut Command) -> Vec<Case> {
    let output = script
        .args([ACCOUNT, TOKEN, SHARED_KEY_ID, SHARED_KEY])
        .output()
        .unwrap_or_else(|error| panic!("{script:?}: {error}; {HINT}"));
    assert!(output.status.success(), "{HINT}: {}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const HINT: &str = "the official libraries are installed by scripts/install-test-tools (make test does it)";

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/official")
}

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-tools")
}
