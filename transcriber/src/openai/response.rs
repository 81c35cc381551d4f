//! The answer of an OpenAI-compatible server in any of its JSON formats, and the transcription it makes.

use serde::{Deserialize, Deserializer};

use super::language;
use crate::transcript::{Transcription, Utterance, Word};

/// Whisper's own thresholds: a segment this likely silent and this unsure is text invented over silence.
const NO_SPEECH_PROBABILITY: f64 = 0.6;
const UNSURE_LOG_PROBABILITY: f64 = -1.0;

#[derive(Deserialize)]
pub(super) struct Response {
    text: String,
    language: Option<String>,
    languages: Option<Vec<DetectedLanguage>>,
    #[serde(default, deserialize_with = "number_or_text")]
    duration: Option<f64>,
    usage: Option<Usage>,
    segments: Option<Vec<Segment>>,
    words: Option<Vec<HeardWord>>,
}

#[derive(Deserialize)]
struct DetectedLanguage {
    code: String,
}

#[derive(Deserialize)]
struct Usage {
    seconds: Option<f64>,
}

#[derive(Deserialize)]
struct Segment {
    start: f64,
    end: f64,
    text: String,
    speaker: Option<String>,
    avg_logprob: Option<f64>,
    no_speech_prob: Option<f64>,
    /// Some servers put a segment's words here instead of beside the segments.
    words: Option<Vec<HeardWord>>,
}

#[derive(Deserialize)]
struct HeardWord {
    start: f64,
    end: f64,
    word: String,
    #[serde(alias = "score")]
    probability: Option<f64>,
}

impl Response {
    /// `model` and `language` are what was asked for; `seconds` the media's length where the server does not say.
    pub(super) fn into_transcription(self, model: &str, language: Option<&str>, seconds: f64) -> Transcription {
        let language = language.map(str::to_owned).or_else(|| self.language_heard());
        let told_seconds = self.duration.or(self.usage.and_then(|usage| usage.seconds));
        let segments = self.segments.unwrap_or_default();
        let segment_count = segments.len();
        let mut spoken: Vec<Segment> = segments.into_iter().filter(|segment| !segment.is_silence()).collect();
        share_out(self.words.unwrap_or_default(), &mut spoken);
        // Text that holds what was invented over silence is made anew from the segments that are left.
        let text = if spoken.len() < segment_count { String::new() } else { self.text };
        Transcription {
            model: model.to_owned(),
            language: language.unwrap_or_default(),
            duration_seconds: told_seconds.unwrap_or(seconds),
            text,
            utterances: spoken.into_iter().map(Utterance::from).collect(),
        }
        .tidied()
    }

    fn language_heard(&self) -> Option<String> {
        let named = self.language.as_deref().filter(|name| !name.is_empty()).map(language::tag);
        named.or_else(|| Some(self.languages.as_ref()?.first()?.code.clone()))
    }
}

impl Segment {
    fn is_silence(&self) -> bool {
        self.no_speech_prob.is_some_and(|probability| probability > NO_SPEECH_PROBABILITY)
            && self.avg_logprob.is_some_and(|log_probability| log_probability < UNSURE_LOG_PROBABILITY)
    }
}

/// Gives each word to the segment its middle lies in: the first one that ends after it, else the last.
fn share_out(words: Vec<HeardWord>, segments: &mut [Segment]) {
    let Some(last) = segments.len().checked_sub(1) else {
        return;
    };
    for word in words {
        let middle = f64::midpoint(word.start, word.end);
        let index = segments.iter().position(|segment| middle < segment.end).unwrap_or(last);
        segments[index].words.get_or_insert_default().push(word);
    }
}

impl From<Segment> for Utterance {
    fn from(segment: Segment) -> Self {
        let words = segment.words.unwrap_or_default();
        Utterance {
            start: segment.start,
            end: segment.end,
            channel: 0,
            speaker: segment.speaker.unwrap_or_default(),
            confidence: segment.avg_logprob.map(|log_probability| log_probability.exp().clamp(0.0, 1.0)),
            text: segment.text,
            words: words.into_iter().map(Word::from).collect(),
        }
    }
}

impl From<HeardWord> for Word {
    fn from(heard: HeardWord) -> Self {
        let word = heard.word.trim().to_owned();
        Word { start: heard.start, end: heard.end, word, confidence: heard.probability }
    }
}

/// Some servers write the duration as text.
fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let value = Option::<serde_json::Value>::deserialize(deserializer)?;
    Ok(value.and_then(|value| value.as_f64().or_else(|| value.as_str()?.parse().ok())))
}
