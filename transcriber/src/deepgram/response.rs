//! Deepgram's answer, as far as it is used, and the transcription it makes.

use std::collections::HashMap;

use serde::Deserialize;

use crate::transcript::{Transcription, Utterance, Word};

#[derive(Deserialize)]
pub(super) struct Response {
    #[serde(default)]
    metadata: Metadata,
    results: Results,
}

#[derive(Deserialize, Default)]
struct Metadata {
    duration: Option<f64>,
    #[serde(default)]
    model_info: HashMap<String, ModelInfo>,
}

#[derive(Deserialize)]
struct ModelInfo {
    name: Option<String>,
    arch: Option<String>,
}

#[derive(Deserialize)]
struct Results {
    channels: Vec<Channel>,
    utterances: Option<Vec<HeardUtterance>>,
}

#[derive(Deserialize)]
struct Channel {
    #[serde(default)]
    alternatives: Vec<Alternative>,
    detected_language: Option<String>,
}

#[derive(Deserialize, Default)]
struct Alternative {
    #[serde(default)]
    transcript: String,
    confidence: Option<f64>,
    #[serde(default)]
    words: Vec<HeardWord>,
    /// With `language=multi`: the languages heard, the commonest first.
    #[serde(default)]
    languages: Vec<String>,
}

#[derive(Deserialize)]
struct HeardUtterance {
    start: f64,
    end: f64,
    #[serde(default)]
    channel: u32,
    speaker: Option<u32>,
    confidence: Option<f64>,
    #[serde(default)]
    transcript: String,
    #[serde(default)]
    words: Vec<HeardWord>,
}

#[derive(Deserialize)]
struct HeardWord {
    start: f64,
    end: f64,
    word: String,
    punctuated_word: Option<String>,
    confidence: Option<f64>,
}

impl Response {
    /// `model` and `language` are what was asked for; `seconds` the media's length where Deepgram does not say.
    pub(super) fn into_transcription(self, model: &str, language: Option<&str>, seconds: f64) -> Transcription {
        let Self { metadata, results } = self;
        let is_multichannel = results.channels.len() > 1;
        let mut transcription = Transcription {
            model: metadata.model_used(model),
            language: results.language(language),
            duration_seconds: metadata.duration.unwrap_or(seconds),
            ..Transcription::default()
        };
        transcription.utterances = match results.utterances {
            Some(heard) => heard.into_iter().map(|said| said.into_utterance(is_multichannel)).collect(),
            None => whole_channels(results.channels, transcription.duration_seconds),
        };
        transcription.tidied()
    }
}

impl Metadata {
    /// The model asked for, unless Deepgram used one of another architecture in its place.
    fn model_used(&self, asked: &str) -> String {
        let models = || self.model_info.values();
        let archs: Vec<&str> = models().filter_map(|model| model.arch.as_deref()).collect();
        if archs.is_empty() || archs.iter().any(|arch| asked.starts_with(arch)) {
            return asked.to_owned();
        }
        models().find_map(|model| model.name.clone()).unwrap_or_else(|| archs[0].to_owned())
    }
}

impl Results {
    /// The language asked for, else the one detected in the channel where most was said.
    fn language(&self, asked: Option<&str>) -> String {
        if let Some(asked) = asked.filter(|asked| *asked != "multi") {
            return asked.to_owned();
        }
        let most_said =
            self.channels.iter().max_by_key(|channel| channel.best().map_or(0, |best| best.transcript.len()));
        most_said
            .and_then(|channel| {
                channel.detected_language.clone().or_else(|| channel.best()?.languages.first().cloned())
            })
            .unwrap_or_default()
    }
}

impl Channel {
    fn best(&self) -> Option<&Alternative> {
        self.alternatives.first()
    }
}

impl HeardUtterance {
    fn into_utterance(self, is_multichannel: bool) -> Utterance {
        let speaker = if is_multichannel { self.channel } else { self.speaker.unwrap_or(0) };
        Utterance {
            start: self.start,
            end: self.end,
            channel: self.channel,
            speaker: speaker.to_string(),
            confidence: self.confidence,
            text: self.transcript,
            words: self.words.into_iter().map(Word::from).collect(),
        }
    }
}

/// One utterance a channel, for a server that knows no utterances.
fn whole_channels(channels: Vec<Channel>, seconds: f64) -> Vec<Utterance> {
    let best = channels.into_iter().map(|channel| channel.alternatives.into_iter().next().unwrap_or_default());
    let utterance = |(channel, best): (usize, Alternative)| Utterance {
        start: best.words.first().map_or(0.0, |word| word.start),
        end: best.words.last().map_or(seconds, |word| word.end),
        channel: channel as u32,
        speaker: channel.to_string(),
        confidence: best.confidence,
        text: best.transcript,
        words: best.words.into_iter().map(Word::from).collect(),
    };
    best.enumerate().map(utterance).collect()
}

impl From<HeardWord> for Word {
    fn from(heard: HeardWord) -> Self {
        let word = heard.punctuated_word.unwrap_or(heard.word);
        Word { start: heard.start, end: heard.end, word, confidence: heard.confidence }
    }
}
