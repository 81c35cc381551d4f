//! A transcript as plain text and as subtitles.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::transcript::{Transcript, Utterance};

impl Transcript {
    /// Plain text, a line an utterance, each with its channel or speaker where there is more than one. Empty where
    /// nobody spoke.
    pub fn to_txt(&self) -> String {
        let labels = Labels::of(&self.utterances);
        self.utterances.iter().map(|said| labels.labelled(said) + "\n").collect()
    }

    /// SubRip (`.srt`): numbered blocks, times with a comma, UTF-8. The format has no specification; this is what the
    /// SubRip program writes and what players read.
    pub fn to_srt(&self) -> String {
        let labels = Labels::of(&self.utterances);
        let mut srt = String::new();
        for (index, said) in self.utterances.iter().enumerate() {
            let (start, end) = cue_times(said, ',');
            // Writing to a String never fails.
            let _ = write!(srt, "{}\n{start} --> {end}\n{}\n\n", index + 1, labels.labelled(said));
        }
        srt
    }

    /// WebVTT (`.vtt`, <https://www.w3.org/TR/webvtt1/>): a cue an utterance, the channel or speaker as its voice where
    /// there is more than one.
    pub fn to_vtt(&self) -> String {
        let labels = Labels::of(&self.utterances);
        let mut vtt = String::from("WEBVTT\n");
        for said in &self.utterances {
            let (start, end) = cue_times(said, '.');
            let voice = labels.label(said).map(|label| format!("<v {}>", vtt_escaped(&label))).unwrap_or_default();
            let _ = write!(vtt, "\n{start} --> {end}\n{voice}{}\n", vtt_escaped(&one_line(&said.text)));
        }
        vtt
    }
}

/// What a line must say for a reader to know who speaks.
struct Labels {
    has_channels: bool,
    has_speakers: bool,
}

impl Labels {
    fn of(utterances: &[Utterance]) -> Self {
        let channels: BTreeSet<u32> = utterances.iter().map(|said| said.channel).collect();
        let voices: BTreeSet<(u32, &str)> =
            utterances.iter().map(|said| (said.channel, said.speaker.as_str())).collect();
        Self { has_channels: channels.len() > 1, has_speakers: voices.len() > channels.len() }
    }

    fn label(&self, said: &Utterance) -> Option<String> {
        let speaker = one_line(&said.speaker);
        match (self.has_channels, self.has_speakers) {
            (false, false) => None,
            (true, false) => Some(format!("Channel {}", said.channel)),
            (false, true) => Some(format!("Speaker {speaker}")),
            (true, true) => Some(format!("Channel {}, speaker {speaker}", said.channel)),
        }
    }

    fn labelled(&self, said: &Utterance) -> String {
        let text = one_line(&said.text);
        self.label(said).map_or_else(|| text.clone(), |label| format!("{label}: {text}"))
    }
}

/// Start and end of a cue, to the millisecond; a cue is at least one millisecond long, as WebVTT asks.
fn cue_times(said: &Utterance, before_millis: char) -> (String, String) {
    let start_ms = (said.start * 1000.0).round() as u64;
    let end_ms = ((said.end * 1000.0).round() as u64).max(start_ms.saturating_add(1));
    (timestamp(start_ms, before_millis), timestamp(end_ms, before_millis))
}

fn timestamp(ms: u64, before_millis: char) -> String {
    let (secs, millis) = (ms / 1000, ms % 1000);
    format!("{:02}:{:02}:{:02}{before_millis}{millis:03}", secs / 3600, secs / 60 % 60, secs % 60)
}

/// A blank line ends a subtitle, so text stands on one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// WebVTT's escapes; `>` too, as a text must not hold `-->`.
fn vtt_escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
