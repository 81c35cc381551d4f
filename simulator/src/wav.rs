//! As much of RIFF WAVE as Twilio's 8 kHz 16-bit PCM needs.

/// Samples a second of every recording.
pub(crate) const SAMPLE_RATE: u32 = 8_000;

/// The `fmt ` chunk with its head, 24 bytes.
pub(crate) fn format_chunk(channels: u8) -> Vec<u8> {
    let frame_bytes = u16::from(channels) * 2;
    let mut chunk = Vec::with_capacity(24);
    chunk.extend(b"fmt ");
    chunk.extend(16u32.to_le_bytes());
    chunk.extend(1u16.to_le_bytes()); // PCM
    chunk.extend(u16::from(channels).to_le_bytes());
    chunk.extend(SAMPLE_RATE.to_le_bytes());
    chunk.extend((SAMPLE_RATE * u32::from(frame_bytes)).to_le_bytes());
    chunk.extend(frame_bytes.to_le_bytes());
    chunk.extend(16u16.to_le_bytes());
    chunk
}

/// A RIFF size field; files past 4 GiB say 0xFFFFFFFF, as streaming writers do.
pub(crate) fn size_field(bytes: u64) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes()
}

/// Channels and seconds of a PCM WAV of `total` bytes that begins with `head`; `None` where it is no such WAV.
pub(crate) fn describe(head: &[u8], total: u64) -> Option<(u8, f64)> {
    if head.len() < 36 || &head[..4] != b"RIFF" || &head[8..16] != b"WAVEfmt " {
        return None;
    }
    let channels = u16::from_le_bytes([head[22], head[23]]);
    let byte_rate = u32::from_le_bytes([head[28], head[29], head[30], head[31]]);
    let channels = u8::try_from(channels).ok().filter(|count| *count > 0)?;
    let seconds = total.saturating_sub(44) as f64 / f64::from(byte_rate.max(1));
    Some((channels, seconds))
}

/// Both channels of a two-channel WAV mixed into one, as Twilio serves it for `RequestedChannels=1`.
///
/// Expects the canonical 44-byte head, which the clips have.
pub(crate) fn mix_down(wav: &[u8]) -> Vec<u8> {
    let frames = &wav[44..];
    let data_bytes = (frames.len() / 2) as u64;
    let mut mono = Vec::with_capacity(44 + frames.len() / 2);
    mono.extend(b"RIFF");
    mono.extend(size_field(36 + data_bytes));
    mono.extend(b"WAVE");
    mono.extend(format_chunk(1));
    mono.extend(b"data");
    mono.extend(size_field(data_bytes));
    for frame in frames.chunks_exact(4) {
        let left = i32::from(i16::from_le_bytes([frame[0], frame[1]]));
        let right = i32::from(i16::from_le_bytes([frame[2], frame[3]]));
        let sum = (left + right).clamp(i16::MIN.into(), i16::MAX.into());
        mono.extend((sum as i16).to_le_bytes());
    }
    mono
}
