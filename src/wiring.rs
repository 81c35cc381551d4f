//! Opens what the configuration names: the one place that knows which engine stands behind which URL.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use catalog::{Catalog, CatalogError, CatalogOptions};
use chrono::TimeDelta;
use futures::StreamExt;
use ingest::{Outlet, Spool};
use queue::{Clock, Queue, QueueError, Stage};
use transcriber::{
    Command, CommandConfig, Deepgram, DeepgramConfig, OpenAi, OpenAiConfig, TranscribeOptions, Transcriber,
    TranscriberError,
};
use twilio::AccountSid;
use vault::{Identities, KeyError, ObjectStore, Recipients, S3Options, StoreErrorKind, Vault};
use workers::{
    Archive, Breaker, Deliver, DeliveryTarget, MemoryBudget, Purge, Reconciler, SharedSteps, Stages, SweepMode,
    Transcribe, WebhookSecret,
};

use crate::config::{Config, Provider, SpoolConfig, Twilio};
use crate::settings::SettingsError;
use crate::store;

/// How long an account's limits may hold up a worker that has others' jobs to do: the job goes back, uncharged.
const TWILIO_PATIENCE: Duration = Duration::from_secs(2);

pub(crate) async fn queue(config: &Config) -> anyhow::Result<Arc<dyn Queue>> {
    let options = queue::Options { lease: config.queue_lease, clock: Clock::System };
    match queue::open(&config.queue_url, options).await {
        Err(QueueError::Unsupported(problem)) => Err(SettingsError::new("queue_url", problem).into()),
        opened => opened.context("QUEUE_URL"),
    }
}

/// Where ingest publishes: to `queue`, through a spool where one is set.
pub(crate) async fn outlet(config: &Config, queue: &Arc<dyn Queue>) -> anyhow::Result<Outlet> {
    let Some(SpoolConfig { folder, max_callbacks }) = &config.spool else { return Ok(Arc::clone(queue).into()) };
    let spool = Spool::open(folder, *max_callbacks, Arc::clone(queue), Clock::System).await;
    Ok(Outlet::Spooled(Arc::new(spool.context("INGEST_SPOOL_DIR")?)))
}

/// The catalog; an embedded one brings its schema up to date by itself, one on a server must have been.
pub(crate) async fn catalog(config: &Config) -> anyhow::Result<Catalog> {
    let catalog = unmigrated_catalog(config).await?;
    if config.database_url.starts_with("sqlite:") {
        catalog.migrate().await.context("DATABASE_URL")?;
    } else {
        catalog.check_schema().await.context("DATABASE_URL")?;
    }
    Ok(catalog)
}

/// The catalog as it is.
pub(crate) async fn unmigrated_catalog(config: &Config) -> anyhow::Result<Catalog> {
    let options = CatalogOptions { max_connections: config.database_max_connections };
    match Catalog::connect_with(&config.database_url, options).await {
        Err(CatalogError::Url(problem)) => Err(SettingsError::new("database_url", problem).into()),
        opened => opened.context("DATABASE_URL"),
    }
}

/// The object store under the vault.
pub(crate) async fn store(config: &Config) -> anyhow::Result<Arc<dyn ObjectStore>> {
    let options = S3Options {
        encryption: config.s3_encryption.clone(),
        buffer_bytes: store_memory_mb(config) << 20,
        ..S3Options::default()
    };
    vault::open_store(&config.recordings_bucket, options).await.map_err(|error| match error.kind {
        StoreErrorKind::Unsupported => SettingsError::new("recordings_bucket", error.to_string()).into(),
        _ => anyhow::Error::new(error).context("RECORDINGS_BUCKET"),
    })
}

/// What of WORKER_MEMORY_MB parts on their way to S3 take: enough for one of each recording in hand at the defaults, should
/// all of them go in parts. What streams holds little, which is counted with the media.
fn store_memory_mb(config: &Config) -> usize {
    if config.recordings_bucket.starts_with("s3:") { config.worker_memory_mb / 3 } else { 0 }
}

