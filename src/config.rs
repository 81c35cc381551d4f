//! What each setting means: the values of [`crate::settings`], typed and checked together.
//!
//! Every value is checked at start, whatever the subcommand; what a role cannot do without is asked for by name
//! ([`Config::twilio`], [`Config::public_base_url`]) and is only then an error.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use catalog::Policy;
use secrecy::{ExposeSecret, SecretString};
use twilio::{AccountSid, MediaFormat};
use url::Url;

use crate::settings::{SettingsError, Values};

/// A server has a few hundred at most, for everybody.
const MOST_CONNECTIONS: NonZeroU32 = NonZeroU32::new(1000).expect("is not zero");

type Result<T> = std::result::Result<T, SettingsError>;

/// All of callvault's configuration.
#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) values: Values,
    twilio: Option<Twilio>,
    public_base_url: Option<Url>,
    pub(crate) listen_addr: SocketAddr,
    pub(crate) queue_url: String,
    pub(crate) queue_lease: Duration,
    pub(crate) database_url: String,
    pub(crate) database_max_connections: NonZeroU32,
    pub(crate) recordings_bucket: String,
    pub(crate) encryption_recipients: Option<vault::Recipients>,
    pub(crate) encryption_identity_file: Option<PathBuf>,
    pub(crate) recordings_format: MediaFormat,
    pub(crate) worker_concurrency: usize,
    pub(crate) worker_memory_mb: usize,
    pub(crate) worker_drain: Duration,
    pub(crate) transcription: Transcription,
    pub(crate) delivery: Option<Delivery>,
    pub(crate) policy: Policy,
    pub(crate) schedules: Schedules,
}

/// A Twilio account, its keys and where its API is.
#[derive(Clone)]
pub(crate) struct Twilio {
    pub(crate) account_sid: AccountSid,
    pub(crate) auth_token: SecretString,
    pub(crate) auth_token_secondary: Option<SecretString>,
    pub(crate) api_key: Option<(String, SecretString)>,
    /// Subaccounts with their own tokens, one or more each.
    pub(crate) subaccounts: Vec<(AccountSid, SecretString)>,
    pub(crate) shared_keys: Vec<(String, SecretString)>,
    pub(crate) api_url: Url,
    pub(crate) max_concurrency: usize,
    pub(crate) requests_per_second: u32,
}

#[derive(Clone)]
pub(crate) struct Transcription {
    pub(crate) provider: Provider,
    pub(crate) model: Option<String>,
    pub(crate) language: Option<String>,
    pub(crate) timeout: Duration,
}

#[derive(Clone)]
pub(crate) enum Provider {
    None,
    Deepgram { api_key: SecretString, api_url: Url },
    OpenAi { api_key: Option<SecretString>, base_url: Url },
    Command { command: String },
}

/// Where finished transcripts are posted.
#[derive(Clone)]
pub(crate) struct Delivery {
    pub(crate) url: Url,
    pub(crate) secret: SecretString,
    pub(crate) allow_private: bool,
}

#[derive(Clone)]
pub(crate) struct Schedules {
    pub(crate) retention_every: Duration,
    pub(crate) reconcile_every: Duration,
    pub(crate) reconcile_lookback_days: u32,
    pub(crate) reconcile_stuck_after: Duration,
}

impl Config {
    /// Reads `file` (or what `CALLVAULT_CONFIG` names) and the environment, and checks all of it.
    pub(crate) fn load(file: Option<&Path>, environment: &BTreeMap<String, String>) -> Result<Config> {
        let named = environment.get("CALLVAULT_CONFIG").filter(|path| !path.is_empty());
        let file = file.or(named.map(Path::new));
        Config::from_values(Values::load(file, environment)?)
    }

    fn from_values(values: Values) -> Result<Config> {
        let retention_days = values.number("retention_days", 0, 36_500)?;
        let config = Config {
            twilio: twilio(&values)?,
            public_base_url: public_base_url(&values)?,
            listen_addr: listen_addr(&values)?,
            queue_url: text(&values, "queue_url")?,
            queue_lease: seconds(&values, "queue_lease_secs", 1, 43_200)?,
            database_url: text(&values, "database_url")?,
            database_max_connections: values.number("database_max_connections", NonZeroU32::MIN, MOST_CONNECTIONS)?,
            recordings_bucket: text(&values, "recordings_bucket")?,
            encryption_recipients: recipients(&values)?,
            encryption_identity_file: values.path("encryption_identity_file"),
            recordings_format: values.parsed("recordings_format", "wav or mp3")?.unwrap_or_default(),
            worker_concurrency: values.number("worker_concurrency", 1, 1024)?,
            worker_memory_mb: values.number("worker_memory_mb", 16, 1 << 20)?,
            worker_drain: seconds(&values, "worker_drain_secs", 0, 3600)?,
            transcription: transcription(&values)?,
            delivery: delivery(&values)?,
            policy: Policy {
                retention_days,
                transcript_days: days(&values, "retention_transcript_days")?.unwrap_or(retention_days),
                twilio_delete_after_days: days(&values, "twilio_delete_after_days")?,
            },
            schedules: Schedules {
                retention_every: seconds(&values, "retention_every_secs", 1, 86_400)?,
                reconcile_every: seconds(&values, "reconcile_every_secs", 1, 86_400)?,
                reconcile_lookback_days: values.number("reconcile_lookback_days", 1, 36_500)?,
                reconcile_stuck_after: seconds(&values, "reconcile_stuck_after_secs", 1, 86_400)?,
            },
            values,
        };
        Ok(config)
    }

