//! `callvault check`: tries every configured thing and says what is wrong and how to mend it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, Utc};
use queue::{Clock, Stage};
use serde::Serialize;

use crate::config::{Config, Provider};
use crate::output::Output;
use crate::wiring;

const TIMEOUT: Duration = Duration::from_secs(20);
/// Standard Webhooks receivers and S3 refuse signatures that are further off; Twilio's own dates are compared to ours.
const CLOCK_TOLERANCE_SECS: i64 = 60;

#[derive(Serialize)]
struct Finding {
    what: &'static str,
    ok: bool,
    detail: String,
}

pub(crate) async fn run(config: &Config, output: Output) -> anyhow::Result<ExitCode> {
    let findings = vec![
        find("twilio", twilio(config)).await,
        find("queue", queue(config)).await,
        find("catalog", catalog(config)).await,
        find("store", store(config)).await,
        find("keys", keys(config)).await,
        find("transcriber", transcriber(config)).await,
        find("clock", clock(config)).await,
        find("public_url", public_url(config)).await,
    ];
    output.list(&findings, &["", "what", "finding"], |finding| {
        let mark = if finding.ok { "ok" } else { "WRONG" };
        vec![mark.to_owned(), finding.what.to_owned(), finding.detail.clone()]
    })?;
    let is_ok = findings.iter().all(|finding| finding.ok);
    Ok(if is_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn find(what: &'static str, check: impl Future<Output = anyhow::Result<String>>) -> Finding {
    let checked = tokio::time::timeout(TIMEOUT, check).await;
    match checked
        .unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {} s: is it up and reachable?", TIMEOUT.as_secs())))
    {
        Ok(detail) => Finding { what, ok: true, detail },
        Err(error) => Finding { what, ok: false, detail: format!("{error:#}") },
    }
}

async fn twilio(config: &Config) -> anyhow::Result<String> {
    let account = config.twilio()?;
    let client = wiring::twilio(account)?;
    let accounts = wiring::accounts(account);
    for sid in &accounts {
        client.check_account(sid).await.with_context(|| format!("account {sid} at {}", account.api_url))?;
    }
    Ok(format!("{} account(s) readable at {}", accounts.len(), account.api_url))
}

async fn queue(config: &Config) -> anyhow::Result<String> {
    let queue = wiring::queue(config).await?;
    queue.check().await?;
    // A queue a stage, where the engine has such: each must be there.
    for stage in Stage::ALL {
        queue.depth(stage).await?;
    }
    Ok(format!("{} takes messages", without_password(&config.queue_url)))
}

async fn catalog(config: &Config) -> anyhow::Result<String> {
    wiring::catalog(config).await?.check().await?;
    Ok(format!("{} is reachable, its schema up to date", without_password(&config.database_url)))
}

async fn store(config: &Config) -> anyhow::Result<String> {
    vault::open_store(&config.recordings_bucket)?.check().await?;
    Ok(format!("{} can be written, read and deleted from", config.recordings_bucket))
}

async fn keys(config: &Config) -> anyhow::Result<String> {
    let vault = wiring::vault(config).await?;
    let needs_identity = !matches!(config.transcription.provider, Provider::None) || config.delivery.is_some();
    ensure!(
        vault.can_open() || !needs_identity,
        "transcription needs a key that opens recordings: set ENCRYPTION_IDENTITY_FILE"
    );
    if !vault.can_open() {
        return Ok("objects are sealed to ENCRYPTION_RECIPIENTS; nothing here can open them".to_owned());
    }
    vault.check_keys().context("ENCRYPTION_IDENTITY_FILE opens nothing that ENCRYPTION_RECIPIENTS seal")?;
    Ok("what is sealed can be opened".to_owned())
}

async fn transcriber(config: &Config) -> anyhow::Result<String> {
    let Some(transcriber) = wiring::transcriber(config)? else {
        return Ok("none: recordings are archived and not transcribed".to_owned());
    };
    transcriber.check().await?;
    Ok(format!("{} answers", transcriber.provider()))
}

/// Our clock against the `Date` of Twilio's answer (RFC 9110, 6.6.1).
async fn clock(config: &Config) -> anyhow::Result<String> {
    let response = http()?.get(config.twilio()?.api_url.clone()).send().await.map_err(reqwest::Error::without_url)?;
    let date = response.headers().get("date").and_then(|date| date.to_str().ok());
    let Some(theirs) = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()) else {
        bail!("Twilio's answer has no Date to compare the clock with");
    };
    let off_secs = (Clock::System.now() - theirs.with_timezone(&Utc)).num_seconds();
    ensure!(
        off_secs.abs() <= CLOCK_TOLERANCE_SECS,
        "{off_secs} s off Twilio's clock: start a time service (chrony, systemd-timesyncd)"
    );
    Ok(format!("{off_secs} s off Twilio's"))
}

async fn public_url(config: &Config) -> anyhow::Result<String> {
    let base = config.public_base_url()?;
    let health = format!("{}/healthz", base.as_str().trim_end_matches('/'));
    let sent = http()?.get(&health).send().await.map_err(reqwest::Error::without_url);
    let response = sent.with_context(|| format!("{health} does not answer from here: is ingest up behind it?"))?;
    ensure!(
        response.status().is_success(),
        "{health} answers {}: does the proxy pass it to ingest?",
        response.status()
    );
    let scheme =
        if base.scheme() == "https" { "" } else { " (http: Twilio would send recordings' facts in the clear)" };
    Ok(format!(
        "{health} answers{scheme}; set Twilio's callback to {}/webhooks/recording#rc=5&rp=5xx,ct,rt",
        base.as_str().trim_end_matches('/')
    ))
}

fn http() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(TIMEOUT).build()?)
}

/// An engine's URL as it may be shown.
fn without_password(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut parsed) if parsed.password().is_some() => {
            let masked = parsed.set_password(Some("****"));
            if masked.is_ok() { parsed.to_string() } else { format!("{}:…", parsed.scheme()) }
        }
        _ => url.to_owned(),
    }
}