/// The vault as it is, to read from.
pub(crate) async fn vault(config: &Config) -> anyhow::Result<Vault> {
    vault_over(config, store(config).await?).await
}

/// The vault over `store`. One in a folder makes its key on first use.
pub(crate) async fn vault_over(config: &Config, store: Arc<dyn ObjectStore>) -> anyhow::Result<Vault> {
    let identities = match &config.encryption_identity_file {
        Some(path) => Some(identities(path)?),
        None => None,
    };
    let (recipients, identities) = match (&config.encryption_recipients, identities) {
        (Some(recipients), identities) => (recipients.clone(), identities),
        (None, Some(identities)) => (identities.recipients(), Some(identities)),
        (None, None) => own_key(config, store.as_ref()).await?,
    };
    Ok(Vault::new(store, recipients, identities))
}

fn identities(path: &Path) -> anyhow::Result<Identities> {
    let problem = |error| SettingsError::new("encryption_identity_file", format!("{}: {error}", path.display()));
    Ok(Identities::from_file(path).map_err(problem)?)
}

/// The key beside a vault in a folder, made on first use. Never made where sealed objects lie already: a second key
/// would hide that the first is lost.
async fn own_key(config: &Config, store: &dyn ObjectStore) -> anyhow::Result<(Recipients, Option<Identities>)> {
    let Some(path) = own_key_path(config) else { return Err(SettingsError::required("encryption_recipients").into()) };
    if !path.exists() {
        if let Some(object) = store.list("recordings/").next().await {
            object.context("RECORDINGS_BUCKET")?;
            anyhow::bail!(
                "{} is missing and the vault holds sealed recordings: put the key back, or name it in \
                 ENCRYPTION_IDENTITY_FILE (to go on without being able to open them, set ENCRYPTION_RECIPIENTS)",
                path.display()
            );
        }
        match vault::generate_identity_file(&path) {
            Ok(_) => tracing::warn!(
                "made the vault's key: {}. Back it up now: without it nothing that is sealed can ever be opened",
                path.display()
            ),
            // Another process that began at the same moment was first.
            Err(KeyError::Exists) => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot make the key {}", path.display()));
            }
        }
    }
    let identities = identities(&path)?;
    Ok((identities.recipients(), Some(identities)))
}

/// `identity.txt` beside the vault's folder.
pub(crate) fn own_key_path(config: &Config) -> Option<PathBuf> {
    let folder = Path::new(config.recordings_bucket.strip_prefix("file:")?.trim_start_matches("//"));
    Some(folder.parent().unwrap_or(Path::new("")).join("identity.txt"))
}

pub(crate) fn twilio(twilio: &Twilio) -> anyhow::Result<twilio::Client> {
    let main = match (&twilio.api_key, &twilio.auth_token) {
        (Some((sid, secret)), _) => twilio::Credentials { user: sid.clone(), secret: secret.clone() },
        (None, Some(token)) => twilio::Credentials { user: twilio.account_sid.to_string(), secret: token.clone() },
        (None, None) => return Err(SettingsError::required("twilio_auth_token").into()),
    };
    let client = twilio::Client::new(twilio::ClientConfig {
        api_url: twilio.api_url.clone(),
        credentials: main,
        account_credentials: subaccount_credentials(twilio),
        max_concurrency: twilio.max_concurrency,
        requests_per_second: twilio.requests_per_second,
        request_timeout: twilio.timeout,
    });
    let client = client.context("cannot make the Twilio client")?;
    Ok(client.on_request(Arc::new(|endpoint, status| {
        let status = status.to_string();
        metrics::counter!("callvault_twilio_requests_total", "endpoint" => endpoint, "status" => status).increment(1);
    })))
}

