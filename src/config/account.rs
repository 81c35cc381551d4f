//! The Twilio account.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use twilio::AccountSid;
use url::Url;

use super::addresses::web_url;
use super::{Result, seconds};
use crate::settings::{Origin, SettingsError, Values};

/// A Twilio account, its keys and where its API is.
#[derive(Clone)]
pub(crate) struct Twilio {
    pub(crate) account_sid: AccountSid,
    /// `None` only where there is an API key: it calls the REST API, and checks no signature.
    pub(crate) auth_token: Option<SecretString>,
    pub(crate) auth_token_secondary: Option<SecretString>,
    pub(crate) api_key: Option<(String, SecretString)>,
    /// Subaccounts with their own tokens, one or more each.
    pub(crate) subaccounts: Vec<(AccountSid, SecretString)>,
    pub(crate) shared_keys: Vec<(String, SecretString)>,
    pub(crate) api_url: Url,
    pub(crate) max_concurrency: usize,
    pub(crate) requests_per_second: u32,
    pub(crate) timeout: Duration,
}

/// `None` where the account is not set, or nothing that its REST API takes. What is wrong is not shown: SIDs and secrets
/// are easily swapped.
pub(super) fn read(values: &Values) -> Result<Option<Twilio>> {
    let account_sid = match values.text("twilio_account_sid").map(str::parse) {
        Some(Err(_)) => return Err(SettingsError::new("twilio_account_sid", "expected AC and 32 hex digits")),
        Some(Ok(sid)) => Some(sid),
        None => None,
    };
    let api_key = api_key(values)?;
    let subaccounts = account_tokens(values)?;
    let shared_keys = pairs(values, "twilio_shared_keys", "webhooks_sharedkey_…=secret")?;
    let max_concurrency = values.number("twilio_max_concurrency", 1, 10_000)?;
    let requests_per_second = values.number("twilio_requests_per_second", 1, 100_000)?;
    let timeout = seconds(values, "twilio_timeout_secs", 1, 600)?;
    let api_url = api_url(values)?;
    let auth_token = values.secret("twilio_auth_token");
    let Some(account_sid) = account_sid.filter(|_| auth_token.is_some() || api_key.is_some()) else { return Ok(None) };
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
        timeout,
    }))
}

fn api_key(values: &Values) -> Result<Option<(String, SecretString)>> {
    let is_sid = |sid: &str| {
        let digits = sid.strip_prefix("SK").filter(|digits| digits.len() == 32);
        digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    match (values.text("twilio_api_key_sid"), values.secret("twilio_api_key_secret")) {
        (Some(sid), _) if !is_sid(sid) => {
            Err(SettingsError::new("twilio_api_key_sid", "expected SK and 32 hex digits"))
        }
        (Some(sid), Some(secret)) => Ok(Some((sid.to_owned(), secret))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(SettingsError::required("twilio_api_key_secret")),
        (None, Some(_)) => Err(SettingsError::required("twilio_api_key_sid")),
    }
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
    let (Some(edge), Some(region)) = (label(values, "twilio_edge")?, label(values, "twilio_region")?) else {
        return match (values.text("twilio_edge"), values.text("twilio_region")) {
            (Some(_), None) => Err(SettingsError::required("twilio_region")),
            (None, Some(_)) => Err(SettingsError::required("twilio_edge")),
            _ => global_api_url(values),
        };
    };
    if values.origin("twilio_api_url") != Some(Origin::Default) {
        let problem = "is set, and so are TWILIO_EDGE and TWILIO_REGION, which make another host: keep one of them";
        return Err(SettingsError::new("twilio_api_url", problem));
    }
    let url = Url::parse(&format!("https://api.{edge}.{region}.twilio.com"));
    url.map_err(|error| SettingsError::new("twilio_edge", error.to_string()))
}

fn label<'a>(values: &'a Values, key: &str) -> Result<Option<&'a str>> {
    let is_label = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match values.text(key) {
        Some(text) if !is_label(text) => Err(SettingsError::new(key, format!("{text:?} is not a name like ie1"))),
        text => Ok(text),
    }
}

/// Requests go to paths of their own there, with credentials of their own.
fn global_api_url(values: &Values) -> Result<Url> {
    let (key, expected) = ("twilio_api_url", "a URL like https://api.twilio.com");
    let url = web_url(values, key, expected)?.ok_or_else(|| SettingsError::required(key))?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !is_bare || !url.username().is_empty() || url.password().is_some() {
        return Err(SettingsError::new(key, format!("has more than a host: expected {expected}")));
    }
    Ok(url)
}
