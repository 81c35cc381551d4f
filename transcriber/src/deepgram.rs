//! Deepgram's pre-recorded API: <https://developers.deepgram.com/reference/speech-to-text/listen-pre-recorded>.

mod response;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Method};
use secrecy::SecretString;
use url::Url;

use crate::error::{FaultKind, TranscriberError};
use crate::http::Peer;
use crate::media::Media;
use crate::transcript::Transcription;
use crate::{TranscribeOptions, Transcriber};

const DEFAULT_MODEL: &str = "nova-3";

/// How Deepgram is reached.
#[derive(Clone)]
pub struct DeepgramConfig {
    /// `https://api.deepgram.com`, or where a self-hosted one is. Query parameters in it (`?mip_opt_out=true`) go with
    /// every transcription.
    pub api_url: Url,
    /// The API key.
    pub api_key: SecretString,
    /// Least time limit of one transcription; twice the recording's length is added to it.
    pub timeout: Duration,
}

/// Deepgram. Two channels are transcribed apart, so each party is its own speaker; in one channel speakers are told
/// apart by their voices.
pub struct Deepgram {
    api_url: Url,
    timeout: Duration,
    peer: Peer,
}

impl Deepgram {
    /// A client for `config`; nothing is sent yet.
    pub fn new(config: DeepgramConfig) -> Result<Self, TranscriberError> {
        if config.api_url.cannot_be_a_base() {
            let message = "DEEPGRAM_API_URL is not an http URL: it should be like https://api.deepgram.com";
            return Err(TranscriberError::new(FaultKind::Unauthorized, message));
        }
        let key = Some((config.api_key, "Token"));
        let peer = Peer::new("Deepgram", "DEEPGRAM_API_KEY", key)?;
        Ok(Self { api_url: config.api_url, timeout: config.timeout, peer })
    }

    fn endpoint(&self, path: &[&str]) -> Url {
        let mut url = self.api_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    fn listen_url(&self, model: &str, language: Option<&str>, channels: u8) -> Url {
        let mut url = self.endpoint(&["v1", "listen"]);
        let mut query = url.query_pairs_mut();
        query.append_pair("model", model);
        for feature in ["smart_format", "punctuate", "utterances"] {
            query.append_pair(feature, "true");
        }
        query.append_pair(if channels > 1 { "multichannel" } else { "diarize" }, "true");
        match language {
            Some(language) => query.append_pair("language", language),
            None => query.append_pair("detect_language", "true"),
        };
        drop(query);
        url
    }
}

#[async_trait]
impl Transcriber for Deepgram {
    async fn transcribe(&self, media: Media, options: &TranscribeOptions) -> Result<Transcription, TranscriberError> {
        let model = options.model.as_deref().unwrap_or(DEFAULT_MODEL);
        let language = options.language.as_deref();
        let (limit, seconds) = (media.time_limit(self.timeout), media.seconds());
        let request = self
            .peer
            .request(Method::POST, self.listen_url(model, language, media.channels))
            .header(CONTENT_TYPE, media.content_type())
            .header(CONTENT_LENGTH, media.bytes)
            .body(Body::wrap_stream(media.into_exact_body()));
        let answer = self.peer.exchange(request, limit).await?;
        if !answer.status.is_success() {
            return Err(self.peer.refusal(&answer));
        }
        let response: response::Response =
            serde_json::from_slice(&answer.body).map_err(|error| self.peer.unreadable(&error))?;
        Ok(response.into_transcription(model, language, seconds))
    }

    fn provider(&self) -> &'static str {
        "deepgram"
    }

    /// Asks what the key may do (`GET /v1/auth/token`). A server without that route (a self-hosted one) was at least
    /// reached.
    async fn check(&self) -> Result<(), TranscriberError> {
        self.peer.probe(self.endpoint(&["v1", "auth", "token"])).await
    }
}

impl fmt::Debug for Deepgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deepgram").field("host", &self.api_url.host_str()).finish_non_exhaustive()
    }
}

impl fmt::Debug for DeepgramConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeepgramConfig").field("host", &self.api_url.host_str()).finish_non_exhaustive()
    }
}