/// Each subaccount's own token, with an API key and without: Twilio refuses a main account's key for its subaccounts.
fn subaccount_credentials(twilio: &Twilio) -> HashMap<AccountSid, twilio::Credentials> {
    let mut credentials = HashMap::new();
    for (sid, token) in twilio.subaccounts.iter().filter(|(sid, _)| *sid != twilio.account_sid) {
        // The first token named for an account is its primary one.
        let own = || twilio::Credentials { user: sid.to_string(), secret: token.clone() };
        credentials.entry(sid.clone()).or_insert_with(own);
    }
    credentials
}

/// Fails where the account's token is not set: a REST API key checks no signature.
pub(crate) fn signing_keys(twilio: &Twilio) -> Result<twilio::SigningKeys, SettingsError> {
    let mut keys = twilio::SigningKeys::new();
    let token = twilio.auth_token.clone().ok_or_else(|| SettingsError::required("twilio_auth_token"))?;
    keys.add_auth_token(twilio.account_sid.clone(), token);
    if let Some(secondary) = &twilio.auth_token_secondary {
        keys.add_auth_token(twilio.account_sid.clone(), secondary.clone());
    }
    for (sid, token) in &twilio.subaccounts {
        keys.add_auth_token(sid.clone(), token.clone());
    }
    for (id, secret) in &twilio.shared_keys {
        keys.add_shared_key(id.clone(), secret.clone());
    }
    Ok(keys)
}

/// Every account recordings are taken from, each once.
pub(crate) fn accounts(twilio: &Twilio) -> Vec<AccountSid> {
    let mut accounts = vec![twilio.account_sid.clone()];
    for (sid, _) in &twilio.subaccounts {
        if !accounts.contains(sid) {
            accounts.push(sid.clone());
        }
    }
    accounts
}

pub(crate) fn transcriber(config: &Config) -> anyhow::Result<Option<Arc<dyn Transcriber>>> {
    let timeout = config.transcription.timeout;
    Ok(match config.transcription.provider.clone() {
        Provider::None => None,
        Provider::Deepgram { api_key, api_url } => {
            let api_key = api_key.ok_or_else(|| SettingsError::required("deepgram_api_key"))?;
            let made = Deepgram::new(DeepgramConfig { api_url, api_key, timeout });
            Some(Arc::new(made.map_err(misconfigured("deepgram_api_key"))?))
        }
        // Other servers may do without a key.
        Provider::OpenAi { api_key: None, base_url } if base_url.host_str() == Some("api.openai.com") => {
            return Err(SettingsError::required("openai_api_key").into());
        }
        Provider::OpenAi { api_key, base_url } => {
            let made = OpenAi::new(OpenAiConfig { base_url, api_key, timeout });
            Some(Arc::new(made.map_err(misconfigured("openai_api_key"))?))
        }
        Provider::Command { command } => {
            let made = Command::new(CommandConfig { command, timeout });
            Some(Arc::new(made.map_err(misconfigured("transcription_command"))?))
        }
    })
}

/// Before anything is sent or run, only a setting can be wrong.
fn misconfigured(key: &'static str) -> impl Fn(TranscriberError) -> SettingsError {
    move |error| SettingsError::said(key, &error)
}

fn delivery_target(config: &Config) -> anyhow::Result<Option<DeliveryTarget>> {
    let Some(delivery) = &config.delivery else { return Ok(None) };
    let secret = WebhookSecret::parse(&delivery.secret)?;
    let target = DeliveryTarget::new(delivery.url.clone(), secret, delivery.allow_private);
    Ok(Some(target.map_err(|error| SettingsError::new("delivery_webhook_url", error.to_string()))?))
}

