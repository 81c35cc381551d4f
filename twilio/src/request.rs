//! One request: under the account's limits, with credentials for the API's host alone, redirects followed by hand.

use std::sync::{Arc, PoisonError};

use reqwest::{Method, Response};
use secrecy::ExposeSecret;
use url::Url;

use crate::client::Client;
use crate::error::{TwilioError, TwilioErrorKind};
use crate::limiter::{Limiter, Permit};
use crate::sid::AccountSid;

const REDIRECTS_MOST: usize = 5;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Recording,
    Media,
    List,
    Delete,
}

impl Endpoint {
    fn name(self) -> &'static str {
        match self {
            Endpoint::Recording => "recording",
            Endpoint::Media => "media",
            Endpoint::List => "list",
            Endpoint::Delete => "delete",
        }
    }

    fn method(self) -> Method {
        if self == Endpoint::Delete { Method::DELETE } else { Method::GET }
    }
}

impl Client {
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
        endpoint: Endpoint,
        account: &AccountSid,
        url: Url,
        range_from: Option<u64>,
    ) -> Result<(Response, Permit), TwilioError> {
        let limiter = self.limiter(account);
        let permit = self.turn(&limiter).await?;
        let sent = self.send_redirected(endpoint, account, url, range_from).await;
        self.observe(endpoint, &sent);
        let response = sent?;
        if response.status().is_success() {
            limiter.succeeded();
            return Ok((response, permit));
        }
        let is_apis_own = self.is_api_host(response.url());
        let error = TwilioError::answered(response, self.config.request_timeout).await;
        if !is_apis_own {
            return Err(error.of_another_host());
        }
        if error.kind == TwilioErrorKind::Throttled {
            limiter.throttled(error.retry_after);
        }
        Err(error)
    }

    /// Waits for a request's turn.
    async fn turn(&self, limiter: &Arc<Limiter>) -> Result<Permit, TwilioError> {
        let waited = async { if self.is_yielding { limiter.spare_permit().await } else { limiter.permit().await } };
        let Some(patience) = self.patience else { return Ok(waited.await) };
        match limiter.pause().filter(|pause| *pause > patience) {
            Some(pause) => Err(TwilioError::held_up(Some(pause))),
            None => tokio::time::timeout(patience, waited).await.map_err(|_| TwilioError::held_up(limiter.pause())),
        }
    }

    async fn send_redirected(
        &self,
        endpoint: Endpoint,
        account: &AccountSid,
        mut url: Url,
        range_from: Option<u64>,
    ) -> Result<Response, TwilioError> {
        let mut redirects = 0;
        loop {
            let mut request = self.http.request(endpoint.method(), url.clone());
            if self.is_api_host(&url) {
                let credentials = self.config.account_credentials.get(account).unwrap_or(&self.config.credentials);
                request = request.basic_auth(&credentials.user, Some(credentials.secret.expose_secret()));
            }
            if let Some(first) = range_from {
                request = request.header("range", format!("bytes={first}-"));
            }
            let sent = tokio::time::timeout(self.config.request_timeout, request.send()).await;
            let sent = sent.map_err(|_| TwilioError::new(TwilioErrorKind::Transient, "no answer in time"))?;
            let response = sent.map_err(|error| TwilioError::transport("request failed", error))?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            if redirects == REDIRECTS_MOST {
                let why = format!("more than {REDIRECTS_MOST} redirects");
                return Err(TwilioError::unusable(TwilioErrorKind::Transient, &response, why));
            }
            url = self.redirect_target(endpoint, &url, &response)?;
            redirects += 1;
        }
    }

    /// Media may be anywhere, but never down from https. All else is the API's to answer: another host's word for it
    /// that a recording is deleted is worth nothing.
    fn redirect_target(&self, endpoint: Endpoint, url: &Url, response: &Response) -> Result<Url, TwilioError> {
        let location = response.headers().get("location").and_then(|location| location.to_str().ok());
        let target = location.and_then(|location| url.join(location).ok());
        let is_safe = |target: &Url| match target.scheme() {
            _ if self.is_api_host(target) => true,
            "https" => endpoint == Endpoint::Media,
            "http" => endpoint == Endpoint::Media && self.config.api_url.scheme() == "http",
            _ => false,
        };
        target.filter(is_safe).ok_or_else(|| {
            TwilioError::unusable(TwilioErrorKind::Rejected, response, "a redirect that leads nowhere safe")
        })
    }

    fn observe(&self, endpoint: Endpoint, sent: &Result<Response, TwilioError>) {
        let status = match sent {
            Ok(response) => response.status().as_u16(),
            Err(error) => error.status.unwrap_or(0),
        };
        if let Some(observer) = &self.observer {
            observer(endpoint.name(), status);
        }
    }

    fn limiter(&self, account: &AccountSid) -> Arc<Limiter> {
        let mut limiters = self.limiters.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Limiter::new(self.config.max_concurrency, self.config.requests_per_second));
        Arc::clone(limiters.entry(account.clone()).or_insert_with(new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClientConfig, Credentials};

    fn client_of(api_url: &str) -> Client {
        let config = ClientConfig {
            api_url: api_url.parse().unwrap(),
            credentials: Credentials { user: String::new(), secret: "".into() },
            account_credentials: Default::default(),
            max_concurrency: 1,
            requests_per_second: 1,
            request_timeout: std::time::Duration::from_secs(1),
        };
        Client::new(config).unwrap()
    }

    /// Where a request to Twilio is led by this Location.
    fn led_to(endpoint: Endpoint, location: &str) -> Result<String, TwilioErrorKind> {
        let client = client_of("https://api.twilio.com");
        let url = client.join("/media.wav").unwrap();
        let response = http::Response::builder().status(302).header("location", location).body("").unwrap();
        let target = client.redirect_target(endpoint, &url, &response.into());
        target.map(|url| url.to_string()).map_err(|error| error.kind)
    }

    #[test]
    fn media_are_never_led_down_from_https() {
        let elsewhere = "https://media.example.com/a";
        assert_eq!(led_to(Endpoint::Media, elsewhere), Ok(elsewhere.to_owned()));
        assert_eq!(led_to(Endpoint::Media, "/b"), Ok("https://api.twilio.com/b".to_owned()));
        for location in ["http://media.example.com/a", "http://api.twilio.com/media.wav", "file:///etc/passwd"] {
            assert_eq!(led_to(Endpoint::Media, location), Err(TwilioErrorKind::Rejected), "{location}");
        }
    }

    #[test]
    fn all_but_media_stay_on_the_api_host() {
        for endpoint in [Endpoint::Recording, Endpoint::List, Endpoint::Delete] {
            assert_eq!(led_to(endpoint, "/b"), Ok("https://api.twilio.com/b".to_owned()));
            assert_eq!(led_to(endpoint, "https://media.example.com/a"), Err(TwilioErrorKind::Rejected));
        }
    }

    #[test]
    fn api_host_is_scheme_host_and_port_together() {
        let client = client_of("https://api.dublin.ie1.twilio.com");
        let is_api_host = |url: &str| client.is_api_host(&url.parse().unwrap());
        assert!(is_api_host("https://api.dublin.ie1.twilio.com:443/x"));
        let others = [
            "http://api.dublin.ie1.twilio.com/",
            "https://api.dublin.ie1.twilio.com:8443/",
            "https://api.twilio.com/",
            "https://api.dublin.ie1.twilio.com.example.com/",
            "https://api.dublin.ie1.twilio.com@example.com/",
        ];
        assert!(others.into_iter().all(|url| !is_api_host(url)));
    }
}
