//! The transcript: what was said, when, on which channel and by whom, whoever transcribed it.

use std::fmt;

use serde::{Deserialize, Serialize};
use twilio::{CallSid, RecordingSid};

/// What a provider made of a recording. `Debug` shows sizes only: what was said belongs in no log.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Transcription {
    /// The model that was used, as its provider names it.
    pub model: String,
    /// The language spoken: a BCP 47 tag (`en`, `pt-BR`), `und` where nobody knows.
    pub language: String,
    /// Length of the audio in seconds.
    pub duration_seconds: f64,
    /// All that was said, in the order it was said, one line a turn; empty where nobody spoke.
    pub text: String,
    /// What was said, piece by piece, by start.
    pub utterances: Vec<Utterance>,
}

/// Something one speaker said without a long pause. Times are seconds from the recording's start.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Utterance {
    /// When it starts.
    pub start: f64,
    /// When it ends.
    pub end: f64,
    /// The audio channel it is on, from 0.
    #[serde(default)]
    pub channel: u32,
    /// Who speaks: the provider's label within the channel, or the channel's number where each party has its own.
    #[serde(default)]
    pub speaker: String,
    /// How sure the provider is, 0 to 1, where it says.
    #[serde(default)]
    pub confidence: Option<f64>,
    /// What was said.
    pub text: String,
    /// The single words, where the provider gives them.
    #[serde(default)]
    pub words: Vec<Word>,
}

/// One word.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// When it starts, in seconds from the recording's start.
    pub start: f64,
    /// When it ends.
    pub end: f64,
    /// The word, as it is written in the utterance.
    pub word: String,
    /// How sure the provider is, 0 to 1, where it says.
    #[serde(default)]
    pub confidence: Option<f64>,
}

/// A recording's transcript as it is kept: the JSON inside the sealed object and of `transcript --format json`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Transcript {
    /// The recording.
    pub recording_sid: RecordingSid,
    /// The call it was recorded in; `None` for a conference.
    pub call_sid: Option<CallSid>,
    /// From 1; each new transcription of the recording has the next.
    pub version: u32,
    /// Who transcribed: [`crate::Transcriber::provider`].
    pub provider: String,
    /// See [`Transcription::model`].
    pub model: String,
    /// See [`Transcription::language`].
    pub language: String,
    /// See [`Transcription::duration_seconds`].
    pub duration_seconds: f64,
    /// See [`Transcription::text`].
    pub text: String,
    /// See [`Transcription::utterances`].
    pub utterances: Vec<Utterance>,
}

impl Transcript {
    /// The transcript that keeps `made`.
    pub fn new(
        recording_sid: RecordingSid,
        call_sid: Option<CallSid>,
        version: u32,
        provider: impl Into<String>,
        made: Transcription,
    ) -> Self {
        let Transcription { model, language, duration_seconds, text, utterances } = made;
        let provider = provider.into();
        Self { recording_sid, call_sid, version, provider, model, language, duration_seconds, text, utterances }
    }

    /// How many words were said: those the provider gave, else what stands between spaces.
    pub fn words(&self) -> usize {
        if self.utterances.is_empty() {
            return self.text.split_whitespace().count();
        }
        self.utterances.iter().map(Utterance::word_count).sum()
    }
}

impl Transcription {
    /// Makes what any provider gave keep the promises of the fields above: utterances that say something, by start, that
    /// don't end before they start; text and utterances never one without the other.
    pub(crate) fn tidied(mut self) -> Self {
        self.text = self.text.trim().to_owned();
        self.utterances.iter_mut().for_each(Utterance::tidy);
        self.utterances.retain(|utterance| !utterance.text.is_empty());
        self.utterances.sort_by(|a, b| a.start.total_cmp(&b.start));
        if self.text.is_empty() {
            self.text = turns(&self.utterances);
        } else if self.utterances.is_empty() {
            self.utterances.push(Utterance {
                end: self.duration_seconds,
                speaker: "0".to_owned(),
                text: self.text.clone(),
                ..Utterance::default()
            });
        }
        if self.language.is_empty() {
            self.language = "und".to_owned();
        }
        self
    }
}

impl Utterance {
    fn word_count(&self) -> usize {
        if self.words.is_empty() { self.text.split_whitespace().count() } else { self.words.len() }
    }

    fn tidy(&mut self) {
        self.text = self.text.trim().to_owned();
        self.start = self.start.max(0.0);
        self.end = self.end.max(self.start);
        if self.speaker.is_empty() {
            self.speaker = self.channel.to_string();
        }
    }

    fn is_same_voice(&self, other: &Utterance) -> bool {
        self.channel == other.channel && self.speaker == other.speaker
    }
}

/// The text of utterances in order: a new line where another voice takes over.
fn turns(utterances: &[Utterance]) -> String {
    let turns = utterances.chunk_by(Utterance::is_same_voice);
    let lines = turns.map(|turn| turn.iter().map(|said| said.text.as_str()).collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n")
}

impl fmt::Debug for Transcription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transcription")
            .field("model", &self.model)
            .field("language", &self.language)
            .field("duration_seconds", &self.duration_seconds)
            .field("utterances", &self.utterances.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transcript")
            .field("recording_sid", &self.recording_sid)
            .field("version", &self.version)
            .field("provider", &self.provider)
            .field("utterances", &self.utterances.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Utterance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Utterance")
            .field("start", &self.start)
            .field("end", &self.end)
            .field("channel", &self.channel)
            .field("speaker", &self.speaker)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Word").field("start", &self.start).field("end", &self.end).finish_non_exhaustive()
    }
}
