//! A wrong value is an error that names the variable and says what is expected.

use super::{ACCOUNT, API_KEY, WHSEC, error, loaded};
use crate::settings::documented;

/// A setting, wrong values of it, and what the error says of each.
const WRONG: &[(&str, &[&str], &str)] = &[
    ("TWILIO_ACCOUNT_SID", &["AC123", API_KEY, "ACgggggggggggggggggggggggggggggggg"], "expected AC and 32 hex digits"),
    ("TWILIO_API_URL", &["api.twilio.com", "ftp://api.twilio.com"], "a URL like https://api.twilio.com"),
    ("TWILIO_API_URL", &["https://api.twilio.com/2010-04-01", "https://anna@api.twilio.com"], "has more than a host"),
    ("TWILIO_MAX_CONCURRENCY", &["0", "10001", "-1", "many"], "is not a whole number from 1 to 10000"),
    ("TWILIO_TIMEOUT_SECS", &["0", "601", "30s"], "is not a whole number from 1 to 600"),
    ("TWILIO_REQUESTS_PER_SECOND", &["0", "1.5", "100001"], "is not a whole number from 1 to 100000"),
    (
        "PUBLIC_BASE_URL",
        &["voice.example.com", "voice.example.com:443", "https://", "/webhooks", "wss://voice.example.com"],
        "the URL Twilio sees, like https://voice.example.com",
    ),
    (
        "PUBLIC_BASE_URL",
        &["https://voice.example.com/?a=1", "https://voice.example.com/#rc=5"],
        "a query or a fragment",
    ),
    ("PUBLIC_BASE_URL", &["https://voice.example.com/webhooks/recording"], "ends in a route, which callvault adds"),
    ("LISTEN_ADDR", &["3000", ":3000", "localhost:3000", "0.0.0.0:70000"], "is not an address like 0.0.0.0:3000"),
    ("METRICS_ADDR", &["3001", "localhost"], "is not an address like 0.0.0.0:3000"),
    ("PORT", &["http", "65536", "-1"], "is not a port from 0 to 65535"),
    ("QUEUE_LEASE_SECS", &["0", "43201", "1m"], "is not a whole number from 1 to 43200"),
    ("INGEST_SPOOL_MAX_CALLBACKS", &["0", "100000001", "64M"], "is not a whole number from 1 to 100000000"),
    ("INGEST_SPOOL_DIR", &["spool"], "QUEUE_URL is a file of this machine already"),
    ("DATABASE_MAX_CONNECTIONS", &["0", "1001", "ten"], "is not a whole number from 1 to"),
    ("S3_SSE", &["aes256", "kms"], "is not one of none, AES256, aws:kms"),
    ("S3_SSE_KMS_KEY_ID", &["alias/recordings"], "is for S3_SSE=aws:kms"),
    ("ENCRYPTION_RECIPIENTS", &["age1short", ","], "age1…"),
    ("RECORDINGS_FORMAT", &["flac", "WAVE"], "is not wav or mp3"),
    ("WORKER_CONCURRENCY", &["0", "1025"], "is not a whole number from 1 to 1024"),
    ("WORKER_MEMORY_MB", &["15", "256MB"], "is not a whole number from 16 to 1048576"),
    ("WORKER_DRAIN_SECS", &["3601", "-1"], "is not a whole number from 0 to 3600"),
    ("TRANSCRIPTION_PROVIDER", &["whisper", "Deepgram"], "is not one of none, deepgram, openai, command"),
    ("TRANSCRIPTION_TIMEOUT_SECS", &["0", "1201"], "is not a whole number from 1 to 1200"),
    ("DEEPGRAM_API_URL", &["api.deepgram.com", "wss://api.deepgram.com"], "an http or https URL"),
    ("OPENAI_BASE_URL", &["api.openai.com/v1", "file:///v1"], "an http or https URL"),
    ("DELIVERY_WEBHOOK_URL", &["crm.example.com", "mailto:a@example.com"], "an http or https URL"),
    ("DELIVERY_WEBHOOK_ALLOW_PRIVATE", &["yes", "1"], "is not true or false"),
    (
        "DELIVERY_WEBHOOK_SECRET",
        &["hunter2", "whsec_", "whsec_c2hvcnQ="],
        "expected whsec_ and 24 to 64 bytes in base64",
    ),
    ("RETENTION_DAYS", &["-1", "36501", "30d", "0.5"], "is not a whole number from 0 to 36500"),
    ("RETENTION_TRANSCRIPT_DAYS", &["-1", "36501"], "is not a whole number from 0 to 36500"),
    ("TWILIO_DELETE_AFTER_DAYS", &["never", "36501"], "is not a whole number from 0 to 36500"),
    ("RETENTION_EVERY_SECS", &["0", "86401"], "is not a whole number from 1 to 86400"),
    ("RECONCILE_EVERY_SECS", &["0", "86401"], "is not a whole number from 1 to 86400"),
    ("RECONCILE_LOOKBACK_DAYS", &["0", "36501"], "is not a whole number from 1 to 36500"),
    ("RECONCILE_STUCK_AFTER_SECS", &["0", "86401"], "is not a whole number from 1 to 86400"),
    ("TWILIO_API_KEY_SID", &[ACCOUNT, "hunter2"], "expected SK and 32 hex digits"),
    ("TWILIO_SUBACCOUNTS", &["hunter2", ACCOUNT, "hunter2=token"], "expected AC…=token, separated by commas or lines"),
    ("TWILIO_SHARED_KEYS", &["hunter2", "=hunter2", "webhooks_sharedkey_1="], "expected webhooks_sharedkey_…=secret"),
];

