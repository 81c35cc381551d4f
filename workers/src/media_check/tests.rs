use futures::TryStreamExt;

use super::*;

/// A WAV head as Debian's sox writes it for 8 kHz, 16 bit (`sox -n -r 8000 -b 16 -c 2 t.wav trim 0 1`): 44 bytes.
fn wav(channels: u16, data_bytes: u32, audio: usize) -> Vec<u8> {
    let mut wav = Vec::from(*b"RIFF");
    wav.extend((36 + data_bytes).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0");
    wav.extend(channels.to_le_bytes());
    wav.extend(8000_u32.to_le_bytes());
    wav.extend((16_000 * u32::from(channels)).to_le_bytes());
    wav.extend((2 * channels).to_le_bytes());
    wav.extend(b"\x10\0data");
    wav.extend(data_bytes.to_le_bytes());
    wav.resize(44 + audio, 7);
    wav
}

fn chunks(bytes: &[u8], size: usize) -> impl Stream<Item = Result<Bytes, TwilioError>> + Send + Unpin + 'static {
    let chunks: Vec<_> = bytes.chunks(size).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    stream::iter(chunks)
}

async fn start(bytes: &[u8], format: MediaFormat) -> Result<MediaCheck, Fault> {
    MediaCheck::start(chunks(bytes, 5), format, false, None).await.map(|(check, _)| check)
}

#[tokio::test]
async fn media_passes_through_byte_for_byte() {
    let media = wav(1, 4000, 4000);
    let (check, body) = MediaCheck::start(chunks(&media, 100), MediaFormat::Wav, false, Some(4044)).await.unwrap();
    let passed: Vec<Bytes> = body.try_collect().await.unwrap();
    assert_eq!(passed.concat(), media);
    assert_eq!(check.fault(), None);
}

#[tokio::test]
async fn head_of_a_two_channel_wav_gives_its_duration() {
    let check = start(&wav(2, 32_000, 300), MediaFormat::Wav).await.unwrap();
    let head = check.wav.unwrap();
    assert_eq!((head.channels, head.bytes_per_second, head.data_offset), (2, 32_000, 44));
    assert_eq!(head.duration_secs(44 + 32_000), Some(1.0));
    assert!(!head.is_cut_short(44 + 32_000));
    assert!(head.is_cut_short(44 + 31_999));
}

#[tokio::test]
async fn chunks_before_the_audio_are_stepped_over() {
    let mut media = wav(1, 100, 100);
    media.splice(36..36, *b"LIST\x03\0\0\0abc\0");
    assert_eq!(start(&media, MediaFormat::Wav).await.unwrap().wav.unwrap().data_offset, 56);
}

#[tokio::test]
async fn streamed_wav_without_a_length_is_not_taken_for_a_cut_one() {
    let head = start(&wav(1, u32::MAX - 36, 300), MediaFormat::Wav).await.unwrap().wav.unwrap();
    assert!(!WavHead { declared_data_bytes: u32::MAX, ..head }.is_cut_short(100));
    assert!(!WavHead { declared_data_bytes: 0, ..head }.is_cut_short(100));
}

#[tokio::test]
async fn error_pages_are_never_taken_for_audio() {
    let pages: [&[u8]; 6] = [
        b"<?xml version='1.0' encoding='UTF-8'?>\n<TwilioResponse><RestException><Status>404</Status>",
        b"  \n<TwilioResponse/>",
        b"<!DOCTYPE html><html>",
        b"{\"code\":20404,\"status\":404}",
        b"",
        b"Service Unavailable",
    ];
    for page in pages {
        for format in [MediaFormat::Wav, MediaFormat::Mp3] {
            assert!(matches!(start(page, format).await, Err(Fault::Suspect(_))), "{page:?} passed as {format}");
        }
    }
}

#[tokio::test]
async fn mp3_is_known_by_its_tag_or_its_sync_word() {
    assert!(start(b"ID3\x03\0\0", MediaFormat::Mp3).await.is_ok());
    assert!(start(b"\xFF\xF3\x40\xC0", MediaFormat::Mp3).await.is_ok());
    assert!(start(&wav(1, 100, 100), MediaFormat::Mp3).await.is_err());
}

#[tokio::test]
async fn twilio_encrypted_media_has_no_head_to_check_but_may_be_no_error_page() {
    let check = |bytes: &'static [u8]| MediaCheck::start(chunks(bytes, 9), MediaFormat::Wav, true, None);
    assert!(check(b"\x9a\x01\xfe ciphertext").await.is_ok());
    assert!(check(b"<?xml version='1.0'?>").await.is_err());
}

#[tokio::test]
async fn wrong_length_fails_the_stream_and_says_so() {
    for promised in [4043, 4045] {
        let media = wav(1, 4000, 4000);
        let (check, body) =
            MediaCheck::start(chunks(&media, 100), MediaFormat::Wav, false, Some(promised)).await.unwrap();
        assert!(body.try_collect::<Vec<Bytes>>().await.is_err());
        assert!(matches!(check.fault(), Some(Fault::Transient(why)) if why.contains("4044 bytes")));
    }
}
