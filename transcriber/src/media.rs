//! A recording's media on its way to a provider.

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use twilio::MediaFormat;

/// Twilio's media rates (Recordings resource): WAV is 16-bit PCM at 8 kHz, MP3 is 32 kbit/s whatever its channels.
const WAV_BYTES_PER_SECOND_AND_CHANNEL: f64 = 16_000.0;
const MP3_BYTES_PER_SECOND: f64 = 4_000.0;

/// A recogniser on a slow machine takes up to about twice the time the speech took.
const SECONDS_PER_SECOND_OF_AUDIO: f64 = 2.0;
const LONGEST_TIME_LIMIT: Duration = Duration::from_secs(12 * 3600);

/// A recording to transcribe: what it is, and its bytes as a stream that is read once.
pub struct Media {
    /// How the audio is encoded.
    pub format: MediaFormat,
    /// Audio channels; with two, each party of the call has its own.
    pub channels: u8,
    /// Exact length of `body`. A body that is longer or shorter fails the transcription.
    pub bytes: u64,
    /// Length of the recording in seconds, where it is known.
    pub duration_secs: Option<f64>,
    /// The plain audio. An `Err` in it fails the transcription as transient.
    pub body: BoxStream<'static, io::Result<Bytes>>,
}

impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Media")
            .field("format", &self.format)
            .field("channels", &self.channels)
            .field("bytes", &self.bytes)
            .field("duration_secs", &self.duration_secs)
            .finish_non_exhaustive()
    }
}

impl Media {
    pub(crate) fn content_type(&self) -> &'static str {
        match self.format {
            MediaFormat::Wav => "audio/wav",
            MediaFormat::Mp3 => "audio/mpeg",
        }
    }

    /// Length in seconds: as it is known, else reckoned from the bytes.
    pub(crate) fn seconds(&self) -> f64 {
        self.duration_secs.filter(|secs| *secs > 0.0 && secs.is_finite()).unwrap_or_else(|| self.reckoned_seconds())
    }

    fn reckoned_seconds(&self) -> f64 {
        let bytes_per_second = match self.format {
            MediaFormat::Wav => WAV_BYTES_PER_SECOND_AND_CHANNEL * f64::from(self.channels.max(1)),
            MediaFormat::Mp3 => MP3_BYTES_PER_SECOND,
        };
        self.bytes as f64 / bytes_per_second
    }

    /// How long a transcription may take: `least`, and twice the recording's length on top, at most 12 hours (or
    /// `least`, where that is more).
    pub(crate) fn time_limit(&self, least: Duration) -> Duration {
        let longest = LONGEST_TIME_LIMIT.max(least);
        let audio_secs = self.seconds().max(self.reckoned_seconds());
        Duration::try_from_secs_f64(audio_secs * SECONDS_PER_SECOND_OF_AUDIO)
            .map_or(longest, |grown| least.saturating_add(grown).min(longest))
    }

    /// The body, that fails where it is not exactly as long as it was said to be.
    pub(crate) fn into_exact_body(self) -> BoxStream<'static, io::Result<Bytes>> {
        stream::try_unfold((self.body, self.bytes), |(mut body, bytes_left)| async move {
            let Some(chunk) = body.try_next().await? else {
                return if bytes_left == 0 { Ok(None) } else { Err(wrong_length("shorter")) };
            };
            let bytes_left = bytes_left.checked_sub(chunk.len() as u64).ok_or_else(|| wrong_length("longer"))?;
            Ok(Some((chunk, (body, bytes_left))))
        })
        .boxed()
    }
}

fn wrong_length(how: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the media is {how} than it was said to be"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE_MINUTES: Duration = Duration::from_secs(300);

    fn media(bytes: u64, duration_secs: Option<f64>, chunks: &[&'static str]) -> Media {
        let chunks: Vec<_> = chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))).collect();
        Media { format: MediaFormat::Wav, channels: 2, bytes, duration_secs, body: stream::iter(chunks).boxed() }
    }

    #[test]
    fn time_limit_grows_with_the_recording() {
        assert_eq!(media(0, Some(5400.0), &[]).time_limit(FIVE_MINUTES), Duration::from_secs(300 + 10_800));
    }

    #[test]
    fn time_limit_of_unknown_duration_is_reckoned_from_the_bytes() {
        let ninety_minutes = 90 * 60 * 32_000;
        for told in [None, Some(0.0), Some(f64::NAN)] {
            let limit = media(ninety_minutes, told, &[]).time_limit(FIVE_MINUTES);
            assert_eq!(limit, Duration::from_secs(300 + 10_800), "told {told:?}");
        }
    }

    #[test]
    fn time_limit_is_bounded() {
        assert_eq!(media(u64::MAX, Some(f64::MAX), &[]).time_limit(FIVE_MINUTES), LONGEST_TIME_LIMIT);
    }

    #[tokio::test]
    async fn body_of_another_length_fails() {
        for (bytes, is_right) in [(5, false), (6, true), (7, false)] {
            let read: io::Result<Vec<Bytes>> =
                media(bytes, None, &["abc", "def"]).into_exact_body().try_collect().await;
            assert_eq!(read.is_ok(), is_right, "{bytes} bytes said, 6 come");
        }
    }
}
