//! Versions of transcripts.

use twilio::Recording;

use super::fixture::{ACTOR, Fixture, completed, day, encryption, heard_at, sid, stored_transcript, transcript_object};
use crate::{CatalogError, Refusal, Status, StoredTranscript, TranscriptState, Work};

pub async fn staged_transcript_is_not_transcribed(fixture: &Fixture) {
    fixture.archived(1).await;
    fixture.staged_transcript(1, 1).await;
    assert_eq!(fixture.row(1).await.status, Status::Archived);
    let row = fixture.catalog.transcript(&sid(1), 1).await.unwrap().unwrap();
    assert_eq!((row.state, row.object), (TranscriptState::Staged, Some(transcript_object(1, 1))));
    assert_eq!(fixture.catalog.latest_transcript(&sid(1)).await.unwrap(), None);
}

pub async fn stored_transcript_is_transcribed(fixture: &Fixture) {
    fixture.archived(1).await;
    fixture.catalog.fail(&sid(1), "the transcriber was away", heard_at()).await.unwrap();
    fixture.transcribe(1, 1).await;
    let recording = fixture.row(1).await;
    assert_eq!((recording.status, recording.error), (Status::Transcribed, None));
    let row = fixture.catalog.latest_transcript(&sid(1)).await.unwrap().unwrap();
    assert_eq!((row.version, row.state, row.words, row.sealed_bytes), (1, TranscriptState::Stored, Some(31), 900));
    assert_eq!((row.provider.as_deref(), row.model.as_deref()), (Some("deepgram"), Some("nova-3")));
    assert_eq!((row.language.as_deref(), row.transcribed_at), (Some("en"), Some(heard_at())));
}

pub async fn staging_again_leaves_a_stored_version(fixture: &Fixture) {
    fixture.transcribed(1).await;
    let stored = fixture.catalog.transcript(&sid(1), 1).await.unwrap();
    fixture.staged_transcript(1, 1).await;
    assert_eq!(fixture.catalog.transcript(&sid(1), 1).await.unwrap(), stored);
}

pub async fn unstaged_version_cannot_be_stored(fixture: &Fixture) {
    fixture.archived(1).await;
    fixture.catalog.request_transcript(&sid(1), None, ACTOR, heard_at()).await.unwrap();
    let claim = fixture.claim(1, Work::Transcribe, heard_at()).await;
    for version in [1, 2] {
        let stored = fixture.catalog.store_transcript(&claim, &stored_transcript(version), heard_at()).await;
        assert!(matches!(stored, Err(CatalogError::Refused(Refusal::NoTranscript))));
    }
}

pub async fn requested_versions_count_up(fixture: &Fixture) {
    fixture.transcribed(1).await;
    for version in [2, 3] {
        let requested = fixture.catalog.request_transcript(&sid(1), None, ACTOR, day(1)).await.unwrap();
        assert_eq!(requested, version);
    }
    fixture.archived(2).await;
    assert_eq!(fixture.catalog.request_transcript(&sid(2), None, ACTOR, day(1)).await.unwrap(), 1);
}

pub async fn requested_version_keeps_its_model_until_made(fixture: &Fixture) {
    fixture.archived(1).await;
    fixture.catalog.request_transcript(&sid(1), Some("whisper-9"), ACTOR, heard_at()).await.unwrap();
    let claim = fixture.staged_transcript(1, 1).await;
    let staged = fixture.catalog.transcript(&sid(1), 1).await.unwrap().unwrap();
    assert_eq!((staged.state, staged.model.as_deref()), (TranscriptState::Staged, Some("whisper-9")));
    let made = StoredTranscript { model: "whisper-9-turbo".to_owned(), ..stored_transcript(1) };
    fixture.catalog.store_transcript(&claim, &made, heard_at()).await.unwrap();
    let stored = fixture.catalog.transcript(&sid(1), 1).await.unwrap().unwrap();
    assert_eq!(stored.model.as_deref(), Some("whisper-9-turbo"));
}

pub async fn newest_stored_version_is_latest(fixture: &Fixture) {
    fixture.transcribed(1).await;
    fixture.transcribe(1, 2).await;
    fixture.staged_transcript(1, 3).await;
    assert_eq!(fixture.catalog.latest_transcript(&sid(1)).await.unwrap().unwrap().version, 2);
    fixture.archived(2).await;
    let latest = fixture.catalog.latest_transcripts(&[sid(1), sid(2), sid(3)]).await.unwrap();
    let versions: Vec<_> = latest.into_iter().map(|(sid, transcript)| (sid, transcript.version)).collect();
    assert_eq!(versions, [(sid(1), 2)]);
    assert!(fixture.catalog.transcript(&sid(1), 1).await.unwrap().is_some(), "no version takes another's place");
}

pub async fn request_without_media_is_refused(fixture: &Fixture) {
    fixture.received(1).await;
    let requested = fixture.catalog.request_transcript(&sid(1), None, ACTOR, heard_at()).await;
    assert!(matches!(requested, Err(CatalogError::Refused(Refusal::NoMedia))));
}

pub async fn request_for_encrypted_media_is_refused(fixture: &Fixture) {
    fixture.hear(&Recording { encryption: Some(encryption()), ..completed(1) }).await;
    fixture.archive(1).await;
    let requested = fixture.catalog.request_transcript(&sid(1), None, ACTOR, heard_at()).await;
    assert!(matches!(requested, Err(CatalogError::Refused(Refusal::Encrypted))));
}

pub async fn request_sets_a_failed_recording_going(fixture: &Fixture) {
    fixture.archived(1).await;
    fixture.catalog.fail(&sid(1), "the model is gone", heard_at()).await.unwrap();
    fixture.catalog.request_transcript(&sid(1), Some("nova-3"), ACTOR, day(1)).await.unwrap();
    let row = fixture.row(1).await;
    assert_eq!((row.status, row.error), (Status::Archived, None));
}

pub async fn failure_of_a_later_version_keeps_it_transcribed(fixture: &Fixture) {
    fixture.transcribed(1).await;
    fixture.catalog.request_transcript(&sid(1), Some("nova-99"), ACTOR, day(1)).await.unwrap();
    fixture.catalog.fail(&sid(1), "no such model", day(1)).await.unwrap();
    let row = fixture.row(1).await;
    assert_eq!((row.status, row.error.as_deref()), (Status::Transcribed, Some("no such model")));
}

pub async fn delivery_is_marked_once(fixture: &Fixture) {
    fixture.transcribed(1).await;
    fixture.catalog.note_error(&sid(1), "the target was away", heard_at()).await.unwrap();
    let claim = fixture.claim(1, Work::Deliver, heard_at()).await;
    for now in [heard_at(), day(1)] {
        fixture.catalog.mark_delivered(&claim, 1, now).await.unwrap();
    }
    let row = fixture.catalog.transcript(&sid(1), 1).await.unwrap().unwrap();
    assert_eq!(row.delivered_at, Some(heard_at()));
    assert_eq!(fixture.row(1).await.error, None);
}

pub async fn unmade_version_cannot_be_delivered(fixture: &Fixture) {
    fixture.archived(1).await;
    fixture.staged_transcript(1, 1).await;
    let claim = fixture.claim(1, Work::Deliver, heard_at()).await;
    let delivered = fixture.catalog.mark_delivered(&claim, 1, heard_at()).await;
    assert!(matches!(delivered, Err(CatalogError::Refused(Refusal::NoTranscript))));
}
