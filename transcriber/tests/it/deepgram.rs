//! Deepgram at the wire. What is right to ask and how an answer is read comes from `deepgram-sdk`, its own library.

use callvault_transcriber::{Deepgram, DeepgramConfig, Transcriber, Transcription};
use serde_json::{Value, json};
use url::Url;

use crate::harness::{self, MINUTE, Server, media, options, python};

const TWO_CHANNELS: &str = include_str!("answers/deepgram_two_channels.json");
const AUDIO: &[u8] = b"RIFF and the rest of a recording";

fn deepgram(api_url: &Url) -> Deepgram {
    Deepgram::new(DeepgramConfig { api_url: api_url.clone(), api_key: "dg-key".into(), timeout: MINUTE }).unwrap()
}

async fn transcribed(answer: impl Into<String>, channels: u8) -> Transcription {
    let server = Server::start(vec![harness::json(answer)]).await;
    deepgram(&server.url).transcribe(media(channels, &[AUDIO]), &options(None, None)).await.unwrap()
}

fn query(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn request_is_the_one_the_official_library_makes() {
    let server = Server::start(vec![harness::json(TWO_CHANNELS), harness::json(TWO_CHANNELS)]).await;
    let asked = json!({"model": "nova-3", "smart_format": true, "punctuate": true, "utterances": true,
        "multichannel": true, "detect_language": true});
    let audio = std::str::from_utf8(AUDIO).unwrap();
    python("deepgram_listen.py", &[server.url.as_str(), "dg-key", &asked.to_string()], audio).await;
    deepgram(&server.url).transcribe(media(2, &[AUDIO]), &options(None, None)).await.unwrap();

    let [official, ours] = server.requests().try_into().ok().unwrap();
    assert_eq!((&ours.method, ours.uri.path()), (&official.method, official.uri.path()));
    assert_eq!(ours.query(), official.query());
    assert_eq!(ours.header("authorization"), official.header("authorization"));
    assert_eq!(ours.body, official.body);
}

#[tokio::test]
async fn answer_is_read_as_the_official_library_reads_it() {
    let server = Server::start(vec![harness::json(TWO_CHANNELS)]).await;
    let mut official = python("deepgram_listen.py", &[server.url.as_str(), "dg-key", "{}"], "RIFF").await;
    let by_start = |said: &Value| said["start"].as_f64().map(f64::to_bits);
    official["utterances"].as_array_mut().unwrap().sort_by_key(by_start);
    let mut ours = serde_json::to_value(transcribed(TWO_CHANNELS, 2).await).unwrap();
    for said in ours["utterances"].as_array_mut().unwrap() {
        said.as_object_mut().unwrap().remove("speaker");
    }
    for field in ["duration_seconds", "language", "utterances"] {
        assert_eq!(ours[field], official[field], "{field}");
    }
}

#[tokio::test]
async fn each_channel_is_its_own_speaker_and_turns_are_in_order() {
    let made = transcribed(TWO_CHANNELS, 2).await;
    let speakers: Vec<_> = made.utterances.iter().map(|said| (said.channel, said.speaker.as_str())).collect();
    assert_eq!(speakers, [(0, "0"), (1, "1"), (0, "0")]);
    assert_eq!(made.text, "My router blinks.\nPlease wait.\nStill red.");
    assert_eq!((made.model.as_str(), made.language.as_str()), ("nova-3", "en"));
}

#[tokio::test]
async fn media_goes_out_whole_with_its_length_and_type() {
    let server = Server::start(vec![harness::json(TWO_CHANNELS)]).await;
    let chunked = media(2, &[b"RIFF ", b"in ", b"chunks"]);
    deepgram(&server.url).transcribe(chunked, &options(None, None)).await.unwrap();
    let request = server.request();
    assert_eq!(request.body, &b"RIFF in chunks"[..]);
    assert_eq!(request.header("content-length"), "14");
    assert_eq!(request.header("transfer-encoding"), "");
    assert_eq!(request.header("content-type"), "audio/wav");
}

#[tokio::test]
async fn mp3_goes_out_as_mpeg() {
    let server = Server::start(vec![harness::json(TWO_CHANNELS)]).await;
    let mp3 = callvault_transcriber::Media { format: twilio::MediaFormat::Mp3, ..media(1, &[b"ID3"]) };
    deepgram(&server.url).transcribe(mp3, &options(None, None)).await.unwrap();
    assert_eq!(server.request().header("content-type"), "audio/mpeg");
}

#[tokio::test]
async fn one_channel_is_diarised_and_a_language_given_is_not_detected() {
    let server = Server::start(vec![harness::json(TWO_CHANNELS)]).await;
    deepgram(&server.url).transcribe(media(1, &[AUDIO]), &options(Some("nova-2"), Some("pt-BR"))).await.unwrap();
    let expected = [
        ("diarize", "true"),
        ("language", "pt-BR"),
        ("model", "nova-2"),
        ("punctuate", "true"),
        ("smart_format", "true"),
        ("utterances", "true"),
    ];
    assert_eq!(server.request().query(), query(&expected));
}

#[tokio::test]
async fn query_of_the_configured_url_goes_with_the_request() {
    let server = Server::start(vec![harness::json(TWO_CHANNELS)]).await;
    let url = server.url.join("/proxy/?mip_opt_out=true").unwrap();
    deepgram(&url).transcribe(media(1, &[AUDIO]), &options(None, None)).await.unwrap();
    let request = server.request();
    assert_eq!(request.uri.path(), "/proxy/v1/listen");
    assert!(request.query().contains(&("mip_opt_out".to_owned(), "true".to_owned())));
}

#[tokio::test]
async fn diarised_speakers_keep_their_labels() {
    let utterance = |start: u32, speaker: u32, text: &str| {
        json!({"start": start, "end": start + 1, "channel": 0, "speaker": speaker, "confidence": 0.9,
            "transcript": text, "words": []})
    };
    let answer = json!({"metadata": {"duration": 3.0}, "results": {
        "channels": [{"alternatives": [{"transcript": "Hello. Hi.", "confidence": 0.9, "words": []}]}],
        "utterances": [utterance(0, 0, "Hello."), utterance(1, 1, "Hi.")]}});
    let made = transcribed(answer.to_string(), 1).await;
    let speakers: Vec<_> = made.utterances.iter().map(|said| said.speaker.as_str()).collect();
    assert_eq!(speakers, ["0", "1"]);
    assert_eq!(made.text, "Hello.\nHi.");
}

#[tokio::test]
async fn silence_is_an_empty_transcription() {
    let silent = json!({"alternatives": [{"transcript": "", "confidence": 0.0, "words": []}]});
    let answer = json!({"metadata": {"duration": 4.5}, "results": {"channels": [silent, silent], "utterances": []}});
    let made = transcribed(answer.to_string(), 2).await;
    assert_eq!((made.text.as_str(), made.utterances.len()), ("", 0));
    assert_eq!((made.duration_seconds, made.language.as_str()), (4.5, "und"));
}

#[tokio::test]
async fn answer_without_utterances_gives_one_a_channel() {
    let mut answer: Value = serde_json::from_str(TWO_CHANNELS).unwrap();
    answer["results"].as_object_mut().unwrap().remove("utterances");
    let made = transcribed(answer.to_string(), 2).await;
    let heard: Vec<_> = made.utterances.iter().map(|said| (said.channel, said.start, said.end)).collect();
    assert_eq!(heard, [(0, 0.5, 6.25), (1, 3.0, 4.0)]);
    assert_eq!(made.text, "My router blinks. Still red.\nPlease wait.");
}

#[tokio::test]
async fn model_used_in_place_of_the_one_asked_for_is_named() {
    let answer = TWO_CHANNELS.replace("general-nova-3", "general-nova-2").replace(r#""nova-3""#, r#""nova-2""#);
    assert_eq!(transcribed(answer, 2).await.model, "general-nova-2");
}

#[tokio::test]
async fn check_asks_about_the_key() {
    let server = Server::start(vec![harness::json("{}")]).await;
    deepgram(&server.url).check().await.unwrap();
    let request = server.request();
    assert_eq!((request.method.as_str(), request.uri.path()), ("GET", "/v1/auth/token"));
    assert_eq!(request.header("authorization"), "Token dg-key");
}

#[tokio::test]
async fn check_of_a_server_without_that_route_is_content_to_reach_it() {
    let server = Server::start(vec![harness::status(404, "{}")]).await;
    deepgram(&server.url).check().await.unwrap();
}

#[test]
fn key_with_a_line_break_in_it_is_refused_at_once() {
    let api_url = Url::parse("https://api.deepgram.com").unwrap();
    let error = Deepgram::new(DeepgramConfig { api_url, api_key: "dg-\nkey".into(), timeout: MINUTE }).unwrap_err();
    assert_eq!(error.kind, callvault_transcriber::FaultKind::Unauthorized);
    assert!(error.to_string().contains("DEEPGRAM_API_KEY"), "{error}");
}
