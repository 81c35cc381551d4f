//! What media must show before it counts as a recording: a real head, and the length that was promised.

use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use catalog::{RecordingRow, StoredMedia};
use futures::stream::{self, BoxStream, Stream, StreamExt};
use twilio::{MediaFormat, TwilioError};
use vault::Sealed;

use crate::fault::Fault;

/// Enough for a WAV's `fmt ` and `data` chunk heads where nothing unusual stands between them.
const HEAD_BYTES: usize = 256;
/// A measured length this far from Twilio's whole seconds is flagged.
const DURATION_TOLERANCE_SECS: f64 = 1.0;

/// The start of a WAV, as RFC 2361's RIFF registration and Microsoft's `WAVEFORMATEX` lay it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WavHead {
    /// Audio channels.
    pub channels: u16,
    /// Bytes of audio a second, all channels together.
    pub bytes_per_second: u32,
    /// Where the audio starts, in bytes from the start of the file.
    pub data_offset: u64,
    /// The length the header gives for the audio; writers that stream leave 0 or 0xFFFFFFFF.
    pub declared_data_bytes: u32,
}

impl WavHead {
    /// Reads the head of a WAV; `None` when `head` is no WAV or its chunks do not fit in it.
    pub fn parse(head: &[u8]) -> Option<WavHead> {
        if head.get(0..4)? != b"RIFF" || head.get(8..12)? != b"WAVE" {
            return None;
        }
        let number = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
        let (mut at, mut format) = (12_usize, None);
        loop {
            let length = number(at + 4)?;
            match head.get(at..at + 4)? {
                b"fmt " => {
                    let channels = u16::from_le_bytes(head.get(at + 10..at + 12)?.try_into().ok()?);
                    format = Some((channels, number(at + 16)?));
                }
                b"data" => {
                    let (channels, bytes_per_second) = format?;
                    let data_offset = at as u64 + 8;
                    return Some(WavHead { channels, bytes_per_second, data_offset, declared_data_bytes: length });
                }
                _ => {}
            }
            // Chunks start at even offsets.
            at = at.checked_add(8)?.checked_add(usize::try_from(length).ok()?.checked_add(1)? & !1)?;
        }
    }

    /// Seconds of audio in a file of `total_bytes`; `None` where the head gives no rate.
    pub fn duration_secs(&self, total_bytes: u64) -> Option<f64> {
        let audio_bytes = total_bytes.saturating_sub(self.data_offset);
        (self.bytes_per_second > 0).then(|| audio_bytes as f64 / f64::from(self.bytes_per_second))
    }

    /// Whether the header promises more audio than a file of `total_bytes` holds.
    pub fn is_cut_short(&self, total_bytes: u64) -> bool {
        let is_known = !matches!(self.declared_data_bytes, 0 | u32::MAX);
        is_known && self.data_offset + u64::from(self.declared_data_bytes) > total_bytes
    }
}

/// Passes media through and fails its stream when it is not what was promised.
///
/// The stream's error only says that it broke off; [`MediaCheck::fault`] says why, in the dispatcher's words.
#[derive(Debug, Clone)]
pub struct MediaCheck {
    fault: Arc<OnceLock<Fault>>,
    /// The head, where the media is a WAV.
    pub wav: Option<WavHead>,
}

