//! Where transcripts are posted.

use secrecy::SecretString;
use url::Url;

use super::Result;
use super::addresses::web_url;
use crate::settings::{SettingsError, Values};

/// Where finished transcripts are posted.
#[derive(Clone)]
pub(crate) struct Delivery {
    pub(crate) url: Url,
    pub(crate) secret: SecretString,
    pub(crate) allow_private: bool,
}

pub(super) fn read(values: &Values) -> Result<Option<Delivery>> {
    let allow_private = values.parsed("delivery_webhook_allow_private", "true or false")?.unwrap_or(false);
    let key = "delivery_webhook_secret";
    let secret = values.secret(key);
    if let Some(secret) = &secret {
        workers::WebhookSecret::parse(secret).map_err(|problem| SettingsError::new(key, problem.to_string()))?;
    }
    let Some(url) = web_url(values, "delivery_webhook_url", "an http or https URL")? else { return Ok(None) };
    let secret = secret.ok_or_else(|| SettingsError::required(key))?;
    Ok(Some(Delivery { url, secret, allow_private }))
}
