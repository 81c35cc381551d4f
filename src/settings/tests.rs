//! The page and the layers.

use std::path::{Path, PathBuf};

use super::*;

/// The settings that the public interface names; the page may have more.
const CONTRACT: [&str; 35] = [
    "TWILIO_ACCOUNT_SID",
    "TWILIO_AUTH_TOKEN",
    "TWILIO_AUTH_TOKEN_SECONDARY",
    "TWILIO_API_KEY_SID",
    "TWILIO_API_KEY_SECRET",
    "TWILIO_API_URL",
    "TWILIO_EDGE",
    "TWILIO_REGION",
    "PUBLIC_BASE_URL",
    "LISTEN_ADDR",
    "PORT",
    "QUEUE_URL",
    "DATABASE_URL",
    "RECORDINGS_BUCKET",
    "ENCRYPTION_RECIPIENTS",
    "ENCRYPTION_IDENTITY_FILE",
    "TRANSCRIPTION_PROVIDER",
    "TRANSCRIPTION_MODEL",
    "TRANSCRIPTION_LANGUAGE",
    "DEEPGRAM_API_KEY",
    "DEEPGRAM_API_URL",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "TRANSCRIPTION_COMMAND",
    "TRANSCRIPTION_WEBHOOK_SECRET",
    "WORKER_CONCURRENCY",
    "WORKER_MEMORY_MB",
    "TWILIO_MAX_CONCURRENCY",
    "TWILIO_REQUESTS_PER_SECOND",
    "DELIVERY_WEBHOOK_URL",
    "DELIVERY_WEBHOOK_SECRET",
    "RETENTION_DAYS",
    "RETENTION_TRANSCRIPT_DAYS",
    "TWILIO_DELETE_AFTER_DAYS",
    "LOG_LEVEL",
];
/// Those whose value nobody may see.
const SECRETS: [&str; 10] = [
    "TWILIO_AUTH_TOKEN",
    "TWILIO_AUTH_TOKEN_SECONDARY",
    "TWILIO_API_KEY_SECRET",
    "TWILIO_SUBACCOUNTS",
    "TWILIO_SHARED_KEYS",
    "DEEPGRAM_API_KEY",
    "OPENAI_API_KEY",
    "TRANSCRIPTION_WEBHOOK_SECRET",
    "DELIVERY_WEBHOOK_URL",
    "DELIVERY_WEBHOOK_SECRET",
];

