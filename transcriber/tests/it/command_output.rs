//! The `command` provider: what is made of what the program prints.

use callvault_transcriber::{Command, CommandConfig, FaultKind, Transcriber, TranscriberError, Transcription};

use crate::harness::{MINUTE, media, options, shown};

/// Runs a program that prints `printed`: the media itself, by way of `cat`.
async fn printed(printed: &'static [u8]) -> Result<Transcription, TranscriberError> {
    let cat = Command::new(CommandConfig { command: "cat".to_owned(), timeout: MINUTE }).unwrap();
    cat.transcribe(media(1, &[printed]), &options(None, Some("en"))).await
}

async fn failed(script: &str) -> TranscriberError {
    let command = format!("sh -c '{script}'");
    let shell = Command::new(CommandConfig { command, timeout: MINUTE }).unwrap();
    shell.transcribe(media(1, &[]), &options(None, None)).await.unwrap_err()
}

#[tokio::test]
async fn text_is_one_utterance_as_long_as_the_recording() {
    let made = printed(b"\n hello there \n").await.unwrap();
    assert_eq!((made.text.as_str(), made.language.as_str(), made.model.as_str()), ("hello there", "en", "command"));
    let said = &made.utterances[0];
    assert_eq!((said.start, said.end, said.text.as_str()), (0.0, 12.0, "hello there"));
}

#[tokio::test]
async fn nothing_printed_means_that_nobody_spoke() {
    let made = printed(b" \n").await.unwrap();
    assert_eq!((made.text.as_str(), made.utterances.len(), made.duration_seconds), ("", 0, 12.0));
}

#[tokio::test]
async fn json_is_taken_with_all_it_says() {
    let made = printed(
        br#" {"model": "small", "language": "de", "duration_seconds": 3.5, "utterances": [
            {"start": 2, "end": 3, "channel": 1, "speaker": "B", "text": "ja", "confidence": 0.5},
            {"start": 0, "end": 1, "channel": 0, "text": "hallo", "words": [{"start": 0, "end": 1, "word": "hallo"}]}]}"#,
    )
    .await
    .unwrap();
    assert_eq!((made.model.as_str(), made.language.as_str(), made.duration_seconds), ("small", "de", 3.5));
    assert_eq!(made.text, "hallo\nja");
    let voices: Vec<_> = made.utterances.iter().map(|said| (said.channel, said.speaker.as_str())).collect();
    assert_eq!(voices, [(0, "0"), (1, "B")]);
}

#[tokio::test]
async fn output_that_is_no_transcription_is_rejected_without_being_quoted() {
    for bytes in [&b"{\"text\": [\"my card\"]}"[..], b"{my card number", b"my card \xff\xfe"] {
        let error = printed(bytes).await.unwrap_err();
        assert_eq!(error.kind, FaultKind::Rejected);
        assert!(!shown(&error).contains("card"), "{}", shown(&error));
    }
}

#[tokio::test]
async fn output_without_end_is_cut_off() {
    let error = failed("yes").await;
    assert_eq!(error.kind, FaultKind::Rejected);
    assert!(error.to_string().contains("16 MiB"), "{error}");
}

#[tokio::test]
async fn failure_tells_the_code_and_nothing_that_was_printed() {
    let error = failed("echo my card number; echo my card number >&2; exit 75").await;
    assert!(error.to_string().starts_with("the transcription command ended with code 75: "), "{error}");
    assert!(!shown(&error).contains("card"), "{}", shown(&error));
}

#[tokio::test]
async fn endless_standard_error_holds_nothing_up() {
    let error = failed("head -c 10000000 /dev/zero | tr \"\\0\" x >&2; exit 65").await;
    assert_eq!(error.kind, FaultKind::Rejected);
}