/// Everything the stages of a worker need, from one configuration. One that is not `wanted` asks for no settings.
pub(crate) async fn stages(
    config: &Config,
    queue: &Arc<dyn Queue>,
    catalog: &Catalog,
    wanted: &[Stage],
) -> anyhow::Result<Stages> {
    let vault = vault_over(config, store::ready(config, catalog).await?).await?;
    let clock = Clock::System;
    let twilio = twilio(config.twilio()?)?.with_patience(TWILIO_PATIENCE);
    let transcriber = if wanted.contains(&Stage::Transcribe) { transcriber(config)? } else { None };
    let target = if wanted.contains(&Stage::Deliver) { delivery_target(config)? } else { None };
    let budget = MemoryBudget::new(config.worker_memory_mb - store_memory_mb(config));
    Ok(Stages {
        archive: Archive {
            queue: Arc::clone(queue),
            catalog: catalog.clone(),
            vault: vault.clone(),
            twilio: twilio.clone(),
            clock: clock.clone(),
            format: config.recordings_format,
            budget: budget.clone(),
            transcribes: config.transcribes(),
            purges_at_once: config.policy.twilio_delete_after_days == Some(0),
            is_backfill: false,
        },
        purge: Purge {
            queue: Arc::clone(queue),
            catalog: catalog.clone(),
            vault: vault.clone(),
            twilio,
            clock: clock.clone(),
            shared: SharedSteps::new(catalog, &vault, &clock, config.policy, config.queue_lease),
            lease: config.queue_lease,
        },
        deliver: target.as_ref().map(|target| Deliver {
            catalog: catalog.clone(),
            vault: vault.clone(),
            target: target.clone(),
            clock: clock.clone(),
            policy: config.policy,
            lease: config.queue_lease,
        }),
        transcribe: transcriber.map(|transcriber| Transcribe {
            queue: Arc::clone(queue),
            catalog: catalog.clone(),
            vault,
            transcriber,
            options: TranscribeOptions {
                model: config.transcription.model.clone(),
                language: config.transcription.language.clone(),
            },
            clock,
            budget,
            delivers: config.delivery.is_some(),
            breaker: Breaker::default(),
            is_backfill: false,
        }),
    })
}

pub(crate) fn reconciler(
    config: &Config,
    queue: &Arc<dyn Queue>,
    catalog: &Catalog,
    mode: SweepMode,
) -> anyhow::Result<Reconciler> {
    let account = config.twilio()?;
    Ok(Reconciler {
        queue: Arc::clone(queue),
        catalog: catalog.clone(),
        twilio: twilio(account)?,
        accounts: accounts(account),
        policy: config.policy,
        lookback: TimeDelta::days(i64::from(config.schedules.reconcile_lookback_days)),
        expects: expects(config),
        stuck_after: config.schedules.reconcile_stuck_after,
        mode,
    })
}

/// Which steps a recording is expected to take.
pub(crate) fn expects(config: &Config) -> catalog::Expects {
    catalog::Expects { transcribe: config.transcribes(), deliver: config.delivery.is_some() }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const MAIN: &str = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const SUBACCOUNT: &str = "ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    /// Twilio: "Main account API Keys are only available to access main account resources".
    #[test]
    fn api_key_is_for_the_main_account_and_a_subaccount_has_its_own_token() {
        let tokens = format!("{SUBACCOUNT}=first,{SUBACCOUNT}=second,{MAIN}=rotated");
        let account = [("TWILIO_ACCOUNT_SID", MAIN), ("TWILIO_AUTH_TOKEN", "token"), ("TWILIO_SUBACCOUNTS", &tokens)];
        let key = [("TWILIO_API_KEY_SID", "SKaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), ("TWILIO_API_KEY_SECRET", "secret")];
        for key in [&key[..], &[]] {
            let variables = account.iter().chain(key).copied().collect();
            let config = Config::load(None, &variables).unwrap_or_else(|error| panic!("{error}"));
            let credentials = subaccount_credentials(config.twilio().unwrap());
            assert_eq!(credentials.len(), 1);
            let own = &credentials[&SUBACCOUNT.parse().unwrap()];
            assert_eq!((own.user.as_str(), own.secret.expose_secret()), (SUBACCOUNT, "first"));
        }
    }
}
