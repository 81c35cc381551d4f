//! What each setting means: the values of [`crate::settings`], typed and checked together.
//!
//! Every value is checked at start, whatever the subcommand; what a role cannot do without is asked for by name
//! ([`Config::twilio`], [`Config::public_base_url`]) and is only then an error.

mod account;
mod addresses;
mod delivery;
mod spool;
mod transcription;
mod warnings;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use catalog::Policy;
use ingest::PublicUrl;
use twilio::MediaFormat;

use crate::settings::{Environment, SettingsError, Values};

pub(crate) use account::Twilio;
pub(crate) use delivery::Delivery;
pub(crate) use spool::SpoolConfig;
pub(crate) use transcription::{Provider, Transcription};

/// A server has a few hundred at most, for everybody.
const MOST_CONNECTIONS: NonZeroU32 = NonZeroU32::new(1000).expect("is not zero");

type Result<T> = std::result::Result<T, SettingsError>;

const DAYS_MOST: u32 = 36_500;

/// All of callvault's configuration.
#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) values: Values,
    twilio: Option<Twilio>,
    public_base_url: Option<PublicUrl>,
    pub(crate) listen_addr: SocketAddr,
    /// Where a worker shows its health and metrics.
    pub(crate) metrics_addr: SocketAddr,
    pub(crate) queue_url: String,
    pub(crate) queue_lease: Duration,
    pub(crate) spool: Option<SpoolConfig>,
    pub(crate) database_url: String,
    pub(crate) database_max_connections: NonZeroU32,
    pub(crate) recordings_bucket: String,
    pub(crate) s3_encryption: vault::S3Encryption,
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

#[derive(Clone)]
pub(crate) struct Schedules {
    pub(crate) retention_every: Duration,
    pub(crate) reconcile_every: Duration,
    pub(crate) reconcile_lookback_days: u32,
    pub(crate) reconcile_stuck_after: Duration,
}

impl Config {
    /// Reads `file` (or what `CALLVAULT_CONFIG` names) and the environment, and checks all of it.
    pub(crate) fn load(file: Option<&Path>, environment: &Environment) -> Result<Config> {
        Config::from_values(Values::load(file, environment)?)
    }

    fn from_values(values: Values) -> Result<Config> {
        let retention_days = values.number("retention_days", 0, DAYS_MOST)?;
        let config = Config {
            twilio: account::read(&values)?,
            public_base_url: addresses::public_base_url(&values)?,
            listen_addr: addresses::listen_addr(&values)?,
            metrics_addr: addresses::metrics_addr(&values)?,
            queue_url: text(&values, "queue_url")?,
            queue_lease: seconds(&values, "queue_lease_secs", 1, 43_200)?,
            spool: spool::read(&values)?,
            database_url: text(&values, "database_url")?,
            database_max_connections: values.number("database_max_connections", NonZeroU32::MIN, MOST_CONNECTIONS)?,
            recordings_bucket: text(&values, "recordings_bucket")?,
            s3_encryption: s3_encryption(&values)?,
            encryption_recipients: recipients(&values)?,
            encryption_identity_file: identity_file(&values)?,
            recordings_format: values.parsed("recordings_format", "wav or mp3")?.unwrap_or_default(),
            worker_concurrency: values.number("worker_concurrency", 1, 1024)?,
            worker_memory_mb: values.number("worker_memory_mb", 16, 1 << 20)?,
            worker_drain: seconds(&values, "worker_drain_secs", 0, 3600)?,
            transcription: transcription::read(&values)?,
            delivery: delivery::read(&values)?,
            policy: Policy {
                retention_days,
                transcript_days: values
                    .optional_number("retention_transcript_days", 0, DAYS_MOST)?
                    .unwrap_or(retention_days),
                twilio_delete_after_days: values.optional_number("twilio_delete_after_days", 0, DAYS_MOST)?,
            },
            schedules: Schedules {
                retention_every: seconds(&values, "retention_every_secs", 1, 86_400)?,
                reconcile_every: seconds(&values, "reconcile_every_secs", 1, 86_400)?,
                reconcile_lookback_days: values.number("reconcile_lookback_days", 1, DAYS_MOST)?,
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
    pub(crate) fn public_base_url(&self) -> Result<&PublicUrl> {
        self.public_base_url.as_ref().ok_or_else(|| SettingsError::required("public_base_url"))
    }

    /// Whether somebody of the fleet transcribes.
    pub(crate) fn transcribes(&self) -> bool {
        !matches!(self.transcription.provider, Provider::None)
    }

    /// Whether objects can be opened here: with the key that is set, or with the one beside a vault in a folder.
    pub(crate) fn has_identity(&self) -> bool {
        let keeps_own = self.encryption_recipients.is_none() && self.recordings_bucket.starts_with("file:");
        self.encryption_identity_file.is_some() || keeps_own
    }
}

fn text(values: &Values, key: &str) -> Result<String> {
    values.text(key).map(str::to_owned).ok_or_else(|| SettingsError::required(key))
}

fn seconds(values: &Values, key: &str, least: u64, most: u64) -> Result<Duration> {
    Ok(Duration::from_secs(values.number(key, least, most)?))
}

fn s3_encryption(values: &Values) -> Result<vault::S3Encryption> {
    let (sse, key) = (values.text("s3_sse").unwrap_or("none"), "s3_sse_kms_key_id");
    let key_id = values.text(key).map(str::to_owned);
    match (sse, key_id) {
        ("aws:kms", key_id) => Ok(vault::S3Encryption::Kms { key_id }),
        ("none" | "AES256", Some(_)) => Err(SettingsError::new(key, format!("is for S3_SSE=aws:kms, not for {sse}"))),
        ("none", None) => Ok(vault::S3Encryption::BucketDefault),
        ("AES256", None) => Ok(vault::S3Encryption::Aes256),
        (other, _) => Err(SettingsError::new("s3_sse", format!("{other:?} is not one of none, AES256, aws:kms"))),
    }
}

fn recipients(values: &Values) -> Result<Option<vault::Recipients>> {
    let Some(text) = values.text("encryption_recipients") else { return Ok(None) };
    let parsed = text.parse().map_err(|error| SettingsError::new("encryption_recipients", format!("{error}")));
    parsed.map(Some)
}

/// A path. What is wrong with it is not shown: it may be the key itself.
fn identity_file(values: &Values) -> Result<Option<PathBuf>> {
    let key = "encryption_identity_file";
    match values.path(key) {
        Some(path) if path.to_string_lossy().to_uppercase().contains("AGE-SECRET-KEY-") => {
            Err(SettingsError::new(key, "holds a key: expected the path of the file that holds it"))
        }
        path => Ok(path),
    }
}

#[cfg(test)]
mod tests;
