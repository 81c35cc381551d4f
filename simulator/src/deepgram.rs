//! Deepgram's pre-recorded transcription, `POST /v1/listen`:
//! <https://developers.deepgram.com/reference/speech-to-text/listen-pre-recorded>, and `GET /v1/auth/token`, which tells
//! of the key that asks: <https://developers.deepgram.com/docs/authenticating>

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State as Shared};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::SecondsFormat;
use futures::StreamExt;
use serde_json::{Value, json};

use crate::derive;
use crate::speech::{self, Listening, Speech, SpokenWord};
use crate::state::State;
use crate::transcription::{NO_AUDIO, Refusal, Turn};

/// Every word is this certain.
const CONFIDENCE: f64 = 0.98;

/// `/v1/listen` and `/v1/auth/token`.
pub(crate) fn routes() -> Router<Arc<State>> {
    Router::new().route("/v1/listen", post(listen)).route("/v1/auth/token", get(key))
}

async fn key(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Response<Body> {
    let id = derive::uuid(state.seed, state.next_serial(), "deepgram key");
    if !state.accepts_transcriber_key(token(&headers)) {
        return error(Refusal::Unauthorized, &id);
    }
    Json(json!({ "api_key_id": id, "scopes": ["usage:write"] })).into_response()
}

/// The query parameters that change the answer.
#[derive(Debug)]
struct Options {
    model: String,
    is_multichannel: bool,
    with_utterances: bool,
    is_punctuated: bool,
    detects_language: bool,
}

impl Options {
    fn from_query(query: &str) -> Self {
        let get = |name: &str| {
            form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        let is_on = |name: &str| get(name).is_some_and(|value| value == "true");
        Self {
            model: get("model").unwrap_or_else(|| "base".to_owned()),
            is_multichannel: is_on("multichannel"),
            with_utterances: is_on("utterances"),
            is_punctuated: is_on("punctuate") || is_on("smart_format"),
            detects_language: get("detect_language").is_some_and(|value| value != "false"),
        }
    }
}

async fn listen(Shared(state): Shared<Arc<State>>, request: Request) -> Response<Body> {
    let turn = Turn::begin(&state, "deepgram");
    let request_id = derive::uuid(state.seed, state.next_serial(), "deepgram request");
    let options = Options::from_query(request.uri().query().unwrap_or_default());
    let response = match transcribe(&state, &turn, request).await {
        Ok(speech) => {
            state.tally.transcription(&speech.sha256);
            Json(answer(&state, &speech, &options, &request_id)).into_response()
        }
        Err(refusal) => error(refusal, &request_id),
    };
    turn.end(response)
}

async fn transcribe(state: &State, turn: &Turn, request: Request) -> Result<Speech, Refusal> {
    if !state.accepts_transcriber_key(token(request.headers())) {
        return Err(Refusal::Unauthorized);
    }
    turn.faults().await?;
    let is_json =
        request.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    if is_json {
        return Err(Refusal::BadRequest("fetching audio from a URL is not simulated; send the audio".to_owned()));
    }
    let mut listening = Listening::new();
    let mut chunks = request.into_body().into_data_stream();
    while let Some(chunk) = chunks.next().await {
        listening.hear(&chunk.map_err(|_| Refusal::CutOff)?);
    }
    listening.finish().ok_or_else(|| Refusal::BadRequest(NO_AUDIO.to_owned()))
}

/// `Token KEY`, or `Bearer JWT`.
fn token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let is_known = scheme.eq_ignore_ascii_case("token") || scheme.eq_ignore_ascii_case("bearer");
    Some(token).filter(|token| is_known && !token.is_empty())
}

fn answer(state: &State, speech: &Speech, options: &Options, request_id: &str) -> Value {
    let channels = if options.is_multichannel { speech.words() } else { vec![speech.words_mixed()] };
    let model_id = derive::uuid(0, 0, &options.model);
    let mut answer = json!({
        "metadata": {
            "transaction_key": "deprecated",
            "request_id": request_id,
            "sha256": speech.sha256,
            "created": state.now().to_rfc3339_opts(SecondsFormat::Millis, true),
            "duration": speech.duration,
            "channels": channels.len(),
            "models": [model_id],
            "model_info": { model_id: {
                "name": format!("general-{}", options.model),
                "version": "2026-01-01.0",
                "arch": options.model,
            } },
        },
        "results": { "channels": channels.iter().map(|words| channel(words, options)).collect::<Vec<_>>() },
    });
    if options.with_utterances {
        answer["results"]["utterances"] = utterances(&channels, options, state.seed).into();
    }
    answer
}

fn channel(words: &[SpokenWord], options: &Options) -> Value {
    let mut channel = json!({ "alternatives": [{
        "transcript": transcript(words, options),
        "confidence": if words.is_empty() { 0.0 } else { CONFIDENCE },
        "words": words.iter().map(|one| word(one, options)).collect::<Vec<_>>(),
    }] });
    if options.detects_language {
        channel["detected_language"] = "en".into();
        channel["language_confidence"] = CONFIDENCE.into();
    }
    channel
}

/// One for each sentence, in the order they are said.
fn utterances(channels: &[Vec<SpokenWord>], options: &Options, seed: u64) -> Vec<Value> {
    let mut utterances = Vec::new();
    for (number, words) in channels.iter().enumerate() {
        for sentence in speech::sentences(words) {
            let (Some(first), Some(last)) = (sentence.first(), sentence.last()) else {
                continue;
            };
            utterances.push(json!({
                "start": first.start,
                "end": last.end,
                "confidence": CONFIDENCE,
                "channel": number,
                "transcript": transcript(sentence, options),
                "words": sentence.iter().map(|one| word(one, options)).collect::<Vec<_>>(),
                "id": derive::uuid(seed, utterances.len() as u64, "utterance"),
            }));
        }
    }
    utterances
}

fn transcript(words: &[SpokenWord], options: &Options) -> String {
    if options.is_punctuated {
        return speech::text(words);
    }
    words.iter().map(SpokenWord::plain).collect::<Vec<_>>().join(" ")
}

fn word(word: &SpokenWord, options: &Options) -> Value {
    let mut value = json!({ "word": word.plain(), "start": word.start, "end": word.end, "confidence": CONFIDENCE });
    if options.is_punctuated {
        value["punctuated_word"] = word.word.into();
    }
    value
}

fn error(refusal: Refusal, request_id: &str) -> Response<Body> {
    let (err_code, err_msg) = match &refusal {
        Refusal::Unauthorized => ("INVALID_AUTH", "Invalid credentials."),
        Refusal::BadRequest(message) => ("Bad Request", message.as_str()),
        Refusal::TooLarge => ("Payload Too Large", "The request body is too large."),
        Refusal::Fault { status: 429, .. } => ("TOO_MANY_REQUESTS", "Too many requests. Please try again later"),
        Refusal::Fault { .. } | Refusal::CutOff => ("INTERNAL_SERVER_ERROR", "Please try again later"),
    };
    let body = Json(json!({ "err_code": err_code, "err_msg": err_msg, "request_id": request_id }));
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, refusal.headers(), body).into_response()
}