struct Fixture {
    folder: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Fixture {
        Fixture { folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn load(file: Option<&Path>, variables: &[(&str, &str)]) -> Result<Values, SettingsError> {
    Values::load(file, &variables.iter().copied().collect())
}

fn loaded(file: Option<&Path>, variables: &[(&str, &str)]) -> Values {
    load(file, variables).unwrap_or_else(|error| panic!("{error}"))
}

fn error(file: Option<&Path>, variables: &[(&str, &str)]) -> String {
    load(file, variables).err().expect("this is wrong").to_string()
}

fn names() -> Vec<String> {
    documented().iter().map(|setting| setting.key.to_uppercase()).collect()
}

#[test]
fn every_variable_of_the_contract_is_on_the_page() {
    let names = names();
    for name in CONTRACT {
        assert!(names.iter().any(|known| known == name), "{name}");
    }
}

#[test]
fn every_setting_is_documented_under_a_heading_and_once() {
    let mut names = names();
    for setting in documented() {
        assert!(!setting.documentation.is_empty() && !setting.section.is_empty(), "{setting:?}");
    }
    names.sort();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn secrets_are_those_that_the_page_says_are() {
    let secret = documented().into_iter().filter(|setting| setting.is_secret);
    let mut secret: Vec<String> = secret.map(|setting| setting.key.to_uppercase()).collect();
    let mut expected = SECRETS;
    secret.sort();
    expected.sort();
    assert_eq!(secret, expected);
}

#[test]
fn page_is_a_settings_file_that_changes_nothing() {
    let fixture = Fixture::new();
    let page = loaded(Some(&fixture.file("page.toml", PAGE)), &[]);
    let default = loaded(None, &[]);
    for setting in documented() {
        assert_eq!(page.text(setting.key), default.text(setting.key), "{}", setting.key);
    }
}

#[test]
fn environment_wins_over_the_file_and_the_file_over_the_default() {
    let fixture = Fixture::new();
    let file = fixture.file("callvault.toml", "retention_days = 20\nworker_concurrency = 20\n");
    let values = loaded(Some(&file), &[("RETENTION_DAYS", "10")]);
    let found = ["retention_days", "worker_concurrency", "worker_memory_mb"];
    let found = found.map(|key| (values.text(key).unwrap(), values.origin(key).unwrap()));
    assert_eq!(found, [("10", Origin::Environment), ("20", Origin::File), ("256", Origin::Default)]);
}

#[test]
fn empty_value_counts_as_not_set() {
    let fixture = Fixture::new();
    let file = fixture.file("callvault.toml", "retention_days = 20\ntranscription_model = ''\n");
    let values = loaded(Some(&file), &[("RETENTION_DAYS", " "), ("WORKER_MEMORY_MB", "")]);
    assert_eq!(values.text("retention_days"), Some("20"));
    assert_eq!(values.text("worker_memory_mb"), Some("256"));
    assert_eq!(values.text("transcription_model"), None);
}

#[test]
fn file_named_by_the_option_wins_over_the_variable() {
    let fixture = Fixture::new();
    let (one, two) = (fixture.file("1.toml", "retention_days = 1"), fixture.file("2.toml", "retention_days = 2"));
    let named = [("CALLVAULT_CONFIG", two.to_str().unwrap())];
    assert_eq!(loaded(Some(&one), &named).text("retention_days"), Some("1"));
    assert_eq!(loaded(None, &named).text("retention_days"), Some("2"));
}

#[test]
fn unusable_file_is_an_error_that_says_who_named_it() {
    let missing = Path::new("/nowhere/callvault.toml");
    assert!(error(Some(missing), &[]).starts_with("--config: /nowhere/callvault.toml: "));
    let named = error(None, &[("CALLVAULT_CONFIG", "/nowhere/callvault.toml")]);
    assert!(named.starts_with("CALLVAULT_CONFIG: /nowhere/callvault.toml: "), "{named}");
}

#[test]
fn unknown_key_of_the_file_is_an_error_that_names_the_nearest() {
    let fixture = Fixture::new();
    for (written, meant) in [
        ("retention_day", "retention_days"),
        ("PUBLIC_BASE_URL", "public_base_url"),
        ("twilio_auth_token_files", "twilio_auth_token"),
        ("retention_days_file", "retention_days"),
    ] {
        let told = error(Some(&fixture.file("callvault.toml", &format!("{written} = '1'"))), &[]);
        assert!(told.contains(&format!("unknown key {written:?}; did you mean {meant:?}?")), "{told}");
    }
}

#[test]
fn value_of_the_file_that_is_no_plain_value_is_an_error_that_names_its_key() {
    let fixture = Fixture::new();
    for wrong in ["retention_days = 1.5", "retention_days = [1]", "[retention_days]"] {
        let told = error(Some(&fixture.file("callvault.toml", wrong)), &[]);
        assert!(told.contains("retention_days: expected a string, a whole number, true or false"), "{told}");
    }
}

#[test]
fn file_that_is_no_toml_is_an_error_that_does_not_quote_it() {
    let fixture = Fixture::new();
    let told = error(Some(&fixture.file("callvault.toml", "twilio_auth_token = hunter2\n")), &[]);
    assert!(told.starts_with("--config: ") && !told.contains("hunter2"), "{told}");
}

#[test]
fn secret_is_read_from_the_file_that_is_named_without_its_newline() {
    let fixture = Fixture::new();
    for (text, expected) in [("hunter2\n", "hunter2"), ("hunter2\r\n", "hunter2"), ("hunter 2", "hunter 2")] {
        let path = fixture.file("token", text);
        for secret in SECRETS {
            let values = loaded(None, &[(&format!("{secret}_FILE"), path.to_str().unwrap())]);
            assert_eq!(values.text(&secret.to_lowercase()), Some(expected), "{secret}");
        }
    }
}

#[test]
fn secret_file_can_be_named_by_the_settings_file_and_loses_against_the_environment() {
    let fixture = Fixture::new();
    let path = fixture.file("token", "hunter2");
    let file = fixture.file("callvault.toml", &format!("twilio_auth_token_file = {path:?}"));
    assert_eq!(loaded(Some(&file), &[]).text("twilio_auth_token"), Some("hunter2"));
    let values = loaded(Some(&file), &[("TWILIO_AUTH_TOKEN", "hunter3")]);
    assert_eq!(values.text("twilio_auth_token"), Some("hunter3"));
}

#[test]
fn url_that_may_hold_a_password_can_be_read_from_a_file() {
    let fixture = Fixture::new();
    let path = fixture.file("queue", "amqp://calls:hunter2@rabbit/\n");
    let values = loaded(None, &[("QUEUE_URL_FILE", path.to_str().unwrap())]);
    assert_eq!(values.text("queue_url"), Some("amqp://calls:hunter2@rabbit/"));
}

#[test]
fn file_without_an_end_is_refused() {
    let zeroes = Path::new("/dev/zero");
    assert!(error(Some(zeroes), &[]).contains("longer than 1024 KiB"));
    assert!(error(None, &[("TWILIO_AUTH_TOKEN_FILE", "/dev/zero")]).contains("longer than 1024 KiB"));
}

#[test]
fn unreadable_or_empty_secret_file_is_an_error_of_its_variable() {
    let fixture = Fixture::new();
    let (empty, folder) = (fixture.file("empty", "\n"), fixture.folder.path().to_owned());
    for path in [Path::new("/nowhere/hunter2"), &empty, &folder] {
        let told = error(None, &[("TWILIO_AUTH_TOKEN_FILE", path.to_str().unwrap())]);
        assert!(told.starts_with("TWILIO_AUTH_TOKEN_FILE: the file it names "), "{told}");
        assert!(!told.contains("hunter2"), "the path may be the secret itself: {told}");
    }
}

#[test]
fn secret_set_both_ways_in_one_place_is_an_error() {
    let fixture = Fixture::new();
    let path = fixture.file("token", "hunter2");
    let both = [("TWILIO_AUTH_TOKEN", "hunter3"), ("TWILIO_AUTH_TOKEN_FILE", path.to_str().unwrap())];
    let told = error(None, &both);
    assert_eq!(told, "TWILIO_AUTH_TOKEN: is set, and so is TWILIO_AUTH_TOKEN_FILE: keep one of them");
    let one_empty = [("TWILIO_AUTH_TOKEN", ""), both[1]];
    assert_eq!(loaded(None, &one_empty).text("twilio_auth_token"), Some("hunter2"));
}

#[test]
fn white_space_around_a_value_is_not_part_of_it() {
    let values = loaded(None, &[("TWILIO_AUTH_TOKEN", " hunter2\n"), ("QUEUE_URL", "sqlite:a b.db ")]);
    assert_eq!((values.text("twilio_auth_token"), values.text("queue_url")), (Some("hunter2"), Some("sqlite:a b.db")));
}

#[test]
fn variable_that_is_not_unicode_matters_only_where_it_is_a_setting() {
    use std::os::unix::ffi::OsStringExt;
    let bad = || std::ffi::OsString::from_vec(vec![0xff]);
    let values = Values::load(None, &[("HOME", bad())].into_iter().collect());
    assert!(values.is_ok());
    let told = Values::load(None, &[("QUEUE_URL", bad())].into_iter().collect()).err().unwrap().to_string();
    assert_eq!(told, "QUEUE_URL: its value is not Unicode text");
}

#[test]
fn variables_that_look_like_settings_are_told_with_the_nearest() {
    for (name, nearest) in [
        ("RETENTION_DAY", "retention_days"),
        ("CALLVAULT_RETENTION_DAYS", "retention_days"),
        ("TWILIO_API_KEY", "twilio_api_key_sid"),
        ("DATABASE_URI", "database_url"),
        ("PUBLIC_BASEURL", "public_base_url"),
        ("twilio_auth_token", "twilio_auth_token"),
        ("RETENTION_DAYS_FILE", "retention_days"),
    ] {
        assert_eq!(suspicious(&[(name, "1")].into_iter().collect()), [(name.to_owned(), nearest)]);
    }
}

#[test]
fn settings_and_variables_of_others_are_not_suspicious() {
    let settings = names().into_iter().chain(SECRETS.map(|secret| format!("{secret}_FILE")));
    let others = ["PATH", "HOME", "HOSTNAME", "LANG", "RUST_LOG", "AWS_REGION", "OTEL_SERVICE_NAME", "PGHOST"];
    let ours = ["CALLVAULT_ACTOR", "CALLVAULT_CONFIG"];
    let of_kubernetes = ["CALLVAULT_SERVICE_HOST", "CALLVAULT_PORT_3000_TCP_ADDR", "CALLVAULT_SERVICE_PORT_HTTP"];
    let names = settings.chain([&others[..], &ours, &of_kubernetes].concat().into_iter().map(str::to_owned));
    assert_eq!(suspicious(&names.map(|name| (name, "1")).collect()), []);
}

#[test]
fn shown_url_has_no_password_and_no_secret_parameter() {
    for (value, shown) in [
        ("amqp://anna:hunter2@one:5672,anna:hunter2@two/vhost", "amqp://anna:****@two/vhost"),
        ("postgres://anna:hun/t@er?2@db/x?sslmode=require", "postgres://anna:****@db/x?sslmode=require"),
        ("https://hooks.example.com/?access_token=hunter2&x=1", "https://hooks.example.com/?access_token=****&x=1"),
        ("sqs://1234?region=eu-west-1", "sqs://1234?region=eu-west-1"),
        ("sqlite:callvault-data/queue.db", "sqlite:callvault-data/queue.db"),
        ("https://anna@example.com/", "https://anna@example.com/"),
    ] {
        assert_eq!(masked(value), shown);
    }
}
