//! Our copy of the media, and failing to get one.

use twilio::{MediaFormat, Recording, RecordingStatus};

use super::fixture::{Fixture, bare, completed, day, heard_at, object, sid, stored_media};
use crate::{CatalogError, MediaState, Refusal, Status, StoredMedia, Work};

pub async fn staged_media_is_not_archived(fixture: &Fixture) {
    fixture.received(1).await;
    let claim = fixture.claim(1, Work::Archive, heard_at()).await;
    fixture.catalog.stage_media(&claim, &object(1), MediaFormat::Mp3, heard_at()).await.unwrap();
    let row = fixture.row(1).await;
    assert_eq!((row.status, row.is_archived()), (Status::Received, false));
    let media = row.media.unwrap();
    assert_eq!((media.state, media.format, media.object), (MediaState::Staged, MediaFormat::Mp3, object(1)));
}

pub async fn stored_media_is_archived(fixture: &Fixture) {
    fixture.archived(1).await;
    let row = fixture.row(1).await;
    assert_eq!((row.status, row.is_archived()), (Status::Archived, true));
    let media = row.media.unwrap();
    assert_eq!((media.state, media.archived_at), (MediaState::Stored, Some(heard_at())));
    assert_eq!((media.bytes, media.sealed_bytes, media.sha256), (192_044, 192_300, "5a".repeat(32)));
}

pub async fn stored_media_clears_the_error(fixture: &Fixture) {
    fixture.received(1).await;
    fixture.catalog.fail(&sid(1), "the disk was full", heard_at()).await.unwrap();
    fixture.archive(1).await;
    let row = fixture.row(1).await;
    assert_eq!((row.status, row.error), (Status::Archived, None));
}

pub async fn media_cannot_be_stored_unstaged(fixture: &Fixture) {
    fixture.received(1).await;
    let claim = fixture.claim(1, Work::Archive, heard_at()).await;
    let stored = fixture.catalog.store_media(&claim, &stored_media(), heard_at()).await;
    assert!(matches!(stored, Err(CatalogError::Refused(Refusal::NoMedia))));
}

pub async fn stored_media_cannot_be_staged_again(fixture: &Fixture) {
    fixture.archived(1).await;
    let claim = fixture.claim(1, Work::Archive, heard_at()).await;
    let staged = fixture.catalog.stage_media(&claim, &object(1), MediaFormat::Wav, heard_at()).await;
    assert!(matches!(staged, Err(CatalogError::Refused(Refusal::AlreadyStored))));
}

pub async fn measured_channels_outlast_what_twilio_says(fixture: &Fixture) {
    fixture.archived(1).await;
    let row = fixture.hear(&Recording { channels: Some(2), ..completed(1) }).await;
    assert_eq!(row.channels, Some(1));
    assert_eq!(row.twilio_recording().channels, Some(2));
}

pub async fn measured_duration_fills_in_for_twilio(fixture: &Fixture) {
    fixture.hear(&bare(1, RecordingStatus::Completed)).await;
    let claim = fixture.claim(1, Work::Archive, heard_at()).await;
    fixture.catalog.stage_media(&claim, &object(1), MediaFormat::Wav, heard_at()).await.unwrap();
    let flags = vec!["duration_differs".to_owned(), "twilio_encrypted".to_owned()];
    let media = StoredMedia { duration_secs: Some(11.6), flags: flags.clone(), ..stored_media() };
    fixture.catalog.store_media(&claim, &media, heard_at()).await.unwrap();
    let row = fixture.row(1).await;
    assert_eq!((row.duration_secs, row.flags), (Some(12), flags));
    assert_eq!(fixture.hear(&Recording { duration_secs: Some(14), ..completed(1) }).await.duration_secs, Some(14));
}

/// A driver may remember of a statement what its first values were like.
pub async fn media_of_unknown_and_known_length_are_stored_alike(fixture: &Fixture) {
    for (number, duration_secs) in [(1, None), (2, Some(11.6)), (3, None)] {
        fixture.hear(&bare(number, RecordingStatus::Completed)).await;
        let claim = fixture.claim(number, Work::Archive, heard_at()).await;
        fixture.catalog.stage_media(&claim, &object(number), MediaFormat::Wav, heard_at()).await.unwrap();
        let media = StoredMedia { duration_secs, channels: None, ..stored_media() };
        fixture.catalog.store_media(&claim, &media, heard_at()).await.unwrap();
    }
    let durations = [fixture.row(1).await, fixture.row(2).await, fixture.row(3).await].map(|row| row.duration_secs);
    assert_eq!(durations, [None, Some(12), None]);
}

pub async fn failing_needs_a_recording(fixture: &Fixture) {
    let failed = fixture.catalog.fail(&sid(1), "given up", heard_at()).await;
    assert!(matches!(failed, Err(CatalogError::UnknownRecording(_))));
}

pub async fn failed_recording_says_why(fixture: &Fixture) {
    fixture.received(1).await;
    fixture.catalog.fail(&sid(1), "not audio: an XML page", day(1)).await.unwrap();
    let row = fixture.row(1).await;
    assert_eq!((row.status, row.error.as_deref()), (Status::Failed, Some("not audio: an XML page")));
}

pub async fn noted_error_keeps_the_status(fixture: &Fixture) {
    fixture.archived(1).await;
    fixture.catalog.note_error(&sid(1), "the target answers 410", day(1)).await.unwrap();
    let row = fixture.row(1).await;
    assert_eq!((row.status, row.error.as_deref()), (Status::Archived, Some("the target answers 410")));
}

pub async fn absent_recording_does_not_fail(fixture: &Fixture) {
    let absent = fixture.hear(&bare(1, RecordingStatus::Absent)).await;
    fixture.catalog.fail(&sid(1), "given up", day(1)).await.unwrap();
    assert_eq!(fixture.row(1).await, absent);
}