#[test]
fn wrong_value_is_an_error_of_its_variable_that_says_what_is_expected() {
    for (name, values, expected) in WRONG {
        for value in *values {
            let error = error(&[(name, value)]);
            assert_eq!(error.name, *name, "{value}: {error}");
            assert!(error.problem.contains(expected), "{value}: {error}");
            assert!(!error.problem.contains("hunter2"), "{error}");
        }
    }
}

/// Where a default is a number, a flag, an address or a web URL, other text is wrong.
#[test]
fn every_setting_of_a_kind_has_a_wrong_value_here() {
    for setting in documented() {
        let Some(default) = &setting.default else { continue };
        let is_of_a_kind = default.parse::<u64>().is_ok()
            || default.parse::<bool>().is_ok()
            || default.parse::<std::net::SocketAddr>().is_ok()
            || default.starts_with("https:");
        let name = setting.key.to_uppercase();
        assert!(!is_of_a_kind || WRONG.iter().any(|(wrong, ..)| *wrong == name), "{name}");
    }
}

#[test]
fn half_of_what_belongs_together_is_an_error_that_names_the_other_half() {
    for (half, other) in [
        (&[("TWILIO_API_KEY_SID", API_KEY)][..], "TWILIO_API_KEY_SECRET"),
        (&[("TWILIO_API_KEY_SECRET", "hunter2")], "TWILIO_API_KEY_SID"),
        (&[("TWILIO_EDGE", "dublin")], "TWILIO_REGION"),
        (&[("TWILIO_REGION", "ie1")], "TWILIO_EDGE"),
        (&[("DELIVERY_WEBHOOK_URL", "https://crm.example.com")], "DELIVERY_WEBHOOK_SECRET"),
        (&[("TRANSCRIPTION_PROVIDER", "command")], "TRANSCRIPTION_COMMAND"),
    ] {
        let error = error(half);
        assert_eq!(error.name, other, "{half:?}");
        assert!(error.problem.starts_with("is required. "), "{error}");
    }
}

#[test]
fn openai_compatible_server_of_another_host_may_do_without_a_key() {
    loaded(&[("TRANSCRIPTION_PROVIDER", "openai"), ("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")]);
}

#[test]
fn two_ways_to_say_where_twilio_is_are_an_error() {
    let regional = [("TWILIO_EDGE", "dublin"), ("TWILIO_REGION", "ie1"), ("TWILIO_API_URL", "https://api.example.com")];
    assert_eq!(error(&regional).name, "TWILIO_API_URL");
    let error = error(&[("TWILIO_EDGE", "dublin.evil.example"), ("TWILIO_REGION", "ie1")]);
    assert_eq!(error.name, "TWILIO_EDGE");
}

#[test]
fn key_in_the_place_of_its_file_is_an_error_that_does_not_show_it() {
    let key = "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ";
    for (name, value) in [("ENCRYPTION_IDENTITY_FILE", key), ("ENCRYPTION_RECIPIENTS", key)] {
        let error = error(&[(name, value)]);
        assert_eq!(error.name, name);
        assert!(!error.problem.contains("QQQQ"), "{error}");
    }
}

#[test]
fn command_that_cannot_be_read_is_an_error_of_its_variable() {
    let error = error(&[("TRANSCRIPTION_PROVIDER", "command"), ("TRANSCRIPTION_COMMAND", "recognise 'half")]);
    assert_eq!(error.to_string(), "TRANSCRIPTION_COMMAND: has a quote that is not closed");
}

#[test]
fn wrong_url_is_shown_without_its_password() {
    let error = error(&[("OPENAI_BASE_URL", "htp//anna:hunter2@example.com")]);
    assert!(error.problem.contains("anna:****@example.com") && !error.problem.contains("hunter2"), "{error}");
}

#[test]
fn secret_of_no_target_is_still_checked() {
    loaded(&[("DELIVERY_WEBHOOK_SECRET", WHSEC)]);
    assert_eq!(error(&[("DELIVERY_WEBHOOK_SECRET", "hunter2")]).name, "DELIVERY_WEBHOOK_SECRET");
}
