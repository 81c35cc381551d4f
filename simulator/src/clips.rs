//! Real speech, made by `clips/make.sh`: the files stand in the tree beside it and are embedded here.

/// A few seconds of phone audio, 8 kHz 16-bit PCM, and what is said in it.
#[derive(Clone, Copy, Debug)]
pub struct Clip {
    /// File name without extension.
    pub name: &'static str,
    /// The whole WAV file.
    pub wav: &'static [u8],
    /// The same as MP3.
    pub mp3: &'static [u8],
    /// 1, or 2 with the caller on the first and the agent on the second.
    pub channels: u8,
    /// All that is said, channel after channel.
    pub text: &'static str,
    /// What is said on each channel.
    pub channel_texts: &'static [&'static str],
}

impl Clip {
    /// Length in seconds, from the WAV's size.
    pub fn duration_secs(&self) -> f64 {
        (self.wav.len() - 44) as f64 / (f64::from(crate::wav::SAMPLE_RATE) * 2.0 * f64::from(self.channels))
    }
}

macro_rules! clip {
    ($name:literal, $text:literal) => {
        clip!(@ $name, 1, $text, &[$text])
    };
    ($name:literal, $caller:literal, $agent:literal) => {
        clip!(@ $name, 2, concat!($caller, " ", $agent), &[$caller, $agent])
    };
    (@ $name:literal, $channels:literal, $text:expr, $channel_texts:expr) => {
        Clip {
            name: $name,
            wav: include_bytes!(concat!("../clips/", $name, ".wav")),
            mp3: include_bytes!(concat!("../clips/", $name, ".mp3")),
            channels: $channels,
            text: $text,
            channel_texts: $channel_texts,
        }
    };
}

static CLIPS: [Clip; 10] = [
    clip!("voicemail", "Hi, it's Dana from the front desk. Your parcel is here. Thanks, bye."),
    clip!("support", "Hello, my router keeps blinking red.", "I am sorry. Please hold the reset button."),
    clip!("appointment", "Good morning, this is a reminder of your dental appointment on Tuesday at half past nine."),
    clip!("delivery", "The driver could not find your door. We will try again tomorrow between two and four."),
    clip!("booking", "A table for four on Friday evening, please.", "Certainly. Is seven o'clock all right?"),
    clip!("prescription", "Your prescription is ready. Please bring a photo card when you come to the pharmacy."),
    clip!("refund", "I am calling about my refund. The blue kettle leaked again, so I would like my money back."),
    clip!("banking", "I lost my card this morning.", "Thank you. It is blocked, a new one comes on Monday."),
    clip!("outage", "We know of the power cut in your street. Engineers expect to finish within three hours."),
    clip!("weather", "we need more information about the weather in new england"),
];

/// The clips, in a fixed order.
pub fn clips() -> &'static [Clip] {
    &CLIPS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The `.txt` beside each WAV is what `make.sh` gave espeak-ng to say.
    #[test]
    fn text_of_a_clip_is_what_was_spoken() {
        for clip in clips() {
            let path = format!("{}/clips/{}.txt", env!("CARGO_MANIFEST_DIR"), clip.name);
            let spoken = std::fs::read_to_string(path).unwrap();
            assert_eq!(spoken.lines().collect::<Vec<_>>(), clip.channel_texts, "{}", clip.name);
            assert_eq!(clip.text, clip.channel_texts.join(" "));
        }
    }

    #[test]
    fn wav_head_agrees_with_the_clip() {
        for clip in clips() {
            let (channels, seconds) = crate::wav::describe(clip.wav, clip.wav.len() as u64).unwrap();
            assert_eq!(channels, clip.channels, "{}", clip.name);
            assert!((3.0..6.0).contains(&seconds), "{}: {seconds}", clip.name);
            assert_eq!(&clip.wav[36..40], b"data", "{}", clip.name);
        }
    }

    #[test]
    fn texts_hold_no_digits() {
        assert!(clips().iter().all(|clip| !clip.text.contains(|c: char| c.is_ascii_digit())));
    }
}
