//! No secret in anything that is printed, whatever the subcommand, and whether the secret is right or wrong.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::fleet::{ACCOUNT, Fleet, call, until};

/// Base64 of 24 bytes, so that it may be a signing secret; nothing else prints it.
const MARKER: &str = "MARKERmarkerMARKERmarkerMARKERma";
const SUBACCOUNT: &str = "ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const API_KEY: &str = "SKaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const NOT_THERE: &str = "REaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// Every subcommand that reads settings and comes to an end.
const SUBCOMMANDS: [&[&str]; 19] = [
    &["settings"],
    &["settings", "--json"],
    &["check"],
    &["check", "--json"],
    &["migrate"],
    &["retention"],
    &["retention", "--dry-run"],
    &["reconcile"],
    &["queue", "status"],
    &["queue", "dead"],
    &["queue", "redrive"],
    &["recordings", "list"],
    &["recordings", "show", NOT_THERE],
    &["recordings", "audio", NOT_THERE],
    &["recordings", "transcript", NOT_THERE],
    &["recordings", "transcribe", NOT_THERE],
    &["recordings", "hold", NOT_THERE, "--reason", "r"],
    &["recordings", "release", NOT_THERE, "--reason", "r"],
    &["recordings", "erase", NOT_THERE, "--reason", "r"],
];

/// The secret settings, as the command itself lists them.
fn secret_settings(fleet: &Fleet) -> Vec<&'static str> {
    let settings = fleet.json(&["settings"]);
    let secret = settings.iter().filter(|setting| setting["is_secret"] == true);
    let names: Vec<&'static str> = secret.map(|one| &*one["name"].as_str().unwrap().to_owned().leak()).collect();
    assert!(names.len() >= 9, "{names:?}");
    names
}

/// The marker in the form that the setting takes.
fn right(name: &str) -> String {
    match name {
        "TWILIO_SUBACCOUNTS" => format!("{SUBACCOUNT}={MARKER}"),
        "TWILIO_SHARED_KEYS" => format!("webhooks_sharedkey_1={MARKER}"),
        "DELIVERY_WEBHOOK_SECRET" => format!("whsec_{MARKER}"),
        "DELIVERY_WEBHOOK_URL" => format!("https://127.0.0.1:1/{MARKER}"),
        _ => MARKER.to_owned(),
    }
}

/// All secrets are the marker and right, and the log is as talkative as it can be.
async fn fleet() -> (Fleet, Vec<&'static str>) {
    let mut fleet = Fleet::with_token(MARKER).await;
    fleet.twilio.add_api_key(API_KEY, MARKER.into());
    fleet.twilio.set_transcriber_key(MARKER.into());
    let secrets = secret_settings(&fleet);
    for name in &secrets {
        fleet.set(name, right(name));
    }
    fleet.set("TWILIO_API_KEY_SID", API_KEY);
    fleet.set("DELIVERY_WEBHOOK_ALLOW_PRIVATE", "true");
    fleet.set("RUST_LOG", "trace");
    (fleet, secrets)
}

/// Neither the marker nor what Basic authentication makes of it.
fn has_no_marker(what: &str, printed: &[u8]) {
    let basic = [ACCOUNT, API_KEY].map(|user| STANDARD.encode(format!("{user}:{MARKER}")));
    for line in String::from_utf8_lossy(printed).lines() {
        assert!(!line.contains(MARKER) && !basic.iter().any(|basic| line.contains(basic)), "{what}: {line}");
    }
}

fn run_all(fleet: &Fleet, case: &str) {
    for arguments in SUBCOMMANDS {
        let output = fleet.run(arguments);
        has_no_marker(&format!("{case}: {arguments:?}"), &[output.stdout, output.stderr].concat());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn right_secret_is_printed_by_no_subcommand() {
    let (fleet, _) = fleet().await;
    run_all(&fleet, "right");
}

#[tokio::test(flavor = "multi_thread")]
async fn secret_at_work_is_in_no_log_line() {
    let (fleet, _) = fleet().await;
    let _serving = fleet.start(&["serve"]);
    until("serve is ready", async || {
        reqwest::get(fleet.ingest_url("/readyz")).await.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
    let placed = fleet.twilio.place_call(call(0)).await;
    assert!(placed.callbacks.iter().all(|callback| callback.status == 200), "{placed:?}");
    let delivery = async || fleet.log().contains("delivery: ");
    until("a delivery was tried", delivery).await;
    has_no_marker("serve", fleet.log().as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_secret_is_printed_by_no_subcommand() {
    let (mut fleet, secrets) = fleet().await;
    fleet.set("RUST_LOG", "info");
    for name in secrets {
        // Of no form that it should have, of none that a header can have, and the secret in place of its file.
        for (name, wrong) in
            [(name, format!("{MARKER}=")), (name, format!("{MARKER}\u{1}x")), (file_of(name), MARKER.into())]
        {
            let before = fleet.settings.clone();
            fleet.set(name, wrong);
            run_all(&fleet, name);
            fleet.settings = before;
        }
    }
}

fn file_of(name: &str) -> &'static str {
    format!("{name}_FILE").leak()
}

#[tokio::test(flavor = "multi_thread")]
async fn password_in_a_url_is_printed_by_no_subcommand() {
    let (mut fleet, _) = fleet().await;
    for (name, url) in [
        ("QUEUE_URL", format!("amqp://anna:{MARKER}@broker/vhost")),
        ("DATABASE_URL", format!("postgres://anna:{MARKER}@db/callvault")),
        ("RECORDINGS_BUCKET", format!("ftp://anna:{MARKER}@host/vault")),
        ("PUBLIC_BASE_URL", format!("http://anna:{MARKER}@127.0.0.1:1/")),
        ("TWILIO_API_URL", format!("http://anna:{MARKER}@127.0.0.1:1/")),
        ("DEEPGRAM_API_URL", format!("http://anna:{MARKER}@127.0.0.1:1/")),
        ("DELIVERY_WEBHOOK_URL", format!("https://example.com/hook?token={MARKER}")),
        ("ENCRYPTION_IDENTITY_FILE", format!("AGE-SECRET-KEY-1{MARKER}")),
        ("ENCRYPTION_RECIPIENTS", format!("AGE-SECRET-KEY-1{MARKER}")),
        ("TWILIO_ACCOUNT_SID", MARKER.to_owned()),
        ("TWILIO_API_KEY_SID", MARKER.to_owned()),
    ] {
        let before = fleet.settings.clone();
        fleet.set(name, url);
        run_all(&fleet, name);
        fleet.settings = before;
    }
}
