//! OpenAI's transcription, `POST /v1/audio/transcriptions`, and `GET /v1/models`:
//! <https://platform.openai.com/docs/api-reference/audio/createTranscription>

use std::sync::Arc;

use axum::body::Body;
use axum::extract::multipart::{Field, Multipart};
use axum::extract::{DefaultBodyLimit, FromRequest, Path, Request, State as Shared};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::speech::{self, Listening, Speech, SpokenWord};
use crate::state::State;
use crate::transcription::{Refusal, Turn};

/// OpenAI takes files of up to 25 MB.
const FILE_BYTES_MAX: u64 = 25 * 1024 * 1024;
/// For any other field of the form.
const FIELD_BYTES_MAX: usize = 64 * 1024;

const MODELS: [&str; 3] = ["whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe"];

/// `/v1/audio/transcriptions` and `/v1/models`.
pub(crate) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route("/v1/audio/transcriptions", post(transcriptions))
        .layer(DefaultBodyLimit::disable())
        .route("/v1/models", get(models))
        .route("/v1/models/{id}", get(model))
}

/// The form of a request, and what its file says.
#[derive(Default)]
struct Form {
    speech: Option<Speech>,
    model: String,
    response_format: String,
    granularities: Vec<String>,
}

async fn transcriptions(Shared(state): Shared<Arc<State>>, request: Request) -> Response<Body> {
    let turn = Turn::begin(&state, "openai");
    let response = match transcribe(&state, &turn, request).await {
        Ok((form, speech)) => {
            state.tally.transcription(&speech.sha256);
            answer(&form, &speech)
        }
        Err(refusal) => error(refusal),
    };
    turn.end(response)
}

async fn transcribe(state: &State, turn: &Turn, request: Request) -> Result<(Form, Speech), Refusal> {
    if !accepts(state, request.headers()) {
        return Err(Refusal::Unauthorized);
    }
    turn.faults().await?;
    let multipart = Multipart::from_request(request, &()).await;
    let mut form = read(multipart.map_err(|rejection| Refusal::BadRequest(rejection.body_text()))?).await?;
    form.check()?;
    let speech = form.speech.take();
    let missing = || Refusal::BadRequest("Missing required parameter: 'file'.".to_owned());
    speech.ok_or_else(missing).map(|speech| (form, speech))
}

/// A key is needed only where one was set: OpenAI-compatible servers often take none.
fn accepts(state: &State, headers: &HeaderMap) -> bool {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let key = header.and_then(|header| header.strip_prefix("Bearer "));
    state.accepts_transcriber_key(key.or(Some("")))
}

async fn read(mut multipart: Multipart) -> Result<Form, Refusal> {
    let mut form = Form { response_format: "json".to_owned(), ..Form::default() };
    let broken = |_| Refusal::BadRequest("Could not parse multipart form".to_owned());
    while let Some(field) = multipart.next_field().await.map_err(broken)? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" {
            form.speech = Some(hear(field).await?);
            continue;
        }
        let value = text(field).await?;
        match name.as_str() {
            "model" => form.model = value,
            "response_format" => form.response_format = value,
            "timestamp_granularities[]" => form.granularities.push(value),
            _ => {}
        }
    }
    Ok(form)
}

async fn hear(mut file: Field<'_>) -> Result<Speech, Refusal> {
    let mut listening = Listening::new();
    while let Some(chunk) = file.chunk().await.map_err(|_| Refusal::CutOff)? {
        listening.hear(&chunk);
        if listening.bytes() > FILE_BYTES_MAX {
            return Err(Refusal::TooLarge);
        }
    }
    let message = "Invalid file format. Supported formats: ['flac', 'm4a', 'mp3', 'mp4', 'mpeg', 'mpga', 'oga', 'ogg', 'wav', 'webm']";
    listening.finish().ok_or_else(|| Refusal::BadRequest(message.to_owned()))
}

async fn text(mut field: Field<'_>) -> Result<String, Refusal> {
    let mut value = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|_| Refusal::CutOff)? {
        value.extend(&chunk);
        if value.len() > FIELD_BYTES_MAX {
            return Err(Refusal::TooLarge);
        }
    }
    Ok(String::from_utf8_lossy(&value).into_owned())
}

