//! OpenAI's API at the wire. What is right to ask and how an answer is read comes from `openai`, its own library.

use callvault_transcriber::{FaultKind, OpenAi, OpenAiConfig, Transcriber, Transcription};
use serde_json::{Value, json};
use url::Url;

use crate::harness::{self, MINUTE, Recorded, Server, media, options, python};

const VERBOSE: &str = include_str!("answers/openai_verbose.json");
/// As OpenAI refuses it (reported in vercel/ai issue 8214 and openai/openai-dotnet issue 401).
const NO_VERBOSE: &str = r#"{"error": {"message": "response_format 'verbose_json' is not compatible with model 'm'. Use 'json' or 'text' instead.", "type": "invalid_request_error", "param": "response_format", "code": "unsupported_value"}}"#;
const AUDIO: &[u8] = b"RIFF and the rest of a recording";

fn openai(base_url: Url) -> OpenAi {
    OpenAi::new(OpenAiConfig { base_url, api_key: Some("sk-key".into()), timeout: MINUTE }).unwrap()
}

async fn transcribed(answer: impl Into<String>, model: &str, language: Option<&str>) -> Transcription {
    let server = Server::start(vec![harness::json(answer)]).await;
    let openai = openai(server.url.join("/v1").unwrap());
    openai.transcribe(media(1, &[AUDIO]), &options(Some(model), language)).await.unwrap()
}

async fn requested(model: Option<&str>, language: Option<&str>) -> Recorded {
    let server = Server::start(vec![harness::json(VERBOSE)]).await;
    let openai = openai(server.url.join("/v1").unwrap());
    openai.transcribe(media(1, &[AUDIO]), &options(model, language)).await.unwrap();
    server.request()
}

async fn field(request: &Recorded, name: &str) -> Vec<String> {
    let fields = request.form().await.into_iter().filter(|field| field.0 == name);
    fields.map(|(.., content)| String::from_utf8(content.into()).unwrap()).collect()
}

#[tokio::test]
async fn request_is_the_one_the_official_library_makes() {
    let server = Server::start(vec![harness::json(VERBOSE), harness::json(VERBOSE)]).await;
    let base_url = server.url.join("/v1").unwrap();
    let asked = json!({"model": "whisper-1", "language": "en", "response_format": "verbose_json",
        "timestamp_granularities": ["segment", "word"]});
    let audio = std::str::from_utf8(AUDIO).unwrap();
    python("openai_transcribe.py", &[base_url.as_str(), "sk-key", &asked.to_string()], audio).await;
    openai(base_url).transcribe(media(1, &[AUDIO]), &options(None, Some("en"))).await.unwrap();

    let [official, ours] = server.requests().try_into().ok().unwrap();
    assert_eq!((&ours.method, &ours.uri), (&official.method, &official.uri));
    assert_eq!(ours.header("authorization"), official.header("authorization"));
    assert_eq!(ours.form().await, official.form().await);
}

#[tokio::test]
async fn answer_is_read_as_the_official_library_reads_it() {
    let server = Server::start(vec![harness::json(VERBOSE)]).await;
    let base_url = server.url.join("/v1").unwrap();
    let asked = r#"{"model": "whisper-1", "response_format": "verbose_json"}"#;
    let official = python("openai_transcribe.py", &[base_url.as_str(), "sk-key", asked], "RIFF").await;

    let made = transcribed(VERBOSE, "whisper-1", None).await;
    let segments = made
        .utterances
        .iter()
        .map(|said| json!({"start": said.start, "end": said.end, "text": format!(" {}", said.text)}));
    let words = made.utterances.iter().flat_map(|said| &said.words);
    let words = words.map(|word| json!({"start": word.start, "end": word.end, "word": word.word}));
    assert_eq!(segments.collect::<Value>(), official["segments"]);
    assert_eq!(words.collect::<Value>(), official["words"]);
    assert_eq!(
        (json!(made.text), json!(made.duration_seconds)),
        (official["text"].clone(), official["duration_seconds"].clone())
    );
}

