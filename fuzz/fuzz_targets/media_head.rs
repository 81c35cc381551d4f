//! The head of what a server sends as media.

#![no_main]

use bytes::Bytes;
use futures::executor::block_on;
use futures::{StreamExt, stream};
use libfuzzer_sys::fuzz_target;
use twilio::{MediaFormat, TwilioError};
use workers::{MediaCheck, WavHead};

fuzz_target!(|media: &[u8]| {
    if let Some(head) = WavHead::parse(media) {
        let _ = head.is_cut_short(media.len() as u64);
        let secs = head.duration_secs(media.len() as u64);
        assert!(secs.is_none_or(|secs| secs.is_finite() && secs >= 0.0));
    }
    for (format, is_encrypted) in [(MediaFormat::Wav, false), (MediaFormat::Mp3, false), (MediaFormat::Wav, true)] {
        let pieces: Vec<Result<Bytes, TwilioError>> =
            media.chunks(100).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let checked = block_on(MediaCheck::start(stream::iter(pieces), format, is_encrypted, Some(media.len() as u64)));
        // What passes comes out as it went in.
        if let Ok((_, body)) = checked {
            let whole: Vec<_> = block_on(body.map(|piece| piece.expect("the promised length")).collect());
            assert_eq!(whole.concat(), media);
        }
    }
});
