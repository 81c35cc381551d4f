//! Each setting comes to where it is used.

use secrecy::ExposeSecret;

use super::{ACCOUNT, API_KEY, WHSEC, load, loaded};
use crate::config::{Config, Provider};
use crate::settings::{Environment, documented};

const RECIPIENT: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

/// Settings that are read where they are used, or by nothing yet.
const ELSEWHERE: [&str; 3] = ["log_level", "otel_exporter_otlp_endpoint", "transcription_webhook_secret"];

/// What the configuration made of a setting.
fn arrived(config: &Config, key: &str) -> String {
    let twilio = config.twilio().unwrap();
    let policy = &config.policy;
    match key {
        "twilio_account_sid" => twilio.account_sid.to_string(),
        "twilio_auth_token" => twilio.auth_token.as_ref().unwrap().expose_secret().to_owned(),
        "twilio_auth_token_secondary" => twilio.auth_token_secondary.as_ref().unwrap().expose_secret().to_owned(),
        "twilio_api_key_sid" => twilio.api_key.as_ref().unwrap().0.clone(),
        "twilio_api_key_secret" => twilio.api_key.as_ref().unwrap().1.expose_secret().to_owned(),
        "twilio_subaccounts" => twilio.subaccounts[0].0.to_string() + "=" + twilio.subaccounts[0].1.expose_secret(),
        "twilio_shared_keys" => twilio.shared_keys[0].0.clone() + "=" + twilio.shared_keys[0].1.expose_secret(),
        "twilio_api_url" => twilio.api_url.to_string(),
        "twilio_max_concurrency" => twilio.max_concurrency.to_string(),
        "twilio_timeout_secs" => twilio.timeout.as_secs().to_string(),
        "twilio_requests_per_second" => twilio.requests_per_second.to_string(),
        "public_base_url" => config.public_base_url().unwrap().as_url().to_string(),
        "listen_addr" => config.listen_addr.to_string(),
        "port" => config.listen_addr.port().to_string(),
        "metrics_addr" => config.metrics_addr.to_string(),
        "queue_url" => config.queue_url.clone(),
        "queue_lease_secs" => config.queue_lease.as_secs().to_string(),
        "ingest_spool_dir" => config.spool.as_ref().unwrap().folder.display().to_string(),
        "ingest_spool_max_callbacks" => config.spool.as_ref().unwrap().max_callbacks.to_string(),
        "database_url" => config.database_url.clone(),
        "database_max_connections" => config.database_max_connections.to_string(),
        "s3_sse" => format!("{:?}", config.s3_encryption).to_uppercase(),
        "s3_sse_kms_key_id" => match &config.s3_encryption {
            vault::S3Encryption::Kms { key_id } => key_id.clone().unwrap(),
            other => panic!("{other:?}"),
        },
        "recordings_bucket" => config.recordings_bucket.clone(),
        "encryption_recipients" => config.encryption_recipients.as_ref().unwrap().to_string(),
        "encryption_identity_file" => config.encryption_identity_file.as_ref().unwrap().display().to_string(),
        "recordings_format" => config.recordings_format.to_string(),
        "worker_concurrency" => config.worker_concurrency.to_string(),
        "worker_memory_mb" => config.worker_memory_mb.to_string(),
        "worker_drain_secs" => config.worker_drain.as_secs().to_string(),
        "transcription_model" => config.transcription.model.clone().unwrap(),
        "transcription_language" => config.transcription.language.clone().unwrap(),
        "transcription_timeout_secs" => config.transcription.timeout.as_secs().to_string(),
        "delivery_webhook_url" => config.delivery.as_ref().unwrap().url.to_string(),
        "delivery_webhook_secret" => config.delivery.as_ref().unwrap().secret.expose_secret().to_owned(),
        "delivery_webhook_allow_private" => config.delivery.as_ref().unwrap().allow_private.to_string(),
        "retention_days" => policy.retention_days.to_string(),
        "retention_transcript_days" => policy.transcript_days.to_string(),
        "twilio_delete_after_days" => policy.twilio_delete_after_days.unwrap().to_string(),
        "retention_every_secs" => config.schedules.retention_every.as_secs().to_string(),
        "reconcile_every_secs" => config.schedules.reconcile_every.as_secs().to_string(),
        "reconcile_lookback_days" => config.schedules.reconcile_lookback_days.to_string(),
        "reconcile_stuck_after_secs" => config.schedules.reconcile_stuck_after.as_secs().to_string(),
        _ => provider(config, key),
    }
}

