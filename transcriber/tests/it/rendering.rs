//! The subtitles are read back by outside parsers: the Python packages `srt` and `webvtt-py`.

use callvault_transcriber::{Transcript, Transcription, Utterance};
use serde_json::json;

use crate::harness::python;

fn said(start: f64, end: f64, channel: u32, speaker: &str, text: &str) -> Utterance {
    Utterance { start, end, channel, speaker: speaker.to_owned(), text: text.to_owned(), ..Utterance::default() }
}

fn transcript(utterances: Vec<Utterance>) -> Transcript {
    let made = Transcription { utterances, ..Transcription::default() };
    Transcript::new(format!("RE{}", "0".repeat(32)).parse().unwrap(), None, 1, "command", made)
}

fn two_channels() -> Transcript {
    transcript(vec![said(0.42, 3.1, 0, "0", "Hello there."), said(3_725.5, 3_726.0, 1, "1", "Hi.")])
}

fn awkward() -> Transcript {
    transcript(vec![
        said(1.0, 1.0, 0, "0", "if a < b && b > c --> done\n\n2\n00:00:09,000 --> 00:00:10,000"),
        said(2.0, 2.5, 0, "0", "<i>not markup</i> &amp; \u{1f600}"),
    ])
}

const AWKWARD_TEXTS: [&str; 2] =
    ["if a < b && b > c --> done 2 00:00:09,000 --> 00:00:10,000", "<i>not markup</i> &amp; \u{1f600}"];

#[tokio::test]
async fn srt_of_two_channels_is_read_by_an_outside_parser() {
    let cues = python("subtitles.py", &["srt"], &two_channels().to_srt()).await;
    let expected = json!([
        {"index": 1, "start_ms": 420, "end_ms": 3_100, "text": "Channel 0: Hello there."},
        {"index": 2, "start_ms": 3_725_500, "end_ms": 3_726_000, "text": "Channel 1: Hi."},
    ]);
    assert_eq!(cues, expected);
}

#[tokio::test]
async fn vtt_of_two_channels_is_read_by_an_outside_parser() {
    let cues = python("subtitles.py", &["vtt"], &two_channels().to_vtt()).await;
    let expected = json!([
        {"voice": "Channel 0", "start_ms": 420, "end_ms": 3_100, "text": "Hello there."},
        {"voice": "Channel 1", "start_ms": 3_725_500, "end_ms": 3_726_000, "text": "Hi."},
    ]);
    assert_eq!(cues, expected);
}

#[tokio::test]
async fn srt_survives_text_that_looks_like_srt() {
    let cues = python("subtitles.py", &["srt"], &awkward().to_srt()).await;
    let texts: Vec<_> = cues.as_array().unwrap().iter().map(|cue| cue["text"].as_str().unwrap()).collect();
    assert_eq!(texts, AWKWARD_TEXTS);
}

#[tokio::test]
async fn vtt_survives_text_that_looks_like_vtt() {
    let vtt = awkward().to_vtt();
    let cues = python("subtitles.py", &["vtt"], &vtt).await;
    let texts: Vec<_> = cues.as_array().unwrap().iter().map(|cue| cue["text"].as_str().unwrap()).collect();
    assert_eq!(texts, AWKWARD_TEXTS);
    // The specification: a cue's text holds no "-->", and its end is after its start.
    assert_eq!(vtt.matches("-->").count(), 2);
    assert!(vtt.contains("00:00:01.000 --> 00:00:01.001"), "{vtt}");
}

#[test]
fn silence_renders_as_empty_files() {
    let silence = transcript(Vec::new());
    assert_eq!(
        (silence.to_txt(), silence.to_srt(), silence.to_vtt()),
        (String::new(), String::new(), "WEBVTT\n".to_owned())
    );
}

#[test]
fn txt_of_one_voice_has_no_labels() {
    let one_voice = transcript(vec![said(0.0, 1.0, 0, "0", "Hello there."), said(1.0, 2.0, 0, "0", "It's\nme.")]);
    assert_eq!(one_voice.to_txt(), "Hello there.\nIt's me.\n");
}

#[test]
fn txt_of_two_speakers_names_them() {
    let two_speakers = transcript(vec![said(0.0, 1.0, 0, "0", "Hello."), said(1.0, 2.0, 0, "1", "Hi.")]);
    assert_eq!(two_speakers.to_txt(), "Speaker 0: Hello.\nSpeaker 1: Hi.\n");
}

#[test]
fn txt_of_speakers_on_channels_names_both() {
    let three_voices =
        vec![said(0.0, 1.0, 0, "A", "Hello."), said(1.0, 2.0, 1, "A", "Hi."), said(2.0, 3.0, 1, "B", "Yes.")];
    assert_eq!(
        transcript(three_voices).to_txt(),
        "Channel 0, speaker A: Hello.\nChannel 1, speaker A: Hi.\nChannel 1, speaker B: Yes.\n"
    );
}
