//! A recording's media: one stream of bytes, however many transfers it takes.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use reqwest::Response;
use url::Url;

use crate::client::Client;
use crate::error::{TwilioError, TwilioErrorKind, chunk};
use crate::limiter::Permit;
use crate::part::{Identity, Part};
use crate::request::Endpoint;
use crate::sid::AccountSid;

/// How often a broken transfer is taken up again, within so many bytes, before the stream fails.
const RESUMES_MOST: u32 = 5;
const PROGRESS_BYTES: u64 = 1 << 20;
const RESUME_PAUSE: Duration = Duration::from_millis(200);

/// Media under way. Dropping it ends the transfer and frees its place under the account's limit.
pub struct Media {
    /// What Twilio says it is.
    pub content_type: Option<String>,
    /// The length Twilio promised, in bytes.
    pub content_length: Option<u64>,
    /// The bytes. Where a transfer breaks off, the next one goes on there: by `Range` (206), or by skipping what was
    /// read where Twilio sends all of it again (200). Ends with one error when that fails too often, or when what comes
    /// then is not the same media.
    pub body: BoxStream<'static, Result<Bytes, TwilioError>>,
}

impl std::fmt::Debug for Media {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Media").field("content_length", &self.content_length).finish_non_exhaustive()
    }
}

pub(crate) async fn open(client: &Client, account: &AccountSid, url: Url) -> Result<Media, TwilioError> {
    let mut transfer = Transfer {
        client: client.clone(),
        account: account.clone(),
        url,
        media: Identity::default(),
        body: None,
        read_bytes: 0,
        skip_bytes: 0,
        resumes: 0,
        resumes_from: 0,
    };
    let (response, permit) = transfer.ask().await?;
    // What was begun is ended, as soon as may be.
    transfer.client = Client { patience: None, is_yielding: false, ..transfer.client };
    let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok()).map(str::to_owned);
    transfer.take(response, permit)?;
    let content_length = transfer.media.length;
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
    /// As all answers together describe it.
    media: Identity,
    body: Option<(Response, Permit)>,
    /// Handed on so far.
    read_bytes: u64,
    /// Of the present body, still to be thrown away: it started over.
    skip_bytes: u64,
    /// Since `resumes_from` was read.
    resumes: u32,
    resumes_from: u64,
}

impl Transfer {
    async fn next(&mut self) -> Result<Option<Bytes>, TwilioError> {
        loop {
            let Some((response, _)) = &mut self.body else {
                self.resume().await?;
                continue;
            };
            match chunk(response, self.client.config.request_timeout).await {
                Ok(Some(chunk)) => {
                    let chunk = self.unread(chunk)?;
                    if !chunk.is_empty() {
                        return Ok(Some(chunk));
                    }
                }
                Ok(None) if self.is_whole() => return Ok(None),
                Ok(None) => self.broke(TwilioError::new(TwilioErrorKind::Transient, "the media ended early"))?,
                Err(error) => self.broke(error)?,
            }
        }
    }

    /// What of a chunk was not handed on before.
    fn unread(&mut self, mut chunk: Bytes) -> Result<Bytes, TwilioError> {
        let skipped = self.skip_bytes.min(chunk.len() as u64);
        self.skip_bytes -= skipped;
        let chunk = chunk.split_off(skipped as usize);
        self.read_bytes += chunk.len() as u64;
        if self.media.length.is_some_and(|length| self.read_bytes > length) {
            return Err(TwilioError::new(TwilioErrorKind::Transient, "more media than were promised"));
        }
        Ok(chunk)
    }

    fn is_whole(&self) -> bool {
        self.skip_bytes == 0 && self.media.length.is_none_or(|length| self.read_bytes == length)
    }

    /// Another transfer, unless there were too many without progress.
    fn broke(&mut self, error: TwilioError) -> Result<(), TwilioError> {
        self.body = None;
        if self.read_bytes - self.resumes_from >= PROGRESS_BYTES {
            (self.resumes, self.resumes_from) = (0, self.read_bytes);
        }
        self.resumes += 1;
        if self.resumes > RESUMES_MOST { Err(error) } else { Ok(()) }
    }

    async fn resume(&mut self) -> Result<(), TwilioError> {
        tokio::time::sleep(RESUME_PAUSE * self.resumes).await;
        match self.ask().await {
            Ok((response, permit)) => self.take(response, permit),
            // Where Twilio says for how long, the limiter holds the next request up until then.
            Err(error) if matches!(error.kind, TwilioErrorKind::Transient | TwilioErrorKind::Throttled) => {
                self.broke(error)
            }
            // Gone, or shorter than was promised: to be judged afresh by whoever asks for all of it.
            Err(mut error) if matches!(error.status, Some(404 | 416)) => {
                error.kind = TwilioErrorKind::Transient;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    async fn ask(&self) -> Result<(Response, Permit), TwilioError> {
        let from = Some(self.read_bytes).filter(|read_bytes| *read_bytes > 0);
        self.client.send(Endpoint::Media, &self.account, self.url.clone(), from).await
    }

    /// Goes on with this answer's body: with the part that was asked for, or with all of it again.
    fn take(&mut self, response: Response, permit: Permit) -> Result<(), TwilioError> {
        let part = Part::in_answer(&response).filter(|part| part.first == 0 || part.first == self.read_bytes);
        let taken = part.and_then(|part| Some((part.first, self.media.clone().agreed(part.of)?)));
        let Some((first, media)) = taken else {
            let why = "an answer that does not fit the media read so far";
            return Err(TwilioError::unusable(TwilioErrorKind::Transient, &response, why));
        };
        self.media = media;
        self.skip_bytes = self.read_bytes - first;
        self.body = Some((response, permit));
        Ok(())
    }
}
