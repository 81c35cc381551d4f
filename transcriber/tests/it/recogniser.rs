//! A real recogniser hears real speech through the `command` provider.

use std::process::Command as Tool;

use bytes::Bytes;
use callvault_transcriber::{Command, CommandConfig, Media, Transcriber};
use futures::stream::{self, StreamExt};
use twilio::MediaFormat;

use crate::harness::{MINUTE, options, run, test_file};

const SENTENCE: &str = "we need more information about the weather in new england";

/// The sentence spoken by espeak-ng, as it sounds over a telephone: 8 kHz, 16-bit, one channel.
async fn phone_speech() -> Vec<u8> {
    let mut espeak = Tool::new("espeak-ng");
    espeak.args(["-v", "en-us+f2", "-s", "130", "--stdout", SENTENCE]);
    let spoken = run(espeak, Vec::new()).await;
    let mut sox = Tool::new("sox");
    sox.args("-D -V1 -t wav - -t wav -r 8000 -b 16 -c 1 - gain -n -6 pad 0.4 0.4".split(' '));
    run(sox, spoken).await
}

/// pocketsphinx (packages pocketsphinx, pocketsphinx-en-us, sox and espeak-ng) hears "we need more information on
/// whether the new england".
#[tokio::test]
async fn pocketsphinx_hears_what_espeak_says() {
    let wav = phone_speech().await;
    let media = Media {
        format: MediaFormat::Wav,
        channels: 1,
        bytes: wav.len() as u64,
        duration_secs: None,
        body: stream::iter([Ok(Bytes::from(wav))]).boxed(),
    };
    let command = test_file("recognise.sh").display().to_string();
    let recogniser = Command::new(CommandConfig { command, timeout: MINUTE }).unwrap();
    let made = recogniser.transcribe(media, &options(None, Some("en"))).await.unwrap();

    let expected = ["need", "more", "information", "new", "england"];
    let heard = expected.iter().filter(|word| made.text.split_whitespace().any(|said| said == **word)).count();
    assert!(heard >= 4, "heard {:?}", made.text);
    let said = &made.utterances[0];
    assert!(said.end > 3.0 && said.end < 6.0, "the sentence takes about four seconds, not {}", said.end);
}