/// What only one provider has.
fn provider(config: &Config, key: &str) -> String {
    match (&config.transcription.provider, key) {
        (Provider::Deepgram { .. }, "transcription_provider") => "deepgram".to_owned(),
        (Provider::Deepgram { api_key, .. }, "deepgram_api_key") => {
            api_key.as_ref().unwrap().expose_secret().to_owned()
        }
        (Provider::Deepgram { api_url, .. }, "deepgram_api_url") => api_url.to_string(),
        (Provider::OpenAi { api_key, .. }, "openai_api_key") => api_key.as_ref().unwrap().expose_secret().to_owned(),
        (Provider::OpenAi { base_url, .. }, "openai_base_url") => base_url.to_string(),
        (Provider::Command { command }, "transcription_command") => command.clone(),
        _ => panic!("{key} comes to nothing"),
    }
}

/// A value for each setting that is not its default, with what must be set beside it.
fn example(key: &str) -> (&'static str, &'static [(&'static str, &'static str)]) {
    const TARGET: &[(&str, &str)] =
        &[("DELIVERY_WEBHOOK_URL", "https://example.com/"), ("DELIVERY_WEBHOOK_SECRET", WHSEC)];
    const BROKER: &[(&str, &str)] = &[("QUEUE_URL", "amqp://rabbit")];
    const SPOOL: &[(&str, &str)] = &[("QUEUE_URL", "amqp://rabbit"), ("INGEST_SPOOL_DIR", "elsewhere")];
    const DEEPGRAM: &[(&str, &str)] = &[("TRANSCRIPTION_PROVIDER", "deepgram"), ("DEEPGRAM_API_KEY", "key")];
    const OPENAI: &[(&str, &str)] = &[("TRANSCRIPTION_PROVIDER", "openai"), ("OPENAI_API_KEY", "key")];
    match key {
        "twilio_account_sid" => (ACCOUNT, &[]),
        "twilio_api_key_sid" => (API_KEY, &[("TWILIO_API_KEY_SECRET", "key")]),
        "twilio_api_key_secret" => ("a-secret", &[("TWILIO_API_KEY_SID", API_KEY)]),
        "twilio_subaccounts" => ("ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb=b-token", &[]),
        "twilio_shared_keys" => ("webhooks_sharedkey_1=a-secret", &[]),
        "twilio_api_url" => ("https://api.example.com/", &[]),
        "public_base_url" => ("https://voice.example.com/", &[]),
        "listen_addr" | "metrics_addr" => ("127.0.0.1:4000", &[]),
        "queue_url" => ("sqlite:elsewhere/queue.db", &[]),
        "ingest_spool_dir" => ("elsewhere", BROKER),
        "ingest_spool_max_callbacks" => ("77", SPOOL),
        "database_url" => ("sqlite:elsewhere/catalog.db", &[]),
        "recordings_bucket" => ("file:elsewhere", &[]),
        "s3_sse" => ("AES256", &[]),
        "s3_sse_kms_key_id" => ("alias/recordings", &[("S3_SSE", "aws:kms")]),
        "encryption_recipients" => (RECIPIENT, &[]),
        "encryption_identity_file" => ("elsewhere.txt", &[]),
        "recordings_format" => ("mp3", &[]),
        "transcription_provider" => ("deepgram", DEEPGRAM),
        "deepgram_api_key" => ("a-secret", DEEPGRAM),
        "deepgram_api_url" => ("https://eu.example.com/", DEEPGRAM),
        "openai_api_key" => ("a-secret", OPENAI),
        "openai_base_url" => ("http://127.0.0.1:8000/v1", OPENAI),
        "transcription_command" => ("recognise --fast", &[("TRANSCRIPTION_PROVIDER", "command")]),
        "delivery_webhook_url" => ("https://crm.example.com/hook", TARGET),
        "delivery_webhook_secret" => ("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", TARGET),
        "delivery_webhook_allow_private" => ("true", TARGET),
        _ => ("77", &[]),
    }
}