impl MediaCheck {
    /// Reads the head of `media` and judges it, then returns the check and the whole media, head included.
    ///
    /// `promised_bytes` is Content-Length. Ciphertext (`is_encrypted`, Twilio's own encryption) has no head to check.
    ///
    /// # Errors
    /// [`Fault::Suspect`] when it is no audio of `format`: an error page, say; what Twilio answered otherwise.
    pub async fn start<S>(
        mut media: S,
        format: MediaFormat,
        is_encrypted: bool,
        promised_bytes: Option<u64>,
    ) -> Result<(MediaCheck, BoxStream<'static, std::io::Result<Bytes>>), Fault>
    where
        S: Stream<Item = Result<Bytes, TwilioError>> + Send + Unpin + 'static,
    {
        let mut head = BytesMut::new();
        while head.len() < HEAD_BYTES {
            match media.next().await {
                Some(chunk) => head.extend_from_slice(&chunk?),
                None => break,
            }
        }
        judge_head(&head, format, is_encrypted)?;
        let wav = if is_encrypted { None } else { WavHead::parse(&head) };
        let check = MediaCheck { fault: Arc::default(), wav };
        let whole = stream::iter([Ok(head.freeze())]).chain(media);
        Ok((check.clone(), check.counted(whole, promised_bytes)))
    }

    /// Why the stream broke off; `None` when it did not.
    pub fn fault(&self) -> Option<Fault> {
        self.fault.get().cloned()
    }

    /// What is to be known of the media once it is sealed; what is odd about it is flagged, never thrown away.
    pub(crate) fn stored(&self, row: &RecordingRow, sealed: &Sealed) -> StoredMedia {
        let duration_secs = self.wav.and_then(|wav| wav.duration_secs(sealed.plain_bytes));
        let mut flags = Vec::new();
        if let (Some(measured), Some(said)) = (duration_secs, row.duration_secs)
            && (measured - f64::from(said)).abs() > DURATION_TOLERANCE_SECS
        {
            flags.push("duration_differs".to_owned());
        }
        if self.wav.is_some_and(|wav| wav.is_cut_short(sealed.plain_bytes)) {
            flags.push("shorter_than_its_header".to_owned());
        }
        if row.encryption.is_some() {
            flags.push("twilio_encrypted".to_owned());
        }
        StoredMedia {
            bytes: sealed.plain_bytes,
            sha256: sealed.plain_sha256.clone(),
            sealed_bytes: sealed.sealed_bytes,
            channels: self.wav.and_then(|wav| u8::try_from(wav.channels).ok()),
            duration_secs,
            flags,
        }
    }

    fn counted<S>(self, media: S, promised_bytes: Option<u64>) -> BoxStream<'static, std::io::Result<Bytes>>
    where
        S: Stream<Item = Result<Bytes, TwilioError>> + Send + Unpin + 'static,
    {
        let state = (self, media, 0_u64, false);
        let counted = stream::unfold(state, move |(check, mut media, seen, has_ended)| async move {
            if has_ended {
                return None;
            }
            let (next, seen, has_ended) = match media.next().await {
                Some(Ok(chunk)) => {
                    let seen = seen + chunk.len() as u64;
                    (Ok(chunk), seen, false)
                }
                Some(Err(error)) => (Err(check.broke(error.into())), seen, true),
                None => match promised_bytes {
                    Some(promised) if promised != seen => {
                        let why = format!("media of {seen} bytes where Content-Length said {promised}");
                        (Err(check.broke(Fault::Transient(why))), seen, true)
                    }
                    _ => return None,
                },
            };
            Some((next, (check, media, seen, has_ended)))
        });
        counted.boxed()
    }

    fn broke(&self, fault: Fault) -> std::io::Error {
        let error = std::io::Error::other(fault.to_string());
        let _ = self.fault.set(fault);
        error
    }
}

/// An MP3 starts with an ID3 tag or a frame's sync word (ISO/IEC 11172-3: eleven set bits).
fn judge_head(head: &[u8], format: MediaFormat, is_encrypted: bool) -> Result<(), Fault> {
    let suspect =
        |what: &str| Err(Fault::Suspect(format!("Twilio answered {what} where {format} media was asked for")));
    let text_start = head.iter().position(|byte| !byte.is_ascii_whitespace()).map(|at| &head[at..]);
    match text_start {
        None => return suspect("with nothing"),
        Some(text) if text.starts_with(b"<?xml") || text.starts_with(b"<Twilio") || text.starts_with(b"<!DOCTYPE") => {
            return suspect("an XML or HTML page");
        }
        Some(text) if text.starts_with(b"{\"") => return suspect("JSON"),
        Some(_) => {}
    }
    let is_right = match format {
        _ if is_encrypted => true,
        MediaFormat::Wav => WavHead::parse(head).is_some(),
        MediaFormat::Mp3 => head.starts_with(b"ID3") || matches!(head, [0xFF, second, ..] if second & 0xE0 == 0xE0),
    };
    if is_right { Ok(()) } else { suspect("something else") }
}

#[cfg(test)]
mod tests;