#[tokio::test]
async fn words_belong_to_the_segment_they_are_in() {
    let made = transcribed(VERBOSE, "whisper-1", None).await;
    let words: Vec<usize> = made.utterances.iter().map(|said| said.words.len()).collect();
    assert_eq!(words, [3, 2]);
    assert_eq!(made.language, "en");
    assert!((made.utterances[0].confidence.unwrap() - 0.7788).abs() < 0.0001, "e to the power of -0.25");
}

#[tokio::test]
async fn media_goes_out_with_its_length_in_a_named_file() {
    let request = requested(None, None).await;
    let file = request.form().await.into_iter().find(|field| field.0 == "file").unwrap();
    assert_eq!((file.1.as_str(), file.2.as_str(), &file.3[..]), ("recording.wav", "audio/wav", AUDIO));
    assert_eq!(request.header("content-length"), request.body.len().to_string());
    assert_eq!(request.header("transfer-encoding"), "");
    assert!(field(&request, "language").await.is_empty());
}

#[tokio::test]
async fn models_that_give_text_alone_are_asked_for_text_alone() {
    for model in ["gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-transcribe"] {
        let request = requested(Some(model), None).await;
        assert_eq!(field(&request, "response_format").await, ["json"], "{model}");
        assert!(field(&request, "timestamp_granularities[]").await.is_empty(), "{model}");
    }
}

#[tokio::test]
async fn diarising_model_is_asked_for_speakers() {
    let request = requested(Some("gpt-4o-transcribe-diarize"), None).await;
    assert_eq!(field(&request, "response_format").await, ["diarized_json"]);
    assert_eq!(field(&request, "chunking_strategy").await, ["auto"]);
}

#[tokio::test]
async fn diarised_segments_keep_their_speakers() {
    let segment = |start: f64, speaker: &str, text: &str| json!({"id": "seg", "type": "transcript.text.segment", "start": start, "end": start + 1.0, "speaker": speaker, "text": text});
    let answer = json!({"task": "transcribe", "duration": 2.0, "text": "Hello. Hi.",
        "segments": [segment(0.0, "A", "Hello."), segment(1.0, "B", "Hi.")]});
    let made = transcribed(answer.to_string(), "gpt-4o-transcribe-diarize", Some("en")).await;
    let speakers: Vec<_> = made.utterances.iter().map(|said| said.speaker.as_str()).collect();
    assert_eq!(speakers, ["A", "B"]);
}

