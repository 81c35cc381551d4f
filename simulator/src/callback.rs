//! One recording status callback: its parameters, its signature, its request.
//! <https://www.twilio.com/docs/voice/api/recording>, <https://www.twilio.com/docs/usage/security>

use reqwest::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use secrecy::SecretString;
use tokio::time::{Instant, timeout_at};
use twilio::{AccountSid, Algorithm};
use url::Url;

use crate::account::Recording;
use crate::media::Media;
use crate::retry::{Attempt, RetryPolicy};
use crate::state::{CallbackTarget, State};
use crate::{derive, resource};

/// The parameters of a callback, decoded, in the order they are sent.
pub(crate) type Form = Vec<(String, String)>;

/// Whether a callback is Twilio's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Twilio,
    /// Signed with a token that is not the account's.
    WrongToken,
    /// A field was changed after signing.
    Tampered,
}

/// The parameters Twilio sends for this recording and status.
pub(crate) fn form(recording: &Recording, status: &str) -> Form {
    let mut form: Vec<(&str, String)> = vec![("AccountSid", recording.account_sid.to_string())];
    if let Some(sid) = &recording.call_sid {
        form.push(("CallSid", sid.to_string()));
    }
    if let Some(sid) = &recording.conference_sid {
        form.push(("ConferenceSid", sid.to_string()));
    }
    if let Some(Media::Encrypted(encrypted)) = &recording.recorded {
        form.push(("EncryptionDetails", encrypted.callback_details().to_string()));
    }
    let error_code = if status == "in-progress" { 0 } else { recording.error_code };
    form.push(("ErrorCode", error_code.to_string()));
    form.push(("RecordingChannels", recording.channels().to_string()));
    if status == "completed" {
        form.push(("RecordingDuration", recording.duration_secs().unwrap_or(0).to_string()));
    }
    form.push(("RecordingSid", recording.sid.to_string()));
    form.push(("RecordingSource", recording.source.to_owned()));
    form.push(("RecordingStartTime", resource::rfc2822(recording.started_at)));
    form.push(("RecordingStatus", status.to_owned()));
    if recording.conference_sid.is_none() {
        form.push(("RecordingTrack", "both".to_owned()));
    }
    form.push(("RecordingUrl", format!("https://api.twilio.com{}", resource::path(recording))));
    form.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A callback ready to be sent, as often as needed.
pub(crate) struct SignedCallback {
    url: Url,
    /// The public host, where the connection goes elsewhere.
    host: Option<String>,
    body: String,
    signature: String,
    idempotency_token: String,
}

impl SignedCallback {
    pub(crate) fn new(
        state: &State,
        callback: &CallbackTarget,
        account_sid: &AccountSid,
        mut form: Form,
        origin: Origin,
    ) -> Self {
        let serial = state.next_serial();
        let wrong_token = SecretString::from(derive::hex_digits(state.seed, serial, "wrong token"));
        let own_token = state.token_of(account_sid).unwrap_or_default();
        let token = if origin == Origin::WrongToken { &wrong_token } else { &own_token };
        let signature = twilio::sign(&signed_url(&callback.public_url), &form, token, Algorithm::HmacSha1);
        if origin == Origin::Tampered {
            let other = format!("RE{}", derive::hex_digits(state.seed, serial, "tampered"));
            form.iter_mut().filter(|(name, _)| name == "RecordingSid").for_each(|(_, value)| value.clone_from(&other));
        }
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(&form);
        let (url, host) = connect_to(callback);
        Self {
            url,
            host,
            body: body.finish(),
            signature,
            idempotency_token: derive::uuid(state.seed, serial, "idempotency token"),
        }
    }

    pub(crate) async fn attempt(&self, state: &State, policy: &RetryPolicy, deadline: Instant) -> Attempt {
        let mut request = state
            .http
            .post(self.url.clone())
            .header(USER_AGENT, "TwilioProxy/1.1")
            .header(ACCEPT, "*/*")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded; charset=UTF-8")
            .header("X-Twilio-Signature", &self.signature)
            .header("I-Twilio-Idempotency-Token", &self.idempotency_token)
            .body(self.body.clone());
        if let Some(host) = &self.host {
            request = request.header(HOST, host);
        }
        let read_deadline = deadline.min(Instant::now() + policy.connect + policy.read);
        match timeout_at(read_deadline, request.send()).await {
            Ok(Ok(response)) => Attempt::Answered(response.status().as_u16()),
            Ok(Err(error)) if error.is_connect() => Attempt::NotConnected,
            Ok(Err(_)) | Err(_) => Attempt::TimedOut,
        }
    }
}

/// What Twilio signs: no fragment and no credentials, and over HTTPS no port.
fn signed_url(public_url: &Url) -> String {
    let mut url = public_url.clone();
    url.set_fragment(None);
    // Fails only for URLs that have no host, which could not be called either.
    let _ = url.set_username("").and(url.set_password(None));
    if url.scheme() == "https" {
        let _ = url.set_port(None);
    }
    url.into()
}

/// The URL to connect to and, where that is not the public one, the Host to send.
fn connect_to(callback: &CallbackTarget) -> (Url, Option<String>) {
    let mut url = callback.public_url.clone();
    url.set_fragment(None);
    let Some(target) = callback.target else {
        return (url, None);
    };
    let host = url.host_str().map(|host| match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    });
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let direct = format!("http://{target}{}{query}", url.path());
    (direct.parse().unwrap_or(url), host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_is_signed_as_twilio_documents_it() {
        let signed = |url: &str| signed_url(&url.parse().unwrap());
        assert_eq!(signed("https://u:p@v.example.com:8443/a?b=c#rc=5"), "https://v.example.com/a?b=c");
        assert_eq!(signed("http://u:p@v.example.com:8080/a?b=c#rc=5"), "http://v.example.com:8080/a?b=c");
    }

    #[test]
    fn target_takes_the_connection_and_the_public_host_stays() {
        let callback = CallbackTarget {
            public_url: "https://voice.example.com/webhooks/recording?tenant=a%2Fb#rc=5".parse().unwrap(),
            target: Some("127.0.0.1:3000".parse().unwrap()),
        };
        let (url, host) = connect_to(&callback);
        assert_eq!(url.as_str(), "http://127.0.0.1:3000/webhooks/recording?tenant=a%2Fb");
        assert_eq!(host.as_deref(), Some("voice.example.com"));
    }
}
