//! OpenAI's transcription API (<https://platform.openai.com/docs/api-reference/audio/createTranscription>), which
//! whisper.cpp, faster-whisper, vLLM, LocalAI, Groq and others speak too.

mod language;
mod response;

use std::collections::HashSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Method, StatusCode};
use secrecy::SecretString;
use url::Url;

use crate::error::{FaultKind, TranscriberError};
use crate::http::{Answer, Peer};
use crate::media::Media;
use crate::transcript::Transcription;
use crate::{TranscribeOptions, Transcriber};

const DEFAULT_MODEL: &str = "whisper-1";
/// OpenAI's own host takes no more (its speech-to-text guide: 25 MB). Other servers have their own limits, or none.
const OPENAI_HOST: &str = "api.openai.com";
const OPENAI_BYTES_MAX: u64 = 26_214_400;
/// Models are named by operators, so there are few; the bound is for the principle.
const REFUSALS_MAX: usize = 64;

/// How the server is reached.
#[derive(Clone)]
pub struct OpenAiConfig {
    /// `https://api.openai.com/v1`, as OpenAI's libraries take it: `/audio/transcriptions` is put after its path. A URL
    /// without any path gets `/v1` first. Query parameters in it (`?api-version=…`) go with every request.
    pub base_url: Url,
    /// The API key, where the server wants one.
    pub api_key: Option<SecretString>,
    /// Least time limit of one transcription; twice the recording's length is added to it.
    pub timeout: Duration,
}

/// A server with OpenAI's transcription API. It mixes channels: everything is on channel 0, and speakers are told
/// apart only by models that do so (`gpt-4o-transcribe-diarize`).
pub struct OpenAi {
    base_url: Url,
    timeout: Duration,
    peer: Peer,
    /// Models that turned out to give no times.
    without_times: Mutex<HashSet<String>>,
}

/// What the answer should hold; not every model can give every one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ResponseFormat {
    /// Text alone.
    Json,
    /// Segments and words with their times.
    VerboseJson,
    /// Segments with their times and speakers.
    DiarizedJson,
}

impl OpenAi {
    /// A client for `config`; nothing is sent yet.
    pub fn new(config: OpenAiConfig) -> Result<Self, TranscriberError> {
        let mut base_url = config.base_url;
        if base_url.cannot_be_a_base() {
            let message = "OPENAI_BASE_URL is not an http URL: it should be like https://api.openai.com/v1";
            return Err(TranscriberError::new(FaultKind::Unauthorized, message));
        }
        if base_url.path() == "/" {
            base_url.set_path("/v1");
        }
        let key = config.api_key.map(|key| (key, "Bearer"));
        let peer = Peer::new("the OpenAI-compatible server", "OPENAI_API_KEY", key)?;
        Ok(Self { base_url, timeout: config.timeout, peer, without_times: Mutex::default() })
    }

    fn endpoint(&self, path: &[&str]) -> Url {
        let mut url = self.base_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// The richest format the model is known to take: all of OpenAI's own but Whisper give text alone.
    fn response_format(&self, model: &str) -> ResponseFormat {
        let without_times = self.without_times.lock().unwrap_or_else(PoisonError::into_inner);
        match model {
            _ if without_times.contains(model) => ResponseFormat::Json,
            _ if model.starts_with("gpt-") && model.ends_with("-diarize") => ResponseFormat::DiarizedJson,
            _ if model.starts_with("gpt-") => ResponseFormat::Json,
            _ => ResponseFormat::VerboseJson,
        }
    }

    /// The media is sent and can't be sent again, so a refused format is remembered for the next try.
    fn refusal(&self, answer: &Answer, model: &str, format: ResponseFormat) -> TranscriberError {
        if format == ResponseFormat::Json || !is_refused_format(answer) {
            return self.peer.refusal(answer);
        }
        let mut without_times = self.without_times.lock().unwrap_or_else(PoisonError::into_inner);
        if without_times.len() < REFUSALS_MAX {
            without_times.insert(model.to_owned());
        }
        let message = format!("model {model} gives no times: the next try asks for its text alone");
        TranscriberError::new(FaultKind::Transient, message).with_retry_after(Some(Duration::from_secs(1)))
    }
}

#[async_trait]
impl Transcriber for OpenAi {
    async fn transcribe(&self, media: Media, options: &TranscribeOptions) -> Result<Transcription, TranscriberError> {
        if self.base_url.host_str() == Some(OPENAI_HOST) && media.bytes > OPENAI_BYTES_MAX {
            return Err(too_large(media.bytes));
        }
        let model = options.model.as_deref().unwrap_or(DEFAULT_MODEL);
        let language = options.language.as_deref();
        let (limit, seconds) = (media.time_limit(self.timeout), media.seconds());
        let format = self.response_format(model);
        let form = form(media, model, language, format)?;
        let request = self.peer.request(Method::POST, self.endpoint(&["audio", "transcriptions"])).multipart(form);
        let answer = self.peer.exchange(request, limit).await?;
        if !answer.status.is_success() {
            return Err(self.refusal(&answer, model, format));
        }
        let response: response::Response =
            serde_json::from_slice(&answer.body).map_err(|error| self.peer.unreadable(&error))?;
        Ok(response.into_transcription(model, language, seconds))
    }

    fn provider(&self) -> &'static str {
        "openai"
    }

    /// Lists the models (`GET /models`). A server without that route was at least reached.
    async fn check(&self) -> Result<(), TranscriberError> {
        self.peer.probe(self.endpoint(&["models"])).await
    }
}

fn form(media: Media, model: &str, language: Option<&str>, format: ResponseFormat) -> Result<Form, TranscriberError> {
    let mut form = Form::new().text("model", model.to_owned());
    if let Some(language) = language {
        form = form.text("language", language.to_owned());
    }
    form = match format {
        ResponseFormat::Json => form.text("response_format", "json"),
        ResponseFormat::VerboseJson => form
            .text("response_format", "verbose_json")
            .text("timestamp_granularities[]", "segment")
            .text("timestamp_granularities[]", "word"),
        ResponseFormat::DiarizedJson => form.text("response_format", "diarized_json").text("chunking_strategy", "auto"),
    };
    let (content_type, bytes) = (media.content_type(), media.bytes);
    let file_name = format!("recording.{}", media.format.extension());
    let file = Part::stream_with_length(Body::wrap_stream(media.into_exact_body()), bytes)
        .file_name(file_name)
        .mime_str(content_type)
        .map_err(|error| TranscriberError::new(FaultKind::Rejected, "the media has no type").with_source(error))?;
    Ok(form.part("file", file))
}

/// Whether a 400 or 422 is about what we asked to get, not about the recording.
fn is_refused_format(answer: &Answer) -> bool {
    let is_about_format = |text: String| {
        ["response_format", "verbose_json", "timestamp_granularities"].iter().any(|word| text.contains(word))
    };
    matches!(answer.status, StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY)
        && is_about_format(String::from_utf8_lossy(&answer.body).into_owned())
}

fn too_large(bytes: u64) -> TranscriberError {
    let megabytes = bytes.div_ceil(1 << 20);
    let message = format!(
        "OpenAI takes recordings of at most 25 MB and this one has {megabytes} MB: archive as mp3, or use another provider"
    );
    TranscriberError::new(FaultKind::Rejected, message)
}

impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAi").field("host", &self.base_url.host_str()).finish_non_exhaustive()
    }
}

impl fmt::Debug for OpenAiConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiConfig").field("host", &self.base_url.host_str()).finish_non_exhaustive()
    }
}