    /// The Twilio account, for roles that cannot do without one.
    pub(crate) fn twilio(&self) -> Result<&Twilio> {
        if let Some(twilio) = &self.twilio {
            return Ok(twilio);
        }
        let missing =
            if self.values.text("twilio_account_sid").is_none() { "twilio_account_sid" } else { "twilio_auth_token" };
        Err(SettingsError::required(missing))
    }

    /// The URL Twilio sees, for roles that check signatures.
    pub(crate) fn public_base_url(&self) -> Result<&Url> {
        self.public_base_url.as_ref().ok_or_else(|| SettingsError::required("public_base_url"))
    }

    /// Pairs of settings that are allowed together and may surprise, each as a sentence.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.policy.twilio_delete_after_days == Some(0) && self.encryption_identity_file.is_none() {
            warnings.push(
                "TWILIO_DELETE_AFTER_DAYS is 0 and this process has no ENCRYPTION_IDENTITY_FILE: archived copies are \
                 checked by size before Twilio's copy goes, not by opening them"
                    .to_owned(),
            );
        }
        if let Some(days) = self.policy.twilio_delete_after_days
            && days > self.policy.retention_days
        {
            warnings.push(format!(
                "TWILIO_DELETE_AFTER_DAYS ({days}) is longer than RETENTION_DAYS ({}): Twilio's copy goes with the rest",
                self.policy.retention_days
            ));
        }
        if matches!(self.transcription.provider, Provider::None) && self.delivery.is_some() {
            warnings
                .push("DELIVERY_WEBHOOK_URL is set and TRANSCRIPTION_PROVIDER is none: nothing will be posted".into());
        }
        warnings
    }
}

fn text(values: &Values, key: &str) -> Result<String> {
    values.text(key).map(str::to_owned).ok_or_else(|| SettingsError::required(key))
}

fn seconds(values: &Values, key: &str, least: u64, most: u64) -> Result<Duration> {
    Ok(Duration::from_secs(values.number(key, least, most)?))
}

fn days(values: &Values, key: &str) -> Result<Option<u32>> {
    let days = values.parsed::<u32>(key, "a whole number of days")?;
    match days {
        Some(days) if days > 36_500 => Err(SettingsError::new(key, format!("{days} is more than 36500 days"))),
        days => Ok(days),
    }
}

fn web_url(values: &Values, key: &str, expected: &str) -> Result<Option<Url>> {
    let url: Option<Url> = values.parsed(key, expected)?;
    match url {
        Some(url) if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() => {
            Err(SettingsError::new(key, format!("expected {expected}")))
        }
        url => Ok(url),
    }
}

fn public_base_url(values: &Values) -> Result<Option<Url>> {
    let expected = "the URL Twilio sees, like https://voice.example.com, without a query or fragment";
    match web_url(values, "public_base_url", expected)? {
        Some(url) if url.query().is_some() || url.fragment().is_some() => {
            Err(SettingsError::new("public_base_url", format!("expected {expected}")))
        }
        url => Ok(url),
    }
}

fn listen_addr(values: &Values) -> Result<SocketAddr> {
    let port = values.parsed::<u16>("port", "a port from 0 to 65535")?;
    let is_default = values.origin("listen_addr") == Some(crate::settings::Origin::Default);
    if let (Some(port), true) = (port, is_default) {
        return Ok(SocketAddr::from(([0, 0, 0, 0], port)));
    }
    let address = values.parsed("listen_addr", "an address like 0.0.0.0:3000")?;
    address.ok_or_else(|| SettingsError::required("listen_addr"))
}

fn recipients(values: &Values) -> Result<Option<vault::Recipients>> {
    let Some(text) = values.text("encryption_recipients") else { return Ok(None) };
    let parsed = text.parse().map_err(|error| SettingsError::new("encryption_recipients", format!("{error}")));
    parsed.map(Some)
}

