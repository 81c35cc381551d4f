//! Signing as the Standard Webhooks specification says (standardwebhooks.com, "Signature scheme", symmetric v1).

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};

/// A webhook's signing secret, decoded. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct WebhookSecret(hmac::Key);

/// The text is no `whsec_` secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected whsec_ and 24 to 64 bytes in base64")]
pub struct WebhookSecretError;

impl WebhookSecret {
    /// Reads `whsec_` and base64 of 24 to 64 bytes, the specification's bounds.
    pub fn parse(secret: &SecretString) -> Result<WebhookSecret, WebhookSecretError> {
        let encoded = secret.expose_secret().trim().strip_prefix("whsec_").ok_or(WebhookSecretError)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| WebhookSecretError)?;
        if !(24..=64).contains(&bytes.len()) {
            return Err(WebhookSecretError);
        }
        Ok(WebhookSecret(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The value of `webhook-signature` for a message of this id, time and body.
    pub(crate) fn sign(&self, id: &str, at: DateTime<Utc>, body: &[u8]) -> String {
        let mut hmac = hmac::Context::with_key(&self.0);
        hmac.update(format!("{id}.{}.", at.timestamp()).as_bytes());
        hmac.update(body);
        format!("v1,{}", STANDARD.encode(hmac.sign()))
    }
}

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_is_what_the_official_library_computes() {
        // standardwebhooks 1.0.0 (PyPI): Webhook(secret).sign(id, datetime.fromtimestamp(1614265330), body)
        let secret = WebhookSecret::parse(&"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into()).unwrap();
        let at = DateTime::from_timestamp(1_614_265_330, 0).unwrap();
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secrets_of_another_form_or_length_are_refused() {
        for secret in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!!", "whsec_c2hvcnQ="] {
            assert!(WebhookSecret::parse(&secret.into()).is_err(), "{secret}");
        }
    }
}
