//! Deliver: the finished transcript to the owner's system, as a signed webhook (Standard Webhooks).

use std::time::Duration;

use catalog::{Catalog, Claim, Policy, RecordingView, Status, TranscriptState, Work};
use chrono::{DateTime, Utc};
use queue::Clock;
use reqwest::{StatusCode, Url, redirect};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use transcriber::Transcript;
use twilio::RecordingSid;
use url::Host;
use vault::{ObjectKey, Vault};

use crate::claimed::Claims;
use crate::fault::{Fault, Handled, chain};
use crate::observe::name_call;
use crate::private_address::{PublicOnly, is_private};
use crate::webhook::WebhookSecret;

/// The specification asks for 15 to 30 seconds.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Largest transcript that is posted.
const TRANSCRIPT_BYTES_MOST: usize = 64 << 20;
const RETRY_AFTER_MOST: Duration = Duration::from_secs(3600);

/// The owner's endpoint.
#[derive(Debug, Clone)]
pub struct DeliveryTarget {
    url: Url,
    secret: WebhookSecret,
    http: reqwest::Client,
}

/// The target cannot be used as it is set.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryTargetError {
    /// The URL's host is a private address and those are not allowed.
    #[error("the host is a private address: set DELIVERY_WEBHOOK_ALLOW_PRIVATE=true if that is meant")]
    PrivateAddress,
    /// The HTTP client could not be made.
    #[error("cannot make an HTTP client")]
    Client(#[source] reqwest::Error),
}

impl DeliveryTarget {
    /// A target that follows no redirects and, unless `allow_private`, connects to public addresses only.
    pub fn new(url: Url, secret: WebhookSecret, allow_private: bool) -> Result<DeliveryTarget, DeliveryTargetError> {
        let mut http = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(TIMEOUT)
            // On a connection that is used again, what a receiver says unasked would be taken for the next one's
            // answer.
            .pool_max_idle_per_host(0)
            .no_proxy()
            .user_agent(concat!("callvault/", env!("CARGO_PKG_VERSION")));
        if !allow_private {
            let literal = match url.host() {
                Some(Host::Ipv4(v4)) => Some(v4.into()),
                Some(Host::Ipv6(v6)) => Some(v6.into()),
                _ => None,
            };
            if literal.is_some_and(is_private) {
                return Err(DeliveryTargetError::PrivateAddress);
            }
            http = http.dns_resolver(std::sync::Arc::new(PublicOnly));
        }
        Ok(DeliveryTarget { url, secret, http: http.build().map_err(DeliveryTargetError::Client)? })
    }

    /// Posts `body` once, under an id that is the same in every attempt.
    async fn post(&self, id: &str, at: DateTime<Utc>, body: Vec<u8>) -> Result<(), Fault> {
        let request = self
            .http
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", at.timestamp().to_string())
            .header("webhook-signature", self.secret.sign(id, at, &body))
            .body(body);
        // The URL may carry a token of the owner's: it stays out of the error.
        let sent = request.send().await.map_err(reqwest::Error::without_url);
        let response = sent.map_err(|error| Fault::Transient(format!("delivery: {}", chain(&error))))?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let why = format!("delivery was answered with {status}");
        Err(match status {
            StatusCode::GONE => Fault::Rejected(why),
            StatusCode::TOO_MANY_REQUESTS => Fault::Throttled { after: retry_after(&response), why },
            StatusCode::SERVICE_UNAVAILABLE if retry_after(&response).is_some() => {
                Fault::Throttled { after: retry_after(&response), why }
            }
            _ => Fault::Transient(why),
        })
    }
}

fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    let seconds = response.headers().get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MOST))
}

/// The deliver stage.
#[derive(Debug)]
pub struct Deliver {
    /// The truth about each recording.
    pub catalog: Catalog,
    /// Where transcripts are; it must hold the identity that opens them.
    pub vault: Vault,
    /// Where to post.
    pub target: DeliveryTarget,
    /// The one clock.
    pub clock: Clock,
    /// To say when the recording will be deleted.
    pub policy: Policy,
    /// How long a worker that died keeps others from its recording.
    pub lease: Duration,
}

/// What is posted. The envelope is Standard Webhooks' recommendation: type, timestamp, data.
#[derive(Serialize)]
struct Message {
    r#type: &'static str,
    timestamp: DateTime<Utc>,
    data: MessageData,
}

#[derive(Serialize)]
struct MessageData {
    recording: RecordingView,
    transcript: Transcript,
}

impl Deliver {
    /// Posts `version` of the transcript unless it was accepted before. A crash between the target's answer and our
    /// commit posts it again under the same `webhook-id`, by which the target knows it.
    pub async fn handle(&self, sid: &RecordingSid, version: u32, stop: &CancellationToken) -> Handled {
        let claims = Claims { catalog: self.catalog.clone(), clock: self.clock.clone(), lease: self.lease };
        claims.with(sid, Work::Deliver, stop, |held| self.deliver(sid, version, held.claim)).await
    }

    async fn deliver(&self, sid: &RecordingSid, version: u32, claim: Claim) -> Handled {
        let row = self.catalog.recording(sid).await?;
        let row = row.ok_or_else(|| Fault::Rejected("the catalog knows no such recording".to_owned()))?;
        name_call(&row);
        if row.status == Status::Deleted || row.is_marked {
            return Ok("not delivered: deleted before");
        }
        let made = self.catalog.transcript(sid, version).await?.filter(|made| made.state == TranscriptState::Stored);
        let Some(made) = made else { return Err(Fault::Rejected("there is no such transcript to deliver".to_owned())) };
        if made.delivered_at.is_some() {
            return Ok("already delivered");
        }
        let Some(object) = &made.object else { return Ok("not delivered: deleted before") };
        let key: ObjectKey = object.parse().map_err(|error| Fault::Rejected(format!("{object}: {error}")))?;
        let json = self.vault.read(&key, TRANSCRIPT_BYTES_MOST).await?;
        let transcript =
            serde_json::from_slice(&json).map_err(|_| Fault::Suspect(format!("{key} holds no transcript")))?;
        let now = self.clock.now();
        let data = MessageData { recording: RecordingView::new(&row, Some(&made), &self.policy), transcript };
        let message = Message { r#type: "recording.transcribed", timestamp: now, data };
        let body = serde_json::to_vec(&message).map_err(|error| Fault::Rejected(error.to_string()))?;
        self.target.post(&format!("msg_{sid}_v{version}"), now, body).await?;
        self.catalog.mark_delivered(&claim, version, self.clock.now()).await?;
        Ok("delivered")
    }
}