#[test]
fn every_setting_of_the_page_comes_to_the_configuration() {
    for setting in documented() {
        let (key, name) = (setting.key, setting.key.to_uppercase());
        // The two that make one host have a test of their own.
        if ELSEWHERE.contains(&key) || ["twilio_edge", "twilio_region"].contains(&key) {
            continue;
        }
        let (value, beside) = example(key);
        assert_ne!(setting.default.as_deref(), Some(value), "{name}: an example that proves nothing");
        let config = loaded(&[beside, &[(name.as_str(), value)]].concat());
        assert_eq!(arrived(&config, key), value, "{name}");
    }
}

#[test]
fn edge_and_region_make_twilios_regional_host() {
    // https://www.twilio.com/docs/global-infrastructure/regional-product-and-feature-availability
    let config = loaded(&[("TWILIO_EDGE", "dublin"), ("TWILIO_REGION", "ie1")]);
    assert_eq!(arrived(&config, "twilio_api_url"), "https://api.dublin.ie1.twilio.com/");
    assert_eq!(arrived(&loaded(&[]), "twilio_api_url"), "https://api.twilio.com/");
}

#[test]
fn port_stands_for_the_listen_address_unless_that_is_set_as_near() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("callvault.toml");
    std::fs::write(&file, "listen_addr = '127.0.0.1:1'").unwrap();
    let address = |file: Option<&std::path::Path>, variables: &[(&str, &str)]| {
        let environment: Environment = variables.iter().copied().collect();
        Config::load(file, &environment).map(|config| config.listen_addr.to_string()).unwrap()
    };
    assert_eq!(address(None, &[("PORT", "8080")]), "0.0.0.0:8080");
    assert_eq!(address(None, &[("PORT", "8080"), ("LISTEN_ADDR", "127.0.0.1:1")]), "127.0.0.1:1");
    assert_eq!(address(Some(&file), &[("PORT", "8080")]), "0.0.0.0:8080");
    assert_eq!(address(Some(&file), &[]), "127.0.0.1:1");
}

#[test]
fn public_base_url_may_have_a_port_and_a_path() {
    for url in ["https://voice.example.com:8443/tenant/", "https://voice.example.com/tenant", "http://127.0.0.1:3000/"]
    {
        assert_eq!(arrived(&loaded(&[("PUBLIC_BASE_URL", url)]), "public_base_url"), url);
    }
}

#[test]
fn transcripts_are_kept_as_long_as_recordings_unless_told_otherwise() {
    assert_eq!(loaded(&[("RETENTION_DAYS", "7")]).policy.transcript_days, 7);
    let longer = loaded(&[("RETENTION_DAYS", "7"), ("RETENTION_TRANSCRIPT_DAYS", "365")]);
    assert_eq!((longer.policy.retention_days, longer.policy.transcript_days), (7, 365));
    assert_eq!(longer.warnings(), Vec::<String>::new());
}

#[test]
fn subaccounts_are_separated_by_commas_or_lines_and_may_have_two_tokens() {
    let config = loaded(&[("TWILIO_SUBACCOUNTS", &format!("{ACCOUNT}=one,\n {ACCOUNT} = two\n"))]);
    let tokens = &config.twilio().unwrap().subaccounts;
    let tokens: Vec<_> =
        tokens.iter().map(|(sid, token)| (sid.to_string(), token.expose_secret().to_owned())).collect();
    assert_eq!(tokens, [(ACCOUNT.to_owned(), "one".to_owned()), (ACCOUNT.to_owned(), "two".to_owned())]);
}

#[test]
fn what_a_role_cannot_do_without_is_an_error_only_when_it_is_asked_for() {
    let config = Config::load(None, &Environment::default()).map_err(|error| error.to_string()).unwrap();
    assert_eq!(config.twilio().err().unwrap().name, "TWILIO_ACCOUNT_SID");
    assert_eq!(config.public_base_url().err().unwrap().name, "PUBLIC_BASE_URL");
    let account = [("TWILIO_ACCOUNT_SID", ACCOUNT)].into_iter().collect();
    let config = Config::load(None, &account).map_err(|error| error.to_string()).unwrap();
    assert_eq!(config.twilio().err().unwrap().name, "TWILIO_AUTH_TOKEN");
    assert!(load(&[]).unwrap_or_else(|error| panic!("{error}")).twilio().is_ok());
}
