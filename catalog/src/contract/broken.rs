//! What was stored and turns out to be broken.

use twilio::{MediaFormat, Recording};

use super::fixture::{
    ACTOR, Fixture, THIRTY_DAYS, completed, day, encryption, heard_at, object, sid, stored_media, transcript_object,
};
use crate::{CatalogError, Expects, MediaRow, MediaState, Policy, Refusal, Status, StuckWork, TranscriptState, Work};

const TWILIO_AT_ONCE: Policy = Policy { twilio_delete_after_days: Some(0), ..THIRTY_DAYS };
const WHY: &str = "the object is gone";

/// The media as it is now, or as that of another would be where there is none.
async fn broken(fixture: &Fixture, number: u32) -> MediaRow {
    let staged = || MediaRow {
        format: MediaFormat::Wav,
        object: object(number),
        bytes: 0,
        sha256: String::new(),
        sealed_bytes: 0,
        archived_at: None,
        state: MediaState::Staged,
    };
    fixture.row(number).await.media.unwrap_or_else(staged)
}

async fn set_back(fixture: &Fixture, number: u32) -> Result<(), CatalogError> {
    let claim = fixture.claim(number, Work::Archive, heard_at()).await;
    let broken = broken(fixture, number).await;
    let done = fixture.catalog.set_media_back(&claim, &broken, ACTOR, WHY, heard_at()).await;
    fixture.catalog.release_claim(&claim, heard_at()).await.unwrap();
    done
}

async fn replace(fixture: &Fixture, number: u32, version: u32) -> Result<u32, CatalogError> {
    let claim = fixture.claim(number, Work::Transcribe, heard_at()).await;
    let done = fixture.catalog.replace_transcript(&claim, version, ACTOR, WHY, heard_at()).await;
    fixture.catalog.release_claim(&claim, heard_at()).await.unwrap();
    done
}

pub async fn media_that_was_set_back_is_archived_again_and_flagged(fixture: &Fixture) {
    fixture.transcribed(1).await;
    fixture.archived(2).await;
    for (number, status) in [(1, Status::Transcribed), (2, Status::Archived)] {
        set_back(fixture, number).await.unwrap();
        let row = fixture.row(number).await;
        assert_eq!((row.status, row.is_archived()), (Status::Received, false));
        let media = row.media.unwrap();
        assert_eq!((media.state, media.object, media.bytes), (MediaState::Staged, object(number), 0));
        fixture.archive_flagged(number, &["duration_differs"]).await;
        let row = fixture.row(number).await;
        assert_eq!((row.status, row.is_archived()), (status, true));
        assert_eq!(row.flags, ["duration_differs", "archived_again"]);
    }
    let transcript = fixture.catalog.latest_transcript(&sid(1)).await.unwrap().unwrap();
    assert_eq!(transcript.object, Some(transcript_object(1, 1)));
}

pub async fn media_that_was_set_back_is_stuck_until_it_is_archived_again(fixture: &Fixture) {
    fixture.transcribed(1).await;
    set_back(fixture, 1).await.unwrap();
    let expects = Expects { transcribe: true, deliver: false };
    let stuck = fixture.catalog.stuck(expects, day(2), None, 10).await.unwrap();
    assert_eq!(stuck.iter().map(|stuck| stuck.missing).collect::<Vec<_>>(), [StuckWork::Archive]);
    fixture.archive(1).await;
    assert!(fixture.catalog.stuck(expects, day(2), None, 10).await.unwrap().is_empty());
}

pub async fn what_was_known_of_media_that_is_set_back_is_audited(fixture: &Fixture) {
    fixture.archived(1).await;
    set_back(fixture, 1).await.unwrap();
    let newest = fixture.catalog.audit_log(Some(&sid(1)), 1).await.unwrap().remove(0);
    assert_eq!((newest.action.as_str(), newest.actor.as_str(), newest.at), ("archive again", ACTOR, heard_at()));
    for known in [WHY, &object(1), "192044", &"5a".repeat(32)] {
        assert!(newest.detail.contains(known), "{}", newest.detail);
    }
}

pub async fn media_is_set_back_only_under_the_newest_claim(fixture: &Fixture) {
    fixture.archived(1).await;
    let lost = fixture.claim(1, Work::Archive, day(1)).await;
    fixture.claim(1, Work::Archive, day(2)).await;
    let other = fixture.claim(1, Work::Deliver, day(2)).await;
    let broken = broken(fixture, 1).await;
    for claim in [lost, other] {
        let done = fixture.catalog.set_media_back(&claim, &broken, ACTOR, WHY, day(2)).await;
        assert!(matches!(done, Err(CatalogError::ClaimLost)), "{done:?}");
    }
    assert!(fixture.row(1).await.is_archived());
}

