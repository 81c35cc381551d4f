//! `callvault check`: tries every configured thing and says what is wrong and how to mend it.

mod spool;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use chrono::{DateTime, Utc};
use futures::future::{BoxFuture, FutureExt, join_all};
use futures::{StreamExt, TryStreamExt};
use queue::Clock;
use reqwest::header::DATE;
use serde::Serialize;
use twilio::{TwilioError, TwilioErrorKind};
use vault::{ObjectStore, Vault};

use crate::config::{Config, Twilio};
use crate::output::Output;
use crate::settings::masked;
use crate::wiring;

/// For each thing; all are tried at the same time.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Standard Webhooks receivers and S3 refuse signatures that are further off; Twilio's own dates are compared to ours.
const CLOCK_TOLERANCE_SECS: i64 = 60;

#[derive(Serialize)]
struct Finding {
    what: &'static str,
    ok: bool,
    detail: String,
}

pub(crate) async fn run(config: &Config, output: Output) -> anyhow::Result<ExitCode> {
    let config = Arc::new(config.clone());
    let mut findings = vec![
        find("twilio", &config, twilio),
        find("queue", &config, queue),
        find("catalog", &config, catalog),
        find("store", &config, store),
        find("keys", &config, keys),
        find("transcriber", &config, transcriber),
        find("clock", &config, clock),
        find("public_url", &config, public_url),
    ];
    if let Some(spool) = config.spool.clone() {
        findings.push(find("spool", &config, move |_| spool::check(spool)));
    }
    let findings = join_all(findings).await;
    output.list(&findings, &["", "what", "finding"], |finding| {
        let mark = if finding.ok { "ok" } else { "WRONG" };
        vec![mark.to_owned(), finding.what.to_owned(), finding.detail.clone()]
    })?;
    let is_ok = findings.iter().all(|finding| finding.ok);
    Ok(if is_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Begins to try one thing, on a thread of its own: whatever it hangs on, a file system even, holds up no other.
fn find<F>(
    what: &'static str,
    config: &Arc<Config>,
    try_it: impl FnOnce(Arc<Config>) -> F + Send + 'static,
) -> BoxFuture<'static, Finding>
where
    F: Future<Output = anyhow::Result<String>> + 'static,
{
    let (config, runtime) = (Arc::clone(config), tokio::runtime::Handle::current());
    let trying = tokio::task::spawn_blocking(move || {
        runtime.block_on(async { tokio::time::timeout(TIME_LIMIT, try_it(config)).await })
    });
    let found = async move {
        // A moment longer than the limit inside: only what blocks the thread comes to this one.
        let tried = tokio::time::timeout(TIME_LIMIT + Duration::from_secs(1), trying).await;
        let tried = match tried {
            Ok(Ok(Ok(tried))) => tried,
            Ok(Err(_panic)) => Err(anyhow!("the check itself failed: see the log")),
            _ => Err(anyhow!("no answer within {} s: is it up, and reachable from here?", TIME_LIMIT.as_secs())),
        };
        match tried {
            Ok(detail) => Finding { what, ok: true, detail },
            Err(error) => Finding { what, ok: false, detail: format!("{error:#}") },
        }
    };
    found.boxed()
}

async fn twilio(config: Arc<Config>) -> anyhow::Result<String> {
    let account = config.twilio()?;
    let accounts = wiring::accounts(account);
    let client = wiring::twilio(account)?;
    for sid in &accounts {
        let readable = client.check_account(sid).await;
        readable
            .map_err(|error| advised(error, account.api_key.is_some()))
            .with_context(|| format!("account {sid}"))?;
    }
    if account.api_key.is_some() {
        // Requests are made with the API key: a wrong token would show only when every callback is refused.
        let by_token = wiring::twilio(&Twilio { api_key: None, ..account.clone() })?;
        let readable = by_token.check_account(&account.account_sid).await;
        readable.map_err(|error| advised(error, false)).context("the API key is right; the token for signatures")?;
    }
    Ok(format!("{} account(s) readable at {}", accounts.len(), account.api_url))
}

fn advised(error: TwilioError, is_by_key: bool) -> anyhow::Error {
    let advice = match error.kind {
        TwilioErrorKind::Unauthorized if is_by_key => {
            "check TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET, and that they are of this account and region"
        }
        TwilioErrorKind::Unauthorized => "check TWILIO_AUTH_TOKEN, and that it is of this account and region",
        TwilioErrorKind::NotFound => "check TWILIO_ACCOUNT_SID and TWILIO_API_URL",
        _ if error.status.is_none() => "cannot be reached: check TWILIO_API_URL and the network",
        _ => "Twilio was reached and did not serve: try again later",
    };
    anyhow::Error::new(error).context(advice)
}

async fn queue(config: Arc<Config>) -> anyhow::Result<String> {
    let queue = wiring::queue(&config).await?;
    queue.check().await.context("QUEUE_URL")?;
    queue.check_rights().await.context("QUEUE_URL: a worker of all stages could not use it")?;
    Ok(format!("{} takes and gives messages", masked(&config.queue_url)))
}

async fn catalog(config: Arc<Config>) -> anyhow::Result<String> {
    wiring::catalog(&config).await?.check().await.context("DATABASE_URL")?;
    Ok(format!("{} can be written, its schema is up to date", masked(&config.database_url)))
}

async fn store(config: Arc<Config>) -> anyhow::Result<String> {
    let tried = async {
        let store = prepared_store(&config).await?;
        store.check().await?;
        // Where listing is not allowed, S3 says 403 of what is not there: no purge could ever see a thing gone.
        store.head(&"check/nothing".parse()?).await?;
        store.list("check/").next().await.transpose()?;
        anyhow::Ok(())
    };
    tried.await.context("RECORDINGS_BUCKET")?;
    Ok(format!("{} can be listed, written, read and deleted from", masked(&config.recordings_bucket)))
}

/// The store as a worker would begin with it.
async fn prepared_store(config: &Config) -> anyhow::Result<Arc<dyn ObjectStore>> {
    match wiring::catalog(config).await {
        Ok(catalog) => crate::store::ready(config, &catalog).await,
        // That the catalog is away is its own finding.
        Err(_) => wiring::store(config).await,
    }
}

async fn keys(config: Arc<Config>) -> anyhow::Result<String> {
    // That the store is away is its own finding.
    let store = match prepared_store(&config).await {
        Ok(store) => store,
        Err(_) => wiring::store(&config).await?,
    };
    let vault = wiring::vault_over(&config, store).await?;
    let needs_identity = config.transcribes() || config.delivery.is_some();
    ensure!(
        vault.can_open() || !needs_identity,
        "transcription and delivery need a key that opens recordings: set ENCRYPTION_IDENTITY_FILE"
    );
    if !vault.can_open() {
        return Ok("objects are sealed to ENCRYPTION_RECIPIENTS; nothing here can open them".to_owned());
    }
    vault.check_keys().context("ENCRYPTION_IDENTITY_FILE opens nothing that ENCRYPTION_RECIPIENTS seals")?;
    open_one(&vault).await?;
    Ok("what is sealed can be opened".to_owned())
}

/// The first recording at hand, if there is one: its key may have been replaced by another.
async fn open_one(vault: &Vault) -> anyhow::Result<()> {
    let Some(Ok(object)) = vault.store().list("recordings/").next().await else { return Ok(()) };
    let key = object.key;
    let opening = async { vault.open_range(&key, 0..1).await?.try_next().await.map_err(anyhow::Error::from) };
    opening.await.map(drop).with_context(|| format!("{key} is stored and cannot be opened"))
}

async fn transcriber(config: Arc<Config>) -> anyhow::Result<String> {
    let Some(transcriber) = wiring::transcriber(&config)? else {
        return Ok("none: recordings are archived and not transcribed".to_owned());
    };
    transcriber.check().await?;
    Ok(format!("{} is there", transcriber.provider()))
}

/// Our clock against the `Date` of Twilio's answer (RFC 9110, 6.6.1), whatever the answer is.
async fn clock(config: Arc<Config>) -> anyhow::Result<String> {
    let url = config.twilio()?.api_url.join("2010-04-01/Accounts.json")?;
    let sent = http()?.get(url).send().await.map_err(reqwest::Error::without_url);
    let response = sent.context("nothing to compare the clock with: Twilio cannot be reached")?;
    let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
    let Some(theirs) = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()) else {
        bail!("nothing to compare the clock with: Twilio's answer has no Date");
    };
    let off_secs = (Clock::System.now() - theirs.with_timezone(&Utc)).num_seconds();
    ensure!(
        off_secs.abs() <= CLOCK_TOLERANCE_SECS,
        "{off_secs} s off Twilio's: start a time service (chrony, systemd-timesyncd)"
    );
    Ok(format!("{off_secs} s off Twilio's"))
}

/// Asks our own health route the way Twilio would come.
async fn public_url(config: Arc<Config>) -> anyhow::Result<String> {
    let base = config.public_base_url()?.as_str();
    let (health, shown) = (format!("{base}/healthz"), masked(base));
    let sent = http()?.get(&health).send().await.map_err(reqwest::Error::without_url);
    let response = sent.with_context(|| {
        format!(
            "{shown}/healthz cannot be reached from here: start `callvault serve` or `ingest` and the proxy before it, \
             and see that the name resolves; if this machine cannot reach its own public address, ask from outside"
        )
    })?;
    let status = response.status();
    let answer = response.text().await.unwrap_or_default();
    ensure!(!status.is_redirection(), "{shown}/healthz redirects ({status}): set PUBLIC_BASE_URL to where it leads");
    ensure!(
        status.is_success() && answer.trim() == "ok",
        "{shown}/healthz answers {status}, and not as callvault does: does the proxy pass it to `serve` or `ingest`?"
    );
    Ok(format!("{shown} answers; Twilio's callback is {shown}/webhooks/recording#rc=5&rp=5xx,ct,rt"))
}

fn http() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(TIME_LIMIT).build()?)
}
