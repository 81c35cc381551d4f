//! Request signatures, as Twilio's official libraries compute and check them.
//!
//! Source: `https://www.twilio.com/docs/usage/security#validating-requests`; SharedKey signing (HMAC-SHA256) as in the
//! `request_validator` of twilio 9.13.0 on PyPI. Every comparison takes constant time.

mod spellings;

use std::collections::HashMap;
use std::fmt;

use aws_lc_rs::{constant_time, digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

use crate::sid::AccountSid;

/// How a request is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// With an auth token, the classic way.
    HmacSha1,
    /// With a shared key.
    HmacSha256,
}

impl Algorithm {
    fn key(self, secret: &SecretString) -> hmac::Key {
        let algorithm = match self {
            Algorithm::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::HmacSha256 => hmac::HMAC_SHA256,
        };
        hmac::Key::new(algorithm, secret.expose_secret().as_bytes())
    }
}

/// The secrets that requests may be signed with.
#[derive(Clone, Default)]
pub struct SigningKeys {
    auth_tokens: HashMap<AccountSid, Vec<hmac::Key>>,
    shared_keys: HashMap<String, SecretString>,
}

impl SigningKeys {
    /// No keys: every request is refused.
    pub fn new() -> Self {
        SigningKeys::default()
    }

    /// Accepts what `token` signs for this account. An account may have several, while one is rotated.
    pub fn add_auth_token(&mut self, account_sid: AccountSid, token: SecretString) {
        self.auth_tokens.entry(account_sid).or_default().push(Algorithm::HmacSha1.key(&token));
    }

    /// Accepts what the shared key of this id (`webhooks_sharedkey_…`) signs, for every account that has an auth token.
    pub fn add_shared_key(&mut self, id: String, secret: SecretString) {
        self.shared_keys.insert(id, secret);
    }

    fn tokens(&self, account_sid: Option<&AccountSid>) -> Result<&[hmac::Key], SignatureError> {
        let tokens = match account_sid {
            Some(account_sid) => self.auth_tokens.get(account_sid),
            None if self.auth_tokens.len() == 1 => self.auth_tokens.values().next(),
            None => None,
        };
        tokens.map(Vec::as_slice).ok_or(SignatureError::UnknownAccount)
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKeys({} accounts, {} shared keys)", self.auth_tokens.len(), self.shared_keys.len())
    }
}

/// What of a request its signature covers.
#[derive(Debug, Clone, Copy)]
pub struct SignedRequest<'a> {
    /// The public URL as Twilio requested it: configured base, raw path, raw query.
    pub url: &'a str,
    /// A POST's decoded form parameters; empty for GET and for bodies that are no form.
    pub params: &'a [(String, String)],
    /// The raw body, for `bodySHA256`.
    pub body: &'a [u8],
    /// Whose token to try; untrusted until the signature is found right. `None` tries the one account there is.
    pub account_sid: Option<&'a AccountSid>,
    /// `X-Twilio-Signature`.
    pub signature: Option<&'a str>,
    /// `X-Twilio-Webhooks-Signature-Settings`.
    pub settings: Option<&'a str>,
}

/// Why a request is not Twilio's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is no signature.
    #[error("X-Twilio-Signature is missing")]
    Missing,
    /// It is signed with another key, or over another URL or other parameters.
    #[error("X-Twilio-Signature does not match")]
    Mismatch,
    /// No token is configured for the account.
    #[error("no auth token is configured for this AccountSid")]
    UnknownAccount,
    /// No shared key of that id is configured.
    #[error("the shared key that X-Twilio-Webhooks-Signature-Settings names is not configured")]
    UnknownKey,
    /// Neither HMAC_SHA1 nor HMAC_SHA256.
    #[error("X-Twilio-Webhooks-Signature-Settings asks for an unsupported algorithm")]
    UnsupportedAlgorithm,
    /// The body is not the one that was signed.
    #[error("bodySHA256 does not match the body")]
    BodyHash,
}

/// Signs as Twilio does: over the URL and each parameter, sorted by name. Base64.
pub fn sign(url: &str, params: &[(String, String)], key: &SecretString, algorithm: Algorithm) -> String {
    STANDARD.encode(tag(url, &sorted(params), &algorithm.key(key)))
}

