//! The Recordings REST API (2010-04-01): `https://www.twilio.com/docs/voice/api/recording`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::NaiveDate;
use futures::stream::BoxStream;
use reqwest::redirect;
use secrecy::SecretString;
use url::Url;

use crate::error::{TwilioError, TwilioErrorKind};
use crate::limiter::Limiter;
use crate::list::{self, RecordingPages};
use crate::media::{self, Media};
use crate::recording::{MediaFormat, Recording};
use crate::request::Endpoint;
use crate::sid::{AccountSid, RecordingSid};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Told of each request: its endpoint (`recording`, `media`, `list`, `delete`) and its status, 0 for no answer.
pub type RequestObserver = Arc<dyn Fn(&'static str, u16) + Send + Sync>;

/// HTTP Basic credentials: an account SID with its auth token, or an API key.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// `AC…` or `SK…`.
    pub user: String,
    /// Auth token or API key secret.
    pub secret: SecretString,
}

/// Where the API is and how much of it to use.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// `https://api.twilio.com`, or a regional host. Credentials go here and nowhere else.
    pub api_url: Url,
    /// For every account that has none of its own.
    pub credentials: Credentials,
    /// Subaccounts with credentials of their own.
    pub account_credentials: HashMap<AccountSid, Credentials>,
    /// Most requests in flight, for each account.
    pub max_concurrency: usize,
    /// Most requests a second, for each account.
    pub requests_per_second: u32,
    /// Time for an answer to begin, connecting included, and between two pieces of a body.
    pub request_timeout: Duration,
}

/// A client. Clones share connections and limits.
#[derive(Clone)]
pub struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) limiters: Arc<Mutex<HashMap<AccountSid, Arc<Limiter>>>>,
    pub(crate) observer: Option<RequestObserver>,
    /// How long a request may wait for its turn.
    pub(crate) patience: Option<Duration>,
    /// Whether it leaves others a place.
    pub(crate) is_yielding: bool,
}

/// What came of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// Twilio deleted it now.
    Deleted,
    /// Twilio knows no such recording: deleted before, or of another account or region.
    NotFound,
}

impl Client {
    /// Fails where no TLS or HTTP client can be made, and where the API's URL names a user or a password: it is printed.
    pub fn new(config: ClientConfig) -> Result<Client, TwilioError> {
        if !config.api_url.username().is_empty() || config.api_url.password().is_some() {
            let why = "the API's URL holds a user or a password: they belong in the credentials";
            return Err(TwilioError::new(TwilioErrorKind::Rejected, why));
        }
        let http = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("callvault/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| TwilioError::transport("cannot make an HTTP client", error))?;
        Ok(Client {
            http,
            config: Arc::new(config),
            limiters: Arc::default(),
            observer: None,
            patience: None,
            is_yielding: false,
        })
    }

    /// As this one, sharing its limits, but a request that they hold up for longer than `patience` is refused as throttled
    /// instead of keeping its caller: one account's limits must not hold up who works for several. A transfer under way
    /// waits all the same.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Client {
        Client { patience: Some(patience), ..self }
    }

    /// As this one, sharing its limits, but a request waits until there is room for one more besides it: what cannot wait
    /// finds a place.
    #[must_use]
    pub fn yielding(&self) -> Client {
        Client { is_yielding: true, ..self.clone() }
    }

    /// Tells `observer` of every request from here on.
    #[must_use]
    pub fn on_request(self, observer: RequestObserver) -> Client {
        Client { observer: Some(observer), ..self }
    }

    /// The recording's resource, deleted ones included (for 40 days).
    pub async fn recording(&self, account: &AccountSid, sid: &RecordingSid) -> Result<Recording, TwilioError> {
        let mut url = self.path(account, &format!("Recordings/{sid}.json"))?;
        url.set_query(Some("IncludeSoftDeleted=true"));
        let (response, _permit) = self.send(Endpoint::Recording, account, url, None).await?;
        list::recording(response, self.config.request_timeout).await
    }

    /// The recording's media as a stream that resumes by itself where a transfer breaks off. `channels` asks for that
    /// many; where Twilio has not as many (error 16113) it is asked again without. NotFound means not ready, deleted or
    /// kept elsewhere: [`Client::recording`] tells which.
    pub async fn media(
        &self,
        account: &AccountSid,
        sid: &RecordingSid,
        format: MediaFormat,
        channels: Option<u8>,
    ) -> Result<Media, TwilioError> {
        let mut url = self.path(account, &format!("Recordings/{sid}.{format}"))?;
        url.set_query(channels.map(|channels| format!("RequestedChannels={channels}")).as_deref());
        match media::open(self, account, url.clone()).await {
            Err(error) if error.code == Some(16113) && channels.is_some() => {
                url.set_query(None);
                media::open(self, account, url).await
            }
            opened => opened,
        }
    }

    /// The account's recordings created on the days `since` to `until` (UTC, both inclusive).
    pub fn recordings(
        &self,
        account: &AccountSid,
        since: Option<NaiveDate>,
        until: Option<NaiveDate>,
    ) -> BoxStream<'static, Result<Recording, TwilioError>> {
        list::recordings(self.recording_pages(account, since, until))
    }

    /// The same, page by page.
    pub fn recording_pages(
        &self,
        account: &AccountSid,
        since: Option<NaiveDate>,
        until: Option<NaiveDate>,
    ) -> RecordingPages {
        RecordingPages::new(self.clone(), account.clone(), since, until)
    }

    /// Deletes media for good. Only completed recordings can be deleted (409 otherwise).
    pub async fn delete_recording(&self, account: &AccountSid, sid: &RecordingSid) -> Result<Deletion, TwilioError> {
        let url = self.path(account, &format!("Recordings/{sid}.json"))?;
        match self.send(Endpoint::Delete, account, url, None).await {
            Ok(_) => Ok(Deletion::Deleted),
            Err(error) if error.kind == TwilioErrorKind::NotFound => Ok(Deletion::NotFound),
            Err(error) => Err(error),
        }
    }

    /// Whether the account's recordings can be listed with these credentials.
    pub async fn check_account(&self, account: &AccountSid) -> Result<(), TwilioError> {
        let mut url = self.path(account, "Recordings.json")?;
        url.set_query(Some("PageSize=1"));
        self.send(Endpoint::List, account, url, None).await.map(|_| ())
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("api_url", &self.config.api_url.as_str()).finish_non_exhaustive()
    }
}
