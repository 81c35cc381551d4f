//! Deepgram and OpenAI, at the wire. Their own libraries are in `official_clients`.

use callvault_simulator::{Faults, MediaPlan, Simulator, clips};
use reqwest::multipart::{Form, Part};
use reqwest::{Response, StatusCode};
use serde_json::Value;

use crate::harness::{add, call_with, get, sha256, start, synthetic};

async fn listen(simulator: &Simulator, query: &str, audio: impl Into<reqwest::Body>) -> Response {
    let url = format!("{}v1/listen?{query}", simulator.url());
    let request = reqwest::Client::new().post(url).header("Authorization", "Token key");
    request.header("Content-Type", "audio/wav").body(audio).send().await.unwrap()
}

fn dual() -> &'static callvault_simulator::Clip {
    clips().iter().find(|clip| clip.channels == 2).unwrap()
}

async fn transcriptions(simulator: &Simulator, form: Form) -> Response {
    let url = format!("{}v1/audio/transcriptions", simulator.url());
    reqwest::Client::new().post(url).multipart(form).send().await.unwrap()
}

fn form(audio: &'static [u8], format: &'static str) -> Form {
    let file = Part::bytes(audio).file_name("audio.wav");
    Form::new().text("model", "whisper-1").text("response_format", format).part("file", file)
}

#[tokio::test]
async fn deepgram_tells_the_channels_apart() {
    let simulator = start().await;
    let query = "model=nova-3&multichannel=true&utterances=true&smart_format=true&detect_language=true";
    let answer: Value = listen(&simulator, query, dual().wav).await.json().await.unwrap();
    assert_eq!(answer["metadata"]["channels"], 2);
    assert_eq!(answer["metadata"]["sha256"], sha256(dual().wav));
    for (channel, text) in dual().channel_texts.iter().enumerate() {
        let channel = &answer["results"]["channels"][channel];
        assert_eq!(channel["alternatives"][0]["transcript"], *text);
        assert_eq!(channel["detected_language"], "en");
    }
    let utterances = answer["results"]["utterances"].as_array().unwrap();
    let told: Vec<_> = utterances.iter().map(|one| one["transcript"].as_str().unwrap()).collect();
    assert_eq!(told.join(" "), dual().text);
    assert_eq!((&utterances[0]["channel"], &utterances.last().unwrap()["channel"]), (&0.into(), &1.into()));
}

#[tokio::test]
async fn deepgram_mixes_the_channels_unless_asked() {
    let simulator = start().await;
    let answer: Value = listen(&simulator, "smart_format=true", dual().wav).await.json().await.unwrap();
    assert_eq!(answer["results"]["channels"].as_array().unwrap().len(), 1);
    assert_eq!(answer["results"]["channels"][0]["alternatives"][0]["transcript"], dual().text);
    assert!(answer["results"].get("utterances").is_none());
}

/// Deepgram: without `punctuate` or `smart_format` there are neither capitals nor punctuation.
#[tokio::test]
async fn deepgram_punctuates_when_asked() {
    let simulator = start().await;
    let answer: Value = listen(&simulator, "", clips()[0].wav).await.json().await.unwrap();
    let alternative = &answer["results"]["channels"][0]["alternatives"][0];
    assert!(alternative["transcript"].as_str().unwrap().starts_with("hi it's dana from"), "{alternative}");
    assert!(alternative["words"][0].get("punctuated_word").is_none());
}

#[tokio::test]
async fn what_twilio_serves_is_understood_in_every_form() {
    let simulator = start().await;
    let index = clips().iter().position(|clip| clip.channels == 2).unwrap();
    let sid = add(&simulator, call_with(0, MediaPlan::Clip(index)));
    for file in [format!("{sid}.wav"), format!("{sid}.wav?RequestedChannels=1"), format!("{sid}.mp3")] {
        let media = get(&simulator, &format!("Recordings/{file}")).send().await.unwrap().bytes().await.unwrap();
        let answer: Value = listen(&simulator, "smart_format=true", media).await.json().await.unwrap();
        assert_eq!(answer["results"]["channels"][0]["alternatives"][0]["transcript"], dual().text, "{file}");
    }
}

#[tokio::test]
async fn synthetic_media_are_transcribed_while_they_stream() {
    let simulator = start().await;
    let sid = add(&simulator, synthetic(0, 30_000_000));
    let media = get(&simulator, &format!("Recordings/{sid}.wav")).send().await.unwrap();
    let audio = reqwest::Body::wrap_stream(media.bytes_stream());
    let answer: Value = listen(&simulator, "smart_format=true", audio).await.json().await.unwrap();
    let truth = &simulator.recordings()[0];
    assert_eq!(answer["results"]["channels"][0]["alternatives"][0]["transcript"], truth.text);
    assert_eq!(simulator.counters().transcriptions[truth.sha256.as_ref().unwrap()], 1);
}

#[tokio::test]
async fn unknown_audio_is_silence_and_no_audio_is_an_error() {
    let simulator = start().await;
    let mut changed = dual().wav.to_vec();
    changed[1000] ^= 1;
    let answer: Value = listen(&simulator, "multichannel=true", changed).await.json().await.unwrap();
    assert_eq!(answer["metadata"]["channels"], 2);
    assert_eq!(answer["results"]["channels"][1]["alternatives"][0]["transcript"], "");
    let refused = listen(&simulator, "", "<?xml version='1.0'?>").await;
    assert_eq!(refused.status(), 400);
    assert!(
        refused.json::<Value>().await.unwrap()["err_msg"].as_str().unwrap().contains("corrupt or unsupported data")
    );
}