#[tokio::test]
async fn plain_text_is_one_utterance_as_long_as_the_recording() {
    let made = transcribed(r#"{"text": "Hello there.", "usage": {"type": "tokens"}}"#, "gpt-4o-transcribe", None).await;
    let said = &made.utterances[0];
    assert_eq!((said.start, said.end, said.text.as_str(), said.speaker.as_str()), (0.0, 12.0, "Hello there.", "0"));
    assert_eq!((made.utterances.len(), made.language.as_str()), (1, "und"));
}

#[tokio::test]
async fn refused_verbose_answer_is_remembered_for_the_next_try() {
    let answers = vec![harness::status(400, NO_VERBOSE), harness::json(r#"{"text": "Hello."}"#)];
    let server = Server::start(answers).await;
    let openai = openai(server.url.join("/v1").unwrap());
    let asked = options(Some("m"), None);
    let error = openai.transcribe(media(1, &[AUDIO]), &asked).await.unwrap_err();
    assert_eq!(error.kind, FaultKind::Transient);
    assert_eq!(openai.transcribe(media(1, &[AUDIO]), &asked).await.unwrap().text, "Hello.");
    let requests = server.requests();
    assert_eq!(field(&requests[0], "response_format").await, ["verbose_json"]);
    assert_eq!(field(&requests[1], "response_format").await, ["json"]);
}

#[tokio::test]
async fn text_invented_over_silence_is_left_out() {
    let segment = |start: f64, text: &str, no_speech: f64, log_probability: f64| json!({"start": start, "end": start + 1.0, "text": text, "no_speech_prob": no_speech, "avg_logprob": log_probability});
    let answer = json!({"text": "Hello. Thanks for watching!", "language": "en", "duration": 9.0,
        "segments": [segment(0.0, "Hello.", 0.7, -0.3), segment(5.0, "Thanks for watching!", 0.7, -1.2)]});
    let made = transcribed(answer.to_string(), "whisper-1", None).await;
    assert_eq!((made.text.as_str(), made.utterances.len()), ("Hello.", 1));
}

#[tokio::test]
async fn silence_is_an_empty_transcription() {
    let answer = json!({"text": "", "language": "english", "duration": "4.5", "segments": [], "words": []});
    let made = transcribed(answer.to_string(), "whisper-1", None).await;
    assert_eq!((made.text.as_str(), made.utterances.len(), made.duration_seconds), ("", 0, 4.5));
}

#[tokio::test]
async fn language_is_a_tag_however_the_server_names_it() {
    for (heard, tag) in [("Portuguese", "pt"), ("haitian creole", "ht"), ("de", "de"), ("cantonese", "yue")] {
        let answer = json!({"text": "…", "language": heard}).to_string();
        assert_eq!(transcribed(answer, "whisper-1", None).await.language, tag);
    }
    let several = r#"{"text": "…", "languages": [{"code": "fr"}, {"code": "en"}]}"#;
    assert_eq!(transcribed(several, "gpt-transcribe", None).await.language, "fr");
    assert_eq!(transcribed(several, "gpt-transcribe", Some("en")).await.language, "en");
}

#[tokio::test]
async fn base_url_may_lack_its_v1_or_have_another_path() {
    for (base, path) in [
        ("/", "/v1/audio/transcriptions"),
        ("/v1/", "/v1/audio/transcriptions"),
        ("/openai/deployments/whisper?api-version=2024-06-01", "/openai/deployments/whisper/audio/transcriptions"),
    ] {
        let server = Server::start(vec![harness::json(VERBOSE)]).await;
        let openai = openai(server.url.join(base).unwrap());
        openai.transcribe(media(1, &[AUDIO]), &options(None, None)).await.unwrap();
        assert_eq!(server.request().uri.path(), path);
    }
}

#[tokio::test]
async fn without_a_key_no_authorization_is_sent() {
    let server = Server::start(vec![harness::json(VERBOSE)]).await;
    let config = OpenAiConfig { base_url: server.url.clone(), api_key: None, timeout: MINUTE };
    OpenAi::new(config).unwrap().transcribe(media(1, &[AUDIO]), &options(None, None)).await.unwrap();
    assert!(server.request().headers.get("authorization").is_none());
}

#[tokio::test]
async fn recording_over_openais_limit_is_rejected_before_it_is_sent() {
    let openai = openai(Url::parse("https://api.openai.com/v1").unwrap());
    let large = callvault_transcriber::Media { bytes: 26_214_401, ..media(1, &[]) };
    let error = openai.transcribe(large, &options(None, None)).await.unwrap_err();
    assert_eq!(error.kind, FaultKind::Rejected);
    assert!(error.to_string().contains("25 MB"), "{error}");
}

#[tokio::test]
async fn account_without_credit_is_unauthorized_not_throttled() {
    let answer = r#"{"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}"#;
    let server = Server::start(vec![harness::status(429, answer)]).await;
    let error = openai(server.url.clone()).transcribe(media(1, &[AUDIO]), &options(None, None)).await.unwrap_err();
    assert_eq!(error.kind, FaultKind::Unauthorized);
    assert!(error.to_string().contains("out of credit"), "{error}");
}

#[tokio::test]
async fn check_lists_the_models() {
    let server = Server::start(vec![harness::json("{}"), harness::status(401, "{}")]).await;
    let openai = openai(server.url.join("/v1").unwrap());
    openai.check().await.unwrap();
    assert_eq!(server.request().uri.path(), "/v1/models");
    let error = openai.check().await.unwrap_err();
    assert_eq!(error.kind, FaultKind::Unauthorized);
    assert!(error.to_string().contains("OPENAI_API_KEY"), "{error}");
}
