//! What a piece of audio says, known by its hash, and when each word is said.

use std::collections::HashMap;
use std::sync::OnceLock;

use aws_lc_rs::digest::{Context, SHA256};
use serde::Serialize;

use crate::synthetic::{self, Synthetic};
use crate::{clips, derive, media, wav};

/// How much of an upload is kept, to see what it is.
const HEAD_BYTES: usize = 256;

/// Audio as it comes in: hashed on the way, never held.
pub(crate) struct Listening {
    hash: Context,
    bytes: u64,
    head: Vec<u8>,
}

impl Listening {
    pub(crate) fn new() -> Self {
        Self { hash: Context::new(&SHA256), bytes: 0, head: Vec::with_capacity(HEAD_BYTES) }
    }

    pub(crate) fn hear(&mut self, chunk: &[u8]) {
        self.hash.update(chunk);
        self.bytes += chunk.len() as u64;
        let missing = HEAD_BYTES.saturating_sub(self.head.len());
        self.head.extend(&chunk[..missing.min(chunk.len())]);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What was heard; `None` where it is no audio at all.
    pub(crate) fn finish(self) -> Option<Speech> {
        let is_mp3 =
            self.head.starts_with(b"ID3") || matches!(self.head[..], [0xFF, second, ..] if second & 0xE0 == 0xE0);
        if !is_mp3 && !self.head.starts_with(b"RIFF") {
            return None;
        }
        let sha256 = derive::hex(self.hash.finish().as_ref());
        if let Some(known) = known().get(&sha256) {
            return Some(Speech { sha256, ..known.clone() });
        }
        if let Some(recording) = Synthetic::recognise(&self.head, self.bytes) {
            let duration = recording.duration_secs();
            return Some(Speech { sha256, duration, channels: vec![synthetic::TEXT] });
        }
        let (channels, duration) = wav::describe(&self.head, self.bytes).unwrap_or((1, 0.0));
        Some(Speech { sha256, duration, channels: vec![""; channels.into()] })
    }
}

/// What is said in a file.
#[derive(Clone, Debug)]
pub(crate) struct Speech {
    /// Of the file, lower-case hex.
    pub(crate) sha256: String,
    /// Seconds.
    pub(crate) duration: f64,
    /// The text of each channel.
    pub(crate) channels: Vec<&'static str>,
}

/// One word and when it is said, in seconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct SpokenWord {
    pub(crate) word: &'static str,
    pub(crate) start: f64,
    pub(crate) end: f64,
}

impl SpokenWord {
    /// Without capitals and punctuation.
    pub(crate) fn plain(&self) -> String {
        self.word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
    }

    fn ends_sentence(&self) -> bool {
        self.word.ends_with(['.', '?', '!'])
    }
}

impl Speech {
    /// Each channel's words. The channels speak one after the other, as they do in the clips.
    pub(crate) fn words(&self) -> Vec<Vec<SpokenWord>> {
        let turn = self.duration / self.channels.len().max(1) as f64;
        let channels = self.channels.iter().enumerate();
        channels.map(|(channel, text)| spread(text, turn * channel as f64, turn)).collect()
    }

    /// All words in the order they are said.
    pub(crate) fn words_mixed(&self) -> Vec<SpokenWord> {
        self.words().into_iter().flatten().collect()
    }
}

fn spread(text: &'static str, from: f64, length: f64) -> Vec<SpokenWord> {
    let words: Vec<_> = text.split_whitespace().collect();
    let slot = length / words.len().max(1) as f64;
    let at = |place: f64| (1000.0 * (from + slot * place)).round() / 1000.0;
    let timed = words.iter().enumerate();
    timed.map(|(i, word)| SpokenWord { word, start: at(i as f64 + 0.05), end: at(i as f64 + 0.95) }).collect()
}

/// The sentences of a channel.
pub(crate) fn sentences(words: &[SpokenWord]) -> impl Iterator<Item = &[SpokenWord]> {
    words.split_inclusive(SpokenWord::ends_sentence)
}

/// The words of a sentence as text.
pub(crate) fn text(words: &[SpokenWord]) -> String {
    words.iter().map(|word| word.word).collect::<Vec<_>>().join(" ")
}

/// Every clip in every form that Twilio serves, by hash.
fn known() -> &'static HashMap<String, Speech> {
    static KNOWN: OnceLock<HashMap<String, Speech>> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let mut known = HashMap::new();
        let mut add = |bytes: &[u8], duration: f64, channels: &[&'static str]| {
            let sha256 = derive::hex(&derive::sha256(bytes));
            known.insert(sha256.clone(), Speech { sha256, duration, channels: channels.to_vec() });
        };
        for clip in clips() {
            add(clip.wav, clip.duration_secs(), clip.channel_texts);
            add(clip.mp3, clip.duration_secs(), clip.channel_texts);
            if clip.channels == 2 {
                add(&media::mixed_down(clip), clip.duration_secs(), &[clip.text]);
            }
        }
        known
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(bytes: &[u8]) -> Option<Speech> {
        let mut listening = Listening::new();
        bytes.chunks(1000).for_each(|chunk| listening.hear(chunk));
        listening.finish()
    }

    #[test]
    fn clip_is_known_in_every_form() {
        let dual = clips().iter().find(|clip| clip.channels == 2).unwrap();
        assert_eq!(heard(dual.wav).unwrap().channels, dual.channel_texts);
        assert_eq!(heard(dual.mp3).unwrap().channels, dual.channel_texts);
        assert_eq!(heard(&media::mixed_down(dual)).unwrap().channels, [dual.text]);
    }

    #[test]
    fn one_changed_byte_silences_a_clip() {
        let mut wav = clips()[0].wav.to_vec();
        *wav.last_mut().unwrap() ^= 1;
        assert_eq!(heard(&wav).unwrap().channels, [""]);
    }

    #[test]
    fn error_page_is_no_audio() {
        assert!(heard(b"<?xml version='1.0'?><TwilioResponse/>").is_none());
    }

    #[test]
    fn words_fill_the_audio_in_order() {
        let clip = clips().iter().find(|clip| clip.channels == 2).unwrap();
        let speech = heard(clip.wav).unwrap();
        let words = speech.words_mixed();
        assert_eq!(text(&words), clip.text);
        assert!(words.iter().all(|word| word.start < word.end && word.end <= speech.duration));
        assert!(words.windows(2).all(|pair| pair[0].end <= pair[1].start));
        assert!(words.last().unwrap().end > speech.duration * 0.9);
    }
}