impl Form {
    fn check(&self) -> Result<(), Refusal> {
        let refuse = |message: String| Err(Refusal::BadRequest(message));
        if self.model.is_empty() {
            return refuse("you must provide a model parameter".to_owned());
        }
        if !["json", "text", "verbose_json"].contains(&self.response_format.as_str()) {
            return refuse(format!("response_format '{}' is not simulated", self.response_format));
        }
        let is_verbose = self.response_format == "verbose_json";
        if is_verbose && self.model.starts_with("gpt-4o") {
            return refuse(format!(
                "response_format 'verbose_json' is not compatible with model '{}'. Use 'json' or 'text' instead.",
                self.model
            ));
        }
        if !is_verbose && self.wants("word") {
            return refuse("timestamp_granularities needs response_format 'verbose_json'".to_owned());
        }
        Ok(())
    }

    fn wants(&self, granularity: &str) -> bool {
        self.granularities.iter().any(|one| one == granularity)
    }
}

fn answer(form: &Form, speech: &Speech) -> Response<Body> {
    let words = speech.words_mixed();
    let text = speech::text(&words);
    let usage = json!({ "type": "duration", "seconds": speech.duration.ceil() });
    match form.response_format.as_str() {
        "text" => format!("{text}\n").into_response(),
        "verbose_json" => Json(verbose(form, speech, &words)).into_response(),
        _ => Json(json!({ "text": text, "usage": usage })).into_response(),
    }
}

fn verbose(form: &Form, speech: &Speech, words: &[SpokenWord]) -> Value {
    let mut answer = json!({
        "task": "transcribe",
        "language": "english",
        "duration": speech.duration,
        "text": speech::text(words),
        "usage": { "type": "duration", "seconds": speech.duration.ceil() },
    });
    if form.wants("segment") || form.granularities.is_empty() {
        let segments = speech::sentences(words).enumerate();
        answer["segments"] = segments.map(|(id, sentence)| segment(id, sentence)).collect();
    }
    if form.wants("word") {
        let plain = |one: &SpokenWord| json!({ "word": unpunctuated(one.word), "start": one.start, "end": one.end });
        answer["words"] = words.iter().map(plain).collect();
    }
    answer
}

/// Whisper's words keep their capitals and lose their punctuation.
fn unpunctuated(word: &str) -> &str {
    word.trim_matches(|c: char| c.is_ascii_punctuation())
}

fn segment(id: usize, words: &[SpokenWord]) -> Value {
    json!({
        "id": id,
        "seek": 0,
        "start": words.first().map_or(0.0, |word| word.start),
        "end": words.last().map_or(0.0, |word| word.end),
        "text": format!(" {}", speech::text(words)),
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": -0.2,
        "compression_ratio": 1.2,
        "no_speech_prob": 0.01,
    })
}

async fn models(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Response<Body> {
    state.tally.request("models");
    if !accepts(&state, &headers) {
        return error(Refusal::Unauthorized);
    }
    Json(json!({ "object": "list", "data": MODELS.map(description) })).into_response()
}

async fn model(Shared(state): Shared<Arc<State>>, headers: HeaderMap, Path(id): Path<String>) -> Response<Body> {
    state.tally.request("models");
    if !accepts(&state, &headers) {
        return error(Refusal::Unauthorized);
    }
    let known = MODELS.into_iter().find(|model| *model == id);
    match known {
        Some(model) => Json(description(model)).into_response(),
        None => (StatusCode::NOT_FOUND, Json(problem("The model does not exist", "model_not_found"))).into_response(),
    }
}

fn description(model: &str) -> Value {
    json!({ "id": model, "object": "model", "created": 1_677_532_384, "owned_by": "openai-internal" })
}

fn error(refusal: Refusal) -> Response<Body> {
    let (message, code) = match &refusal {
        Refusal::Unauthorized => ("Incorrect API key provided.".to_owned(), "invalid_api_key"),
        Refusal::BadRequest(message) => (message.clone(), "invalid_value"),
        Refusal::TooLarge => (format!("Maximum content size limit ({FILE_BYTES_MAX}) exceeded"), "content_too_large"),
        Refusal::Fault { status: 429, .. } => ("Rate limit reached for requests".to_owned(), "rate_limit_exceeded"),
        Refusal::Fault { .. } | Refusal::CutOff => {
            ("The server had an error while processing your request".to_owned(), "server_error")
        }
    };
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, refusal.headers(), Json(problem(&message, code))).into_response()
}

fn problem(message: &str, code: &str) -> Value {
    json!({ "error": { "message": message, "type": "invalid_request_error", "param": null, "code": code } })
}