fn twilio(values: &Values) -> Result<Option<Twilio>> {
    let expected = "an account SID: AC and 32 hex digits";
    let account_sid: Option<AccountSid> = values.parsed("twilio_account_sid", expected)?;
    let api_key = match (values.text("twilio_api_key_sid"), values.secret("twilio_api_key_secret")) {
        (Some(sid), Some(secret)) => Some((sid.to_owned(), secret)),
        (None, None) => None,
        (Some(_), None) => return Err(SettingsError::required("twilio_api_key_secret")),
        (None, Some(_)) => return Err(SettingsError::required("twilio_api_key_sid")),
    };
    let subaccounts = account_tokens(values)?;
    let shared_keys = pairs(values, "twilio_shared_keys", "webhooks_sharedkey_…=secret")?;
    let max_concurrency = values.number("twilio_max_concurrency", 1, 10_000)?;
    let requests_per_second = values.number("twilio_requests_per_second", 1, 100_000)?;
    let api_url = api_url(values)?;
    let (Some(account_sid), Some(auth_token)) = (account_sid, values.secret("twilio_auth_token")) else {
        return Ok(None);
    };
    Ok(Some(Twilio {
        account_sid,
        auth_token,
        auth_token_secondary: values.secret("twilio_auth_token_secondary"),
        api_key,
        subaccounts,
        shared_keys,
        api_url,
        max_concurrency,
        requests_per_second,
    }))
}

fn account_tokens(values: &Values) -> Result<Vec<(AccountSid, SecretString)>> {
    let key = "twilio_subaccounts";
    let tokens = pairs(values, key, "AC…=token")?;
    let parsed = tokens.into_iter().map(|(sid, token)| {
        let sid =
            sid.parse().map_err(|_| SettingsError::new(key, "expected AC…=token, separated by commas or lines"))?;
        Ok((sid, token))
    });
    parsed.collect()
}

/// `name=secret` pairs. An error never repeats the text: it may be a secret.
fn pairs(values: &Values, key: &str, expected: &str) -> Result<Vec<(String, SecretString)>> {
    let Some(text) = values.secret(key) else { return Ok(Vec::new()) };
    let entries = text.expose_secret().split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty());
    let pairs = entries.map(|entry| {
        let (name, secret) = entry
            .split_once('=')
            .filter(|(name, secret)| !name.trim().is_empty() && !secret.trim().is_empty())
            .ok_or_else(|| SettingsError::new(key, format!("expected {expected}, separated by commas or lines")))?;
        Ok((name.trim().to_owned(), SecretString::from(secret.trim())))
    });
    pairs.collect()
}

/// Twilio has no host for a region without an edge: half a region would silently be handled in the United States.
fn api_url(values: &Values) -> Result<Url> {
    let is_label = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let label = |key: &str| match values.text(key) {
        Some(text) if !is_label(text) => Err(SettingsError::new(key, format!("{text:?} is not a name like ie1"))),
        text => Ok(text),
    };
    match (label("twilio_edge")?, label("twilio_region")?) {
        (None, None) => {
            let url = web_url(values, "twilio_api_url", "a URL like https://api.twilio.com")?;
            url.ok_or_else(|| SettingsError::required("twilio_api_url"))
        }
        (Some(edge), Some(region)) => Url::parse(&format!("https://api.{edge}.{region}.twilio.com"))
            .map_err(|error| SettingsError::new("twilio_edge", error.to_string())),
        (Some(_), None) => Err(SettingsError::required("twilio_region")),
        (None, Some(_)) => Err(SettingsError::required("twilio_edge")),
    }
}

fn transcription(values: &Values) -> Result<Transcription> {
    let url = |key: &str| -> Result<Url> {
        web_url(values, key, "an http or https URL")?.ok_or_else(|| SettingsError::required(key))
    };
    let (deepgram_url, openai_url) = (url("deepgram_api_url")?, url("openai_base_url")?);
    let provider = match values.text("transcription_provider").unwrap_or("none") {
        "none" => Provider::None,
        "deepgram" => Provider::Deepgram {
            api_key: values.secret("deepgram_api_key").ok_or_else(|| SettingsError::required("deepgram_api_key"))?,
            api_url: deepgram_url,
        },
        "openai" => Provider::OpenAi { api_key: values.secret("openai_api_key"), base_url: openai_url },
        "command" => Provider::Command { command: text(values, "transcription_command")? },
        other => {
            let problem = format!("{other:?} is not one of none, deepgram, openai, command");
            return Err(SettingsError::new("transcription_provider", problem));
        }
    };
    Ok(Transcription {
        provider,
        model: values.text("transcription_model").map(str::to_owned),
        language: values.text("transcription_language").map(str::to_owned),
        timeout: seconds(values, "transcription_timeout_secs", 1, 1200)?,
    })
}

fn delivery(values: &Values) -> Result<Option<Delivery>> {
    let allow_private = values.parsed("delivery_webhook_allow_private", "true or false")?.unwrap_or(false);
    let Some(url) = web_url(values, "delivery_webhook_url", "an http or https URL")? else { return Ok(None) };
    let key = "delivery_webhook_secret";
    let secret = values.secret(key).ok_or_else(|| SettingsError::required(key))?;
    workers::WebhookSecret::parse(&secret).map_err(|problem| SettingsError::new(key, problem.to_string()))?;
    Ok(Some(Delivery { url, secret, allow_private }))
}
