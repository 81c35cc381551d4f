//! A recording's media: one stream of bytes, however many transfers it takes.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use reqwest::{Response, StatusCode};
use url::Url;

use crate::client::Client;
use crate::error::{TwilioError, TwilioErrorKind};
use crate::limiter::Permit;
use crate::request::Endpoint;
use crate::sid::AccountSid;

/// How often a broken transfer is taken up again before the stream fails.
const RESUMES_MOST: u32 = 5;
const RESUME_PAUSE: Duration = Duration::from_millis(200);

/// Media under way. Dropping it ends the transfer and frees its place under the account's limit.
pub struct Media {
    /// What Twilio says it is.
    pub content_type: Option<String>,
    /// The length Twilio promised, in bytes.
    pub content_length: Option<u64>,
    /// The bytes. Where a transfer breaks off, the next one goes on there: by `Range` (206), or by skipping what was
    /// read where Twilio sends all of it again (200). Ends with one error when that fails too often.
    pub body: BoxStream<'static, Result<Bytes, TwilioError>>,
}

impl std::fmt::Debug for Media {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Media").field("content_length", &self.content_length).finish_non_exhaustive()
    }
}

pub(crate) async fn open(client: &Client, account: &AccountSid, url: Url) -> Result<Media, TwilioError> {
    let (response, permit) = client.send(Endpoint::Media, account, url.clone(), None).await?;
    let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let content_length = response.content_length();
    let transfer = Transfer {
        client: client.clone(),
        account: account.clone(),
        url,
        promised: content_length,
        body: Some((response, permit)),
        read_bytes: 0,
        skip_bytes: 0,
        resumes: 0,
    };
    let body = stream::unfold(Some(transfer), |transfer| async move {
        let mut transfer = transfer?;
        match transfer.next().await {
            Ok(Some(chunk)) => Some((Ok(chunk), Some(transfer))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(Media { content_type, content_length, body: body.boxed() })
}

struct Transfer {
    client: Client,
    account: AccountSid,
    url: Url,
    promised: Option<u64>,
    body: Option<(Response, Permit)>,
    /// Handed on so far.
    read_bytes: u64,
    /// Of the present body, still to be thrown away: it started over.
    skip_bytes: u64,
    resumes: u32,
}

impl Transfer {
    async fn next(&mut self) -> Result<Option<Bytes>, TwilioError> {
        loop {
            let Some((response, _)) = &mut self.body else {
                self.resume().await?;
                continue;
            };
            match response.chunk().await {
                Ok(Some(mut chunk)) => {
                    let skipped = self.skip_bytes.min(chunk.len() as u64);
                    self.skip_bytes -= skipped;
                    let chunk = chunk.split_off(skipped as usize);
                    if !chunk.is_empty() {
                        self.read_bytes += chunk.len() as u64;
                        return Ok(Some(chunk));
                    }
                }
                Ok(None) if self.promised.is_none_or(|promised| self.read_bytes >= promised) => return Ok(None),
                Ok(None) => self.broke(TwilioError::new(TwilioErrorKind::Transient, "the media ended early"))?,
                Err(error) => self.broke(TwilioError::transport("the media broke off", error))?,
            }
        }
    }

    /// Another transfer, unless there were too many.
    fn broke(&mut self, error: TwilioError) -> Result<(), TwilioError> {
        self.body = None;
        self.resumes += 1;
        if self.resumes > RESUMES_MOST { Err(error) } else { Ok(()) }
    }

    async fn resume(&mut self) -> Result<(), TwilioError> {
        tokio::time::sleep(RESUME_PAUSE * self.resumes).await;
        let from = Some(self.read_bytes).filter(|read_bytes| *read_bytes > 0);
        let sent = self.client.send(Endpoint::Media, &self.account, self.url.clone(), from).await;
        let (response, permit) = match sent {
            Ok(sent) => sent,
            Err(error) if error.kind == TwilioErrorKind::Transient => return self.broke(error),
            Err(error) => return Err(error),
        };
        self.skip_bytes = match response.status() {
            StatusCode::PARTIAL_CONTENT if starts_at(&response) == Some(self.read_bytes) => 0,
            StatusCode::PARTIAL_CONTENT => {
                return self.broke(TwilioError::new(TwilioErrorKind::Transient, "another range than was asked for"));
            }
            _ => self.read_bytes,
        };
        self.body = Some((response, permit));
        Ok(())
    }
}

/// The first byte's place in `Content-Range: bytes 100-199/200` (RFC 9110, 14.4).
fn starts_at(response: &Response) -> Option<u64> {
    let range = response.headers().get("content-range")?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}