/// Judges a request. Twilio is inconsistent in how it spells the URL it signs (with and without the port): the URL as it
/// is comes first, then each spelling that the official libraries accept. Whatever key signed it, its account must be
/// one that has an auth token here.
///
/// Fails where no signature came, no key is configured for it, or none of the keys made it.
pub fn verify(request: &SignedRequest<'_>, keys: &SigningKeys) -> Result<(), SignatureError> {
    let signature = request.signature.filter(|text| !text.is_empty()).ok_or(SignatureError::Missing)?;
    let signature = STANDARD.decode(signature.trim()).map_err(|_| SignatureError::Mismatch)?;
    let shared = shared_key(request.settings, keys)?;
    let tokens = keys.tokens(request.account_sid)?;
    let candidates = shared.as_ref().map_or(tokens, std::slice::from_ref);
    let is_body_right = has_body_told(request);
    let params = sorted(request.params);
    // Where the URL tells the body's hash, signing the URL signs the body: a form's parameters need not be signed too.
    let signed: &[&[_]] = if is_body_right == Some(true) { &[&params, &[]] } else { &[&params] };
    let is_signed = |url: &str, key| signed.iter().any(|params| is_equal(&tag(url, params, key), &signature));
    let matches = |url: &str| candidates.iter().any(|key| is_signed(url, key));
    if !matches(request.url) && !spellings::others(request.url).iter().any(|url| matches(url)) {
        return Err(SignatureError::Mismatch);
    }
    if is_body_right == Some(false) { Err(SignatureError::BodyHash) } else { Ok(()) }
}

/// The key that the settings header names; `None` for the auth token, which signs where the header names no algorithm.
/// The header is itself unsigned, so it can only choose among keys that are configured.
fn shared_key(settings: Option<&str>, keys: &SigningKeys) -> Result<Option<hmac::Key>, SignatureError> {
    let settings = settings.unwrap_or_default();
    let Some(algorithm) = setting(settings, "algorithm") else { return Ok(None) };
    let algorithm = match algorithm {
        name if name.eq_ignore_ascii_case("HMAC_SHA1") => Algorithm::HmacSha1,
        name if name.eq_ignore_ascii_case("HMAC_SHA256") => Algorithm::HmacSha256,
        _ => return Err(SignatureError::UnsupportedAlgorithm),
    };
    match (setting(settings, "key"), algorithm) {
        (Some(id), algorithm) => {
            let secret = keys.shared_keys.get(id).ok_or(SignatureError::UnknownKey)?;
            Ok(Some(algorithm.key(secret)))
        }
        (None, Algorithm::HmacSha1) => Ok(None),
        (None, Algorithm::HmacSha256) => Err(SignatureError::UnknownKey),
    }
}

/// The first value of that name in `key=…,algorithm=…`.
fn setting<'a>(settings: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = settings.split(',').filter_map(|pair| pair.split_once('='));
    pairs.find_map(|(key, value)| (key.trim() == name && !value.trim().is_empty()).then(|| value.trim()))
}

/// Names ascending by bytes; of a repeated name each distinct value once, sorted (as in Python, Node and PHP).
fn sorted(params: &[(String, String)]) -> Vec<(&str, &str)> {
    let mut sorted: Vec<_> = params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
}

fn tag(url: &str, params: &[(&str, &str)], key: &hmac::Key) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    context.update(url.as_bytes());
    for (name, value) in params {
        context.update(name.as_bytes());
        context.update(value.as_bytes());
    }
    context.sign()
}

fn is_equal(tag: &hmac::Tag, signature: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(tag.as_ref(), signature).is_ok()
}

/// Whether the body has the hash (lower hex) that `bodySHA256` in the URL tells; `None` where it tells none.
fn has_body_told(request: &SignedRequest<'_>) -> Option<bool> {
    let query = request.url.split_once('?').map_or("", |(_, query)| query);
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let (_, expected) = pairs.find(|(name, _)| name == "bodySHA256")?;
    let hash = digest::digest(&digest::SHA256, request.body);
    let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Some(constant_time::verify_slices_are_equal(hash.as_bytes(), expected.as_bytes()).is_ok())
}