pub async fn media_that_nobody_could_archive_again_is_not_set_back(fixture: &Fixture) {
    fixture.received(1).await;
    assert!(matches!(set_back(fixture, 1).await, Err(CatalogError::Refused(Refusal::NoMedia))));
    // Twilio's copy is going, then it is gone.
    fixture.archived(2).await;
    let media = broken(fixture, 2).await;
    let archive = fixture.claim(2, Work::Archive, day(1)).await;
    let permit = fixture.granted(2, &TWILIO_AT_ONCE, day(1)).await;
    let refused = fixture.catalog.set_media_back(&archive, &media, ACTOR, WHY, day(1)).await;
    assert!(matches!(refused, Err(CatalogError::Refused(Refusal::Marked))), "{refused:?}");
    fixture.catalog.complete_purge(permit, "seen to be gone", day(1)).await.unwrap();
    let refused = fixture.catalog.set_media_back(&archive, &media, ACTOR, WHY, day(1)).await;
    assert!(matches!(refused, Err(CatalogError::Refused(Refusal::GoneAtTwilio))), "{refused:?}");
    assert!(fixture.row(2).await.is_archived());
    // Everything is going.
    fixture.archived(3).await;
    let media = broken(fixture, 3).await;
    let archive = fixture.claim(3, Work::Archive, day(30)).await;
    fixture.catalog.release_claim(&archive, day(30)).await.unwrap();
    fixture.granted(3, &THIRTY_DAYS, day(30)).await;
    let refused = fixture.catalog.set_media_back(&archive, &media, ACTOR, WHY, day(30)).await;
    assert!(matches!(refused, Err(CatalogError::ClaimLost)), "{refused:?}");
}

pub async fn media_that_was_archived_again_meanwhile_is_not_set_back(fixture: &Fixture) {
    fixture.archived(1).await;
    let broken = broken(fixture, 1).await;
    set_back(fixture, 1).await.unwrap();
    let claim = fixture.claim(1, Work::Archive, day(1)).await;
    fixture.catalog.stage_media(&claim, &object(1), MediaFormat::Wav, day(1)).await.unwrap();
    fixture.catalog.store_media(&claim, &stored_media(), day(1)).await.unwrap();
    let refused = fixture.catalog.set_media_back(&claim, &broken, ACTOR, WHY, day(1)).await;
    assert!(matches!(refused, Err(CatalogError::Refused(Refusal::AlreadyStored))), "{refused:?}");
    assert!(fixture.row(1).await.is_archived());
}

pub async fn broken_transcript_is_replaced_by_a_further_version(fixture: &Fixture) {
    fixture.transcribed(1).await;
    assert_eq!(replace(fixture, 1, 1).await.unwrap(), 2);
    assert_eq!(fixture.row(1).await.status, Status::Archived, "nothing of it can be read");
    let versions = fixture.catalog.transcripts_of(&[sid(1)]).await.unwrap().remove(&sid(1)).unwrap();
    let states: Vec<_> = versions.iter().map(|version| (version.state, version.object.is_some())).collect();
    assert_eq!(states, [(TranscriptState::Stored, false), (TranscriptState::Requested, false)]);
    let expects = Expects { transcribe: true, deliver: true };
    let stuck = fixture.catalog.stuck(expects, day(2), None, 10).await.unwrap();
    assert_eq!(stuck.iter().map(|stuck| stuck.missing).collect::<Vec<_>>(), [StuckWork::Transcribe { version: 2 }]);
    fixture.transcribe(1, 2).await;
    assert_eq!(fixture.row(1).await.status, Status::Transcribed);
    let newest = fixture.catalog.audit_log(Some(&sid(1)), 1).await.unwrap().remove(0);
    assert_eq!(newest.action, "transcribe again");
    assert!(newest.detail.contains(WHY) && newest.detail.contains("version 2"), "{}", newest.detail);
}

pub async fn other_version_keeps_it_transcribed_when_one_is_replaced(fixture: &Fixture) {
    fixture.transcribed(1).await;
    fixture.transcribe(1, 2).await;
    assert_eq!(replace(fixture, 1, 1).await.unwrap(), 3);
    assert_eq!(fixture.row(1).await.status, Status::Transcribed);
    assert_eq!(fixture.catalog.latest_transcript(&sid(1)).await.unwrap().unwrap().version, 2);
}

pub async fn transcript_that_could_not_be_made_is_not_replaced(fixture: &Fixture) {
    fixture.archived(1).await;
    assert!(matches!(replace(fixture, 1, 1).await, Err(CatalogError::Refused(Refusal::NoTranscript))));
    fixture.transcribed(2).await;
    set_back(fixture, 2).await.unwrap();
    assert!(matches!(replace(fixture, 2, 1).await, Err(CatalogError::Refused(Refusal::NoMedia))));
    fixture.hear(&Recording { encryption: Some(encryption()), ..completed(3) }).await;
    fixture.archive(3).await;
    assert!(matches!(replace(fixture, 3, 1).await, Err(CatalogError::Refused(Refusal::Encrypted))));
}

pub async fn replaced_transcript_is_named_until_the_recording_goes(fixture: &Fixture) {
    fixture.transcribed(1).await;
    replace(fixture, 1, 1).await.unwrap();
    let row = fixture.row(1).await;
    assert!(row.names(&[], &transcript_object(1, 1)), "what is left of it is no stray");
    assert!(!row.names(&[], &transcript_object(1, 2)));
    let permit = fixture.granted(1, &THIRTY_DAYS, day(30)).await;
    assert_eq!(permit.transcripts()[0].key, transcript_object(1, 1));
    assert_eq!(row.received_at, heard_at());
}
