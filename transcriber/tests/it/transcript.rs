use callvault_transcriber::{Transcript, Transcription, Utterance, Word};

/// The shape of contract.md, "A transcript", field for field and in its order.
const GOLDEN: &str = concat!(
    r#"{"recording_sid":"REaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","call_sid":"CAbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","#,
    r#""version":1,"provider":"deepgram","model":"nova-3","language":"en","duration_seconds":12.0,"#,
    r#""text":"thanks for calling","utterances":[{"start":0.42,"end":3.1,"channel":0,"speaker":"0","#,
    r#""confidence":0.98,"text":"thanks for calling","#,
    r#""words":[{"start":0.42,"end":0.6,"word":"thanks","confidence":0.99}]}]}"#,
);

fn transcript() -> Transcript {
    let word = Word { start: 0.42, end: 0.6, word: "thanks".to_owned(), confidence: Some(0.99) };
    let utterance = Utterance {
        start: 0.42,
        end: 3.1,
        channel: 0,
        speaker: "0".to_owned(),
        confidence: Some(0.98),
        text: "thanks for calling".to_owned(),
        words: vec![word],
    };
    let made = Transcription {
        model: "nova-3".to_owned(),
        language: "en".to_owned(),
        duration_seconds: 12.0,
        text: "thanks for calling".to_owned(),
        utterances: vec![utterance],
    };
    let recording_sid = format!("RE{}", "a".repeat(32)).parse().unwrap();
    let call_sid = format!("CA{}", "b".repeat(32)).parse().unwrap();
    Transcript::new(recording_sid, Some(call_sid), 1, "deepgram", made)
}

#[test]
fn transcript_is_written_as_the_contract_says() {
    assert_eq!(serde_json::to_string(&transcript()).unwrap(), GOLDEN);
}

#[test]
fn transcript_reads_what_it_wrote() {
    assert!(serde_json::from_str::<Transcript>(GOLDEN).unwrap() == transcript());
}

#[test]
fn conference_has_a_null_call_sid() {
    let conference = Transcript { call_sid: None, ..transcript() };
    assert!(serde_json::to_string(&conference).unwrap().contains(r#""call_sid":null,"#));
}

#[test]
fn words_are_counted_as_the_provider_gave_them_else_by_spaces() {
    let mut transcript = transcript();
    assert_eq!(transcript.words(), 1);
    transcript.utterances[0].words.clear();
    assert_eq!(transcript.words(), 3);
    transcript.utterances.clear();
    assert_eq!(transcript.words(), 3);
}

#[test]
fn debug_shows_nothing_that_was_said() {
    let transcript = transcript();
    let said = &transcript.utterances[0];
    let shown = format!("{transcript:?} {said:?} {:?}", said.words);
    assert!(!shown.contains("thanks"), "{shown}");
}
