//! The Recordings REST API (2010-04-01): `https://www.twilio.com/docs/voice/api/recording`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use futures::stream::BoxStream;
use reqwest::{Method, Response, redirect};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::error::{TwilioError, TwilioErrorKind};
use crate::limiter::{Limiter, Permit};
use crate::list;
use crate::media::{self, Media};
use crate::recording::{MediaFormat, Recording};
use crate::sid::{AccountSid, RecordingSid};

const REDIRECTS_MOST: usize = 5;
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
    /// Time for an answer to begin, and between two pieces of a body.
    pub request_timeout: Duration,
}

/// A client. Clones share connections and limits.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    config: Arc<ClientConfig>,
    limiters: Arc<Mutex<HashMap<AccountSid, Arc<Limiter>>>>,
    observer: Option<RequestObserver>,
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
    /// Fails where no TLS or HTTP client can be made.
    pub fn new(config: ClientConfig) -> Result<Client, TwilioError> {
        let http = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(config.request_timeout)
            .user_agent(concat!("callvault/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| TwilioError::transport("cannot make an HTTP client", error))?;
        Ok(Client { http, config: Arc::new(config), limiters: Arc::default(), observer: None })
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
        let (response, _permit) = self.send("recording", Method::GET, account, url, None).await?;
        list::recording(response).await
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

    /// The account's recordings created on the days `since` to `until` (UTC, both inclusive), page by page.
    pub fn recordings(
        &self,
        account: &AccountSid,
        since: Option<NaiveDate>,
        until: Option<NaiveDate>,
    ) -> BoxStream<'static, Result<Recording, TwilioError>> {
        list::recordings(self.clone(), account.clone(), since, until)
    }

    /// Deletes media for good. Only completed recordings can be deleted (409 otherwise).
    pub async fn delete_recording(&self, account: &AccountSid, sid: &RecordingSid) -> Result<Deletion, TwilioError> {
        let url = self.path(account, &format!("Recordings/{sid}.json"))?;
        match self.send("delete", Method::DELETE, account, url, None).await {
            Ok(_) => Ok(Deletion::Deleted),
            Err(error) if error.kind == TwilioErrorKind::NotFound => Ok(Deletion::NotFound),
            Err(error) => Err(error),
        }
    }

    /// Whether the account's recordings can be listed with these credentials.
    pub async fn check_account(&self, account: &AccountSid) -> Result<(), TwilioError> {
        let mut url = self.path(account, "Recordings.json")?;
        url.set_query(Some("PageSize=1"));
        self.send("list", Method::GET, account, url, None).await.map(|_| ())
    }

    pub(crate) fn path(&self, account: &AccountSid, rest: &str) -> Result<Url, TwilioError> {
        self.join(&format!("/2010-04-01/Accounts/{account}/{rest}"))
    }

    /// An absolute path on the API's host, as `next_page_uri` is; anything that leads off that host is refused.
    pub(crate) fn join(&self, path: &str) -> Result<Url, TwilioError> {
        let joined = self.config.api_url.join(path).ok().filter(|url| self.is_api_host(url));
        joined.ok_or_else(|| TwilioError::new(TwilioErrorKind::Rejected, "a URL that leads off the API's host"))
    }

    fn is_api_host(&self, url: &Url) -> bool {
        let api = &self.config.api_url;
        (url.scheme(), url.host_str(), url.port_or_known_default())
            == (api.scheme(), api.host_str(), api.port_or_known_default())
    }

    /// One request under the account's limits, redirects followed by hand. The permit is held while the body is read.
    /// Any answer that is no success is an error; nothing is tried again here.
    pub(crate) async fn send(
        &self,
        endpoint: &'static str,
        method: Method,
        account: &AccountSid,
        url: Url,
        range_from: Option<u64>,
    ) -> Result<(Response, Permit), TwilioError> {
        let limiter = self.limiter(account);
        let permit = limiter.permit().await;
        let sent = self.send_redirected(method, account, url, range_from).await;
        self.observe(endpoint, sent.as_ref().map_or(0, |response| response.status().as_u16()));
        let response = sent?;
        if response.status().is_success() {
            limiter.succeeded();
            return Ok((response, permit));
        }
        let error = TwilioError::answered(response).await;
        if error.kind == TwilioErrorKind::Throttled {
            limiter.throttled(Instant::now());
        }
        Err(error)
    }

    async fn send_redirected(
        &self,
        method: Method,
        account: &AccountSid,
        mut url: Url,
        range_from: Option<u64>,
    ) -> Result<Response, TwilioError> {
        for _ in 0..=REDIRECTS_MOST {
            let mut request = self.http.request(method.clone(), url.clone());
            if self.is_api_host(&url) {
                let credentials = self.config.account_credentials.get(account).unwrap_or(&self.config.credentials);
                request = request.basic_auth(&credentials.user, Some(credentials.secret.expose_secret()));
            }
            if let Some(first) = range_from {
                request = request.header("range", format!("bytes={first}-"));
            }
            // reqwest's read time-out starts with the answer: waiting for it needs its own.
            let sent = tokio::time::timeout(self.config.request_timeout, request.send()).await;
            let sent = sent.map_err(|_| TwilioError::new(TwilioErrorKind::Transient, "no answer in time"))?;
            let response = sent.map_err(|error| TwilioError::transport("request failed", error))?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            url = self.redirect_target(&url, &response)?;
        }
        Err(TwilioError::new(TwilioErrorKind::Transient, format!("more than {REDIRECTS_MOST} redirects")))
    }

    /// Where media may be redirected to: anywhere over https, but never down from it.
    fn redirect_target(&self, url: &Url, response: &Response) -> Result<Url, TwilioError> {
        let location = response.headers().get("location").and_then(|location| location.to_str().ok());
        let target = location.and_then(|location| url.join(location).ok());
        let target = target.filter(|target| target.scheme() == "https" || self.config.api_url.scheme() == "http");
        target.ok_or_else(|| TwilioError::new(TwilioErrorKind::Rejected, "a redirect that leads nowhere safe"))
    }

    fn observe(&self, endpoint: &'static str, status: u16) {
        if let Some(observer) = &self.observer {
            observer(endpoint, status);
        }
    }

    fn limiter(&self, account: &AccountSid) -> Arc<Limiter> {
        let mut limiters = self.limiters.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Limiter::new(self.config.max_concurrency, self.config.requests_per_second));
        Arc::clone(limiters.entry(account.clone()).or_insert_with(new))
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("api_url", &self.config.api_url.as_str()).finish_non_exhaustive()
    }
}