#[tokio::test]
async fn deepgram_needs_a_key_and_the_right_one_where_it_is_set() {
    let simulator = start().await;
    let url = format!("{}v1/listen", simulator.url());
    let refused = reqwest::Client::new().post(url).body(clips()[0].wav).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.json::<Value>().await.unwrap()["err_code"], "INVALID_AUTH");
    simulator.set_transcriber_key("another key".to_owned().into());
    assert_eq!(listen(&simulator, "", clips()[0].wav).await.status(), 401);
}

#[tokio::test]
async fn transcriber_faults_strike_every_nth() {
    let simulator = start().await;
    simulator.set_faults(Faults {
        transcriber_error_every: Some(3),
        transcriber_throttle_every: Some(2),
        retry_after_secs: Some(2),
        ..Faults::default()
    });
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let response = listen(&simulator, "", clips()[0].wav).await;
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(response.headers()["Retry-After"], "2");
        }
        statuses.push(response.status().as_u16());
    }
    assert_eq!(statuses, [200, 429, 500, 200, 429, 503]);
    assert_eq!(simulator.counters().transcriptions.values().sum::<u64>(), 2);
}

#[tokio::test]
async fn transcriptions_take_as_long_as_set_and_side_by_side() {
    let simulator = start().await;
    simulator.set_faults(Faults { transcriber_delay_ms: 150, ..Faults::default() });
    let begun = std::time::Instant::now();
    tokio::join!(listen(&simulator, "", clips()[0].wav), listen(&simulator, "", clips()[1].wav));
    assert!(begun.elapsed().as_millis() >= 150);
    assert_eq!(simulator.counters().transcriber_in_flight_max, 2);
}

#[tokio::test]
async fn openai_answers_in_each_format() {
    let simulator = start().await;
    let text = transcriptions(&simulator, form(dual().wav, "text")).await.text().await.unwrap();
    assert_eq!(text.trim_end(), dual().text);
    let json: Value = transcriptions(&simulator, form(dual().wav, "json")).await.json().await.unwrap();
    assert_eq!((&json["text"], &json["usage"]["type"]), (&dual().text.into(), &"duration".into()));
    let both = form(dual().wav, "verbose_json")
        .text("timestamp_granularities[]", "word")
        .text("timestamp_granularities[]", "segment");
    let verbose: Value = transcriptions(&simulator, both).await.json().await.unwrap();
    assert_eq!(verbose["words"].as_array().unwrap().len(), dual().text.split(' ').count());
    let segments: String =
        verbose["segments"].as_array().unwrap().iter().map(|one| one["text"].as_str().unwrap()).collect();
    assert_eq!(segments.trim_start(), dual().text);
}

/// OpenAI's limit is 25 MB a file.
#[tokio::test]
async fn openai_refuses_large_files() {
    let simulator = start().await;
    let sid = add(&simulator, synthetic(0, 26 * 1024 * 1024));
    let media = get(&simulator, &format!("Recordings/{sid}.wav")).send().await.unwrap();
    let file = Part::stream(reqwest::Body::wrap_stream(media.bytes_stream())).file_name("audio.wav");
    let form = Form::new().text("model", "whisper-1").part("file", file);
    let url = format!("{}v1/audio/transcriptions", simulator.url());
    // The answer may overtake the upload, which then breaks off.
    if let Ok(response) = reqwest::Client::new().post(url).multipart(form).send().await {
        assert_eq!(response.status(), 413);
    }
    assert_eq!(simulator.counters().responses["openai 413"], 1);
}

#[tokio::test]
async fn openai_refuses_what_it_cannot_do() {
    let simulator = start().await;
    let file = || Part::bytes(clips()[0].wav).file_name("audio.wav");
    let cases = [
        (Form::new().part("file", file()), "model"),
        (Form::new().text("model", "whisper-1"), "file"),
        (form(b"<?xml version='1.0'?>", "json"), "Invalid file format"),
        (form(clips()[0].wav, "nonsense"), "response_format"),
        (form(clips()[0].wav, "json").text("timestamp_granularities[]", "word"), "timestamp_granularities"),
    ];
    for (form, about) in cases {
        let response = transcriptions(&simulator, form).await;
        assert_eq!(response.status(), 400, "{about}");
        let body: Value = response.json().await.unwrap();
        assert!(body["error"]["message"].as_str().unwrap().contains(about), "{body}");
    }
}

/// <https://developers.deepgram.com/docs/authenticating>, "Test Request".
#[tokio::test]
async fn deepgram_tells_whether_a_key_is_valid() {
    let simulator = start().await;
    simulator.set_transcriber_key("right".into());
    for (key, status) in [("right", StatusCode::OK), ("wrong", StatusCode::UNAUTHORIZED)] {
        let request = reqwest::Client::new().get(format!("{}v1/auth/token", simulator.url()));
        let answer = request.header("Authorization", format!("Token {key}")).send().await.unwrap();
        assert_eq!(answer.status(), status, "{key}");
    }
}
