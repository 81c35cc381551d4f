//! What is allowed and may surprise is warned of, and nothing else is.

use super::{WHSEC, loaded};

const TARGET: [(&str, &str); 2] =
    [("DELIVERY_WEBHOOK_URL", "https://crm.example.com"), ("DELIVERY_WEBHOOK_SECRET", WHSEC)];
const DEEPGRAM: [(&str, &str); 2] = [("TRANSCRIPTION_PROVIDER", "deepgram"), ("DEEPGRAM_API_KEY", "key")];
const RECIPIENT: (&str, &str) =
    ("ENCRYPTION_RECIPIENTS", "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p");
const IDENTITY: (&str, &str) = ("ENCRYPTION_IDENTITY_FILE", "identity.txt");

/// The one warning about these begins so.
fn warns(variables: &[(&str, &str)], beginning: &str) {
    let warnings = loaded(variables).warnings();
    assert!(warnings.len() == 1 && warnings[0].starts_with(beginning), "{variables:?}: {warnings:?}");
}

fn is_silent(variables: &[(&str, &str)]) {
    assert_eq!(loaded(variables).warnings(), Vec::<String>::new(), "{variables:?}");
}

#[test]
fn ordinary_settings_are_not_warned_of() {
    is_silent(&[]);
    is_silent(&[&TARGET[..], &DEEPGRAM, &[("PUBLIC_BASE_URL", "https://voice.example.com")]].concat());
    is_silent(&[&TARGET[..], &DEEPGRAM, &[RECIPIENT, IDENTITY]].concat());
    is_silent(&[("PUBLIC_BASE_URL", "http://localhost:3000"), ("TWILIO_API_URL", "http://127.0.0.1:8800")]);
}

#[test]
fn what_goes_in_the_clear_is_warned_of() {
    warns(&[("PUBLIC_BASE_URL", "http://voice.example.com")], "PUBLIC_BASE_URL is http");
    warns(&[("TWILIO_API_URL", "http://api.example.com")], "TWILIO_API_URL is http");
    let target = [("DELIVERY_WEBHOOK_URL", "http://crm.example.com"), TARGET[1]];
    warns(&[&target[..], &DEEPGRAM].concat(), "DELIVERY_WEBHOOK_URL is http");
}

#[test]
fn settings_that_will_do_nothing_are_warned_of() {
    warns(&TARGET, "DELIVERY_WEBHOOK_URL is set and TRANSCRIPTION_PROVIDER is none");
    warns(&TARGET[1..], "DELIVERY_WEBHOOK_SECRET is set and DELIVERY_WEBHOOK_URL is not");
    warns(&DEEPGRAM[1..], "DEEPGRAM_API_KEY is set and TRANSCRIPTION_PROVIDER is none");
    warns(&[("TRANSCRIPTION_COMMAND", "recognise")], "TRANSCRIPTION_COMMAND is set and TRANSCRIPTION_PROVIDER is none");
    warns(&[("TWILIO_DELETE_AFTER_DAYS", "31")], "TWILIO_DELETE_AFTER_DAYS (31) is longer than RETENTION_DAYS (30)");
    warns(
        &[("PORT", "1"), ("LISTEN_ADDR", "127.0.0.1:2")],
        "PORT and LISTEN_ADDR are both set: listening on 127.0.0.1:2",
    );
}

#[test]
fn work_without_its_key_is_warned_of() {
    warns(&[&DEEPGRAM[..], &[RECIPIENT]].concat(), "TRANSCRIPTION_PROVIDER is set and ENCRYPTION_IDENTITY_FILE is not");
    let at_once = ("TWILIO_DELETE_AFTER_DAYS", "0");
    warns(&[at_once, RECIPIENT], "TWILIO_DELETE_AFTER_DAYS is 0 and this process has no ENCRYPTION_IDENTITY_FILE");
    is_silent(&[at_once]);
    is_silent(&[at_once, RECIPIENT, IDENTITY]);
}

#[test]
fn deletion_at_once_is_warned_of() {
    warns(&[("RETENTION_DAYS", "0")], "RETENTION_DAYS is 0");
    warns(&[("RETENTION_TRANSCRIPT_DAYS", "0")], "RETENTION_TRANSCRIPT_DAYS is 0");
}
