//! Objects that were written after what they belong to was deleted.

use super::fixture::{Fixture, THIRTY_DAYS, bare, day, object, sid, transcript_object};
use crate::{Policy, StrayDecision, Work};
use twilio::RecordingStatus;

const TRANSCRIPTS_FIRST: Policy = Policy { transcript_days: 7, ..THIRTY_DAYS };
const AUDIO_FIRST: Policy = Policy { transcript_days: 60, ..THIRTY_DAYS };

/// Whether deleting the object is granted.
async fn is_stray(fixture: &Fixture, made_by: Work, key: &str) -> bool {
    matches!(fixture.catalog.grant_stray(&sid(1), made_by, key).await.unwrap(), StrayDecision::Granted(_))
}

async fn are_strays(fixture: &Fixture) -> (bool, bool) {
    let media = is_stray(fixture, Work::Archive, &object(1)).await;
    (media, is_stray(fixture, Work::Transcribe, &transcript_object(1, 1)).await)
}

pub async fn object_of_a_kept_recording_is_no_stray(fixture: &Fixture) {
    fixture.received(1).await;
    assert_eq!(are_strays(fixture).await, (false, false), "it may be written at this moment");
    fixture.archive(1).await;
    fixture.transcribe(1, 1).await;
    assert_eq!(are_strays(fixture).await, (false, false));
}

pub async fn object_of_a_tombstone_is_a_stray(fixture: &Fixture) {
    fixture.transcribed(1).await;
    fixture.purge(1, &THIRTY_DAYS, day(30)).await;
    assert_eq!(are_strays(fixture).await, (true, true));
    assert!(is_stray(fixture, Work::Archive, "recordings/under/another/key").await);
}

pub async fn marked_transcripts_make_no_stray_of_the_audio(fixture: &Fixture) {
    fixture.transcribed(1).await;
    let permit = fixture.granted(1, &TRANSCRIPTS_FIRST, day(7)).await;
    assert_eq!(are_strays(fixture).await, (false, true));
    fixture.catalog.complete_purge(permit, "seen to be gone", day(7)).await.unwrap();
    assert_eq!(are_strays(fixture).await, (false, true));
}

pub async fn deleted_audio_makes_no_stray_of_the_transcript(fixture: &Fixture) {
    fixture.transcribed(1).await;
    fixture.purge(1, &AUDIO_FIRST, day(30)).await;
    assert_eq!(are_strays(fixture).await, (true, false));
}

pub async fn object_of_an_unheard_recording_is_left(fixture: &Fixture) {
    let decision = fixture.catalog.grant_stray(&sid(1), Work::Archive, &object(1)).await.unwrap();
    assert!(matches!(decision, StrayDecision::Unknown), "{decision:?}");
    fixture.hear(&bare(1, RecordingStatus::Absent)).await;
    assert!(!is_stray(fixture, Work::Archive, &object(1)).await);
}

pub async fn stray_that_is_gone_is_audited(fixture: &Fixture) {
    fixture.archived(1).await;
    fixture.purge(1, &THIRTY_DAYS, day(30)).await;
    let StrayDecision::Granted(permit) = fixture.catalog.grant_stray(&sid(1), Work::Archive, &object(1)).await.unwrap()
    else {
        panic!("granted was expected")
    };
    assert_eq!(permit.key(), object(1));
    fixture.catalog.complete_stray(permit, day(31)).await.unwrap();
    let newest = fixture.catalog.audit_log(Some(&sid(1)), 1).await.unwrap().remove(0);
    assert_eq!((newest.action.as_str(), newest.at), ("stray", day(31)));
    assert!(newest.detail.contains(&object(1)), "{}", newest.detail);
}

pub async fn recordings_that_keep_their_objects_are_told_from_others(fixture: &Fixture) {
    fixture.archived(1).await;
    for number in [2, 3] {
        fixture.transcribed(number).await;
    }
    fixture.purge(2, &TRANSCRIPTS_FIRST, day(7)).await;
    fixture.purge(3, &THIRTY_DAYS, day(30)).await;
    let asked: Vec<_> = (1..=4).map(sid).collect();
    let keeping = async |made_by| fixture.catalog.keeping(&asked, made_by).await.unwrap();
    assert_eq!(keeping(Work::Archive).await, [sid(1), sid(2)].into());
    assert_eq!(keeping(Work::Transcribe).await, [sid(1)].into());
}
