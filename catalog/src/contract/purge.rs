//! The gate, the permit and what is left after.

use chrono::TimeDelta;
use twilio::{MediaFormat, Recording, RecordingStatus};

use super::fixture::{
    ACTOR, Fixture, LEASE, THIRTY_DAYS, bare, completed, day, heard_at, object, sid, stored_media, stored_transcript,
    transcript_object,
};
use crate::{CatalogError, Policy, PurgeDecision, PurgePermit, Purged, Refusal, Status, TranscriptState, Work};

const TWILIO_AT_ONCE: Policy = Policy { twilio_delete_after_days: Some(0), ..THIRTY_DAYS };

fn keys(permit: &PurgePermit) -> Vec<&str> {
    permit.media().into_iter().chain(permit.transcripts()).map(|object| object.key.as_str()).collect()
}

async fn decision(fixture: &Fixture, number: u32, days: i64) -> PurgeDecision {
    fixture.decision(number, &THIRTY_DAYS, day(days)).await
}

pub async fn nothing_due_is_not_granted(fixture: &Fixture) {
    fixture.transcribed(1).await;
    assert!(matches!(decision(fixture, 1, 29).await, PurgeDecision::NotDue));
    assert!(!fixture.row(1).await.is_marked);
}

pub async fn held_recording_is_not_granted(fixture: &Fixture) {
    fixture.transcribed(1).await;
    fixture.hold(1).await;
    fixture.erase(1).await;
    assert!(matches!(decision(fixture, 1, 365).await, PurgeDecision::Held));
    assert!(!fixture.row(1).await.is_marked);
}

pub async fn absent_recording_is_gone(fixture: &Fixture) {
    fixture.hear(&bare(1, RecordingStatus::Absent)).await;
    assert!(matches!(decision(fixture, 1, 365).await, PurgeDecision::Gone));
}

pub async fn permit_names_everything_that_is_due(fixture: &Fixture) {
    fixture.transcribed(1).await;
    fixture.transcribe(1, 2).await;
    let permit = fixture.granted(1, &THIRTY_DAYS, day(30)).await;
    assert_eq!(keys(&permit), [object(1), transcript_object(1, 1), transcript_object(1, 2)]);
    assert_eq!((permit.rule(), permit.deletes_twilio_copy()), ("retention 30 days", true));
    assert_eq!((permit.recording_sid(), permit.media_to_verify()), (&sid(1), None));
    let media = permit.media().unwrap();
    assert_eq!((media.bytes, media.sealed_bytes, media.sha256.clone()), (192_044, 192_300, "5a".repeat(32)));
    assert!(fixture.row(1).await.is_marked);
}

pub async fn permit_names_staged_objects_and_leftovers(fixture: &Fixture) {
    fixture.received(1).await;
    let claim = fixture.claim(1, Work::Archive, heard_at()).await;
    for (object, format) in [("a.mp3.age", MediaFormat::Mp3), ("b.wav.age", MediaFormat::Wav)] {
        fixture.catalog.stage_media(&claim, object, format, heard_at()).await.unwrap();
    }
    fixture.staged_transcript(1, 1).await;
    let permit = fixture.granted(1, &THIRTY_DAYS, day(30)).await;
    assert_eq!(keys(&permit), ["b.wav.age", &transcript_object(1, 1), "a.mp3.age"]);
}

pub async fn everything_gone_makes_a_tombstone(fixture: &Fixture) {
    fixture.transcribed(1).await;
    let row = fixture.purge(1, &THIRTY_DAYS, day(30)).await;
    assert_eq!((row.status, row.deleted_at, row.twilio_deleted_at), (Status::Deleted, Some(day(30)), Some(day(30))));
    assert_eq!((row.media.as_ref(), row.is_marked, row.error.as_ref()), (None, false, None));
    assert_eq!(row, fixture.row(1).await);
    assert_eq!(fixture.catalog.latest_transcript(&sid(1)).await.unwrap(), None);
    let transcript = fixture.catalog.transcript(&sid(1), 1).await.unwrap().unwrap();
    assert_eq!((transcript.state, transcript.object), (TranscriptState::Stored, None));
    assert_eq!((transcript.language, transcript.words), (None, None));
    assert!(fixture.due(&THIRTY_DAYS, day(365)).await.is_empty());
    assert!(matches!(decision(fixture, 1, 365).await, PurgeDecision::Gone));
}

pub async fn twilios_copy_goes_alone(fixture: &Fixture) {
    fixture.transcribed(1).await;
    let permit = fixture.granted(1, &TWILIO_AT_ONCE, day(1)).await;
    assert_eq!((permit.rule(), keys(&permit)), ("twilio copy 0 days after archive", vec![]));
    assert_eq!(permit.media_to_verify().map(|media| media.key.clone()), Some(object(1)));
    let row = fixture.complete(permit, day(1)).await;
    assert_eq!((row.status, row.twilio_deleted_at, row.deleted_at), (Status::Transcribed, Some(day(1)), None));
    let permit = fixture.granted(1, &TWILIO_AT_ONCE, day(30)).await;
    assert!(!permit.deletes_twilio_copy(), "it is gone already");
}

pub async fn work_goes_on_while_twilios_copy_goes(fixture: &Fixture) {
    fixture.archived(1).await;
    let transcribing = fixture.staged_transcript(1, 1).await;
    fixture.granted(1, &TWILIO_AT_ONCE, heard_at()).await;
    assert!(!fixture.row(1).await.is_marked);
    fixture.catalog.store_transcript(&transcribing, &stored_transcript(1), heard_at()).await.unwrap();
    fixture.claim(1, Work::Deliver, heard_at()).await;
}

pub async fn audio_goes_and_the_transcript_stays(fixture: &Fixture) {
    let policy = Policy { transcript_days: 90, ..THIRTY_DAYS };
    fixture.transcribed(1).await;
    let permit = fixture.granted(1, &policy, day(30)).await;
    assert_eq!(keys(&permit), [object(1)]);
    let row = fixture.complete(permit, day(30)).await;
    assert_eq!((row.status, row.audio_deleted_at, row.deleted_at), (Status::Transcribed, Some(day(30)), None));
    assert_eq!((row.media.as_ref(), row.is_archived(), row.is_marked), (None, true, false));
    assert!(fixture.catalog.latest_transcript(&sid(1)).await.unwrap().is_some());
    let claim = fixture.claim(1, Work::Archive, day(31)).await;
    let staged = fixture.catalog.stage_media(&claim, &object(1), MediaFormat::Wav, day(31)).await;
    assert!(matches!(staged, Err(CatalogError::Refused(Refusal::AudioDeleted))));
    fixture.catalog.release_claim(&claim, day(31)).await.unwrap();
    assert_eq!(fixture.purge(1, &policy, day(90)).await.status, Status::Deleted);
}

pub async fn transcript_goes_and_the_audio_stays(fixture: &Fixture) {
    let policy = Policy { transcript_days: 7, ..THIRTY_DAYS };
    fixture.transcribed(1).await;
    let permit = fixture.granted(1, &policy, day(7)).await;
    assert_eq!((permit.rule(), keys(&permit)), ("transcript retention 7 days", vec![&*transcript_object(1, 1)]));
    assert!(!permit.deletes_twilio_copy());
    let row = fixture.complete(permit, day(7)).await;
    assert_eq!((row.status, row.transcripts_deleted_at), (Status::Archived, Some(day(7))));
    assert!(row.media.is_some());
    let requested = fixture.catalog.request_transcript(&sid(1), None, ACTOR, day(8)).await;
    assert!(matches!(requested, Err(CatalogError::Refused(Refusal::TranscriptsDeleted))));
    let claim = fixture.claim(1, Work::Transcribe, day(8)).await;
    let staged = fixture.catalog.stage_transcript(&claim, 2, "deepgram", "key", day(8)).await;
    assert!(matches!(staged, Err(CatalogError::Refused(Refusal::TranscriptsDeleted))));
}

pub async fn never_archived_recording_is_deleted_at_twilio(fixture: &Fixture) {
    fixture.received(1).await;
    fixture.catalog.fail(&sid(1), "given up", day(1)).await.unwrap();
    let permit = fixture.granted(1, &THIRTY_DAYS, day(30)).await;
    assert_eq!((permit.deletes_twilio_copy(), keys(&permit)), (true, vec![]));
    let row = fixture.complete(permit, day(30)).await;
    assert_eq!((row.status, row.error), (Status::Deleted, None));
}

pub async fn crash_before_completion_grants_the_same_again(fixture: &Fixture) {
    fixture.transcribed(1).await;
    fixture.granted(1, &THIRTY_DAYS, day(30)).await;
    let for_ever = Policy { retention_days: 9_999, transcript_days: 9_999, twilio_delete_after_days: None };
    let permit = fixture.granted(1, &for_ever, day(31)).await;
    assert_eq!(keys(&permit), [object(1), transcript_object(1, 1)]);
    assert_eq!((permit.rule(), permit.deletes_twilio_copy()), ("retention 30 days", true));
    let row = fixture.complete(permit, day(31)).await;
    assert_eq!(row.status, Status::Deleted);
}

pub async fn withdrawn_permit_leaves_the_recording_as_it_was_and_free_for_a_hold(fixture: &Fixture) {
    fixture.transcribed(1).await;
    fixture.catalog.note_error(&sid(1), "not delivered", day(29)).await.unwrap();
    let before = fixture.row(1).await;
    let permit = fixture.granted(1, &THIRTY_DAYS, day(30)).await;
    fixture.catalog.withdraw_purge(permit, day(30)).await.unwrap();
    assert_eq!(fixture.row(1).await, before);
    fixture.hold(1).await;
    assert!(fixture.due(&THIRTY_DAYS, day(31)).await.is_empty());
}

pub async fn permit_that_is_withdrawn_after_a_crash_leaves_the_mark_of_before(fixture: &Fixture) {
    fixture.transcribed(1).await;
    fixture.granted(1, &THIRTY_DAYS, day(30)).await;
    let permit = fixture.granted(1, &THIRTY_DAYS, day(31)).await;
    fixture.catalog.withdraw_purge(permit, day(31)).await.unwrap();
    assert!(fixture.row(1).await.is_marked, "the attempt that crashed may have deleted something");
}

pub async fn mark_and_new_due_parts_are_granted_together(fixture: &Fixture) {
    fixture.archived(1).await;
    fixture.granted(1, &TWILIO_AT_ONCE, day(1)).await;
    fixture.erase(1).await;
    let permit = fixture.granted(1, &TWILIO_AT_ONCE, day(2)).await;
    assert_eq!(keys(&permit), [object(1)]);
    assert_eq!(permit.rule(), "twilio copy 0 days after archive; erasure: asked for");
}

pub async fn work_under_way_makes_the_gate_wait(fixture: &Fixture) {
    fixture.received(1).await;
    let archiving = fixture.claim(1, Work::Archive, day(30)).await;
    assert!(matches!(decision(fixture, 1, 30).await, PurgeDecision::Busy));
    assert!(!fixture.row(1).await.is_marked);
    fixture.catalog.release_claim(&archiving, day(30)).await.unwrap();
    fixture.granted(1, &THIRTY_DAYS, day(31)).await;
}

pub async fn work_that_ended_by_a_clock_that_is_ahead_holds_no_gate_up(fixture: &Fixture) {
    fixture.received(1).await;
    let ahead = day(30) + TimeDelta::hours(1);
    let archiving = fixture.claim(1, Work::Archive, ahead).await;
    fixture.catalog.release_claim(&archiving, ahead).await.unwrap();
    fixture.granted(1, &THIRTY_DAYS, day(30)).await;
}

pub async fn mark_takes_expired_claims_away(fixture: &Fixture) {
    fixture.received(1).await;
    let slow = fixture.claim(1, Work::Archive, day(29)).await;
    fixture.catalog.stage_media(&slow, &object(1), MediaFormat::Wav, day(29)).await.unwrap();
    fixture.granted(1, &THIRTY_DAYS, day(30)).await;
    let stored = fixture.catalog.store_media(&slow, &stored_media(), day(30)).await;
    assert!(matches!(stored, Err(CatalogError::ClaimLost)));
    let extended = fixture.catalog.extend_claim(&slow, LEASE, day(30)).await;
    assert!(matches!(extended, Err(CatalogError::ClaimLost)));
}

pub async fn marked_recording_takes_no_new_work(fixture: &Fixture) {
    fixture.transcribed(1).await;
    fixture.granted(1, &THIRTY_DAYS, day(30)).await;
    for work in [Work::Archive, Work::Transcribe, Work::Deliver] {
        assert_eq!(fixture.catalog.claim(&sid(1), work, LEASE, day(31)).await.unwrap(), None);
    }
    let requested = fixture.catalog.request_transcript(&sid(1), None, ACTOR, day(31)).await;
    assert!(matches!(requested, Err(CatalogError::Refused(Refusal::Marked))));
}

pub async fn purge_under_way_is_another_ones_until_its_lease_ends(fixture: &Fixture) {
    fixture.archived(1).await;
    let permit = fixture.granted(1, &THIRTY_DAYS, day(30)).await;
    let lease = TimeDelta::from_std(LEASE).unwrap();
    for (now, is_claimed) in [(day(30) + lease / 2, true), (day(30) + lease, false)] {
        let decision = fixture.other.grant_purge(&sid(1), &THIRTY_DAYS, LEASE, now).await.unwrap();
        assert_eq!(matches!(decision, PurgeDecision::Claimed), is_claimed, "{decision:?}");
    }
    let extended = fixture.catalog.extend_claim(permit.claim(), LEASE, day(31)).await;
    assert!(matches!(extended, Err(CatalogError::ClaimLost)));
}

pub async fn of_many_each_is_decided_as_it_stands(fixture: &Fixture) {
    let sids: Vec<_> = [1, 2, 3, 4, 5, 6, 5].map(sid).into();
    fixture.transcribed(1).await;
    fixture.archived(2).await;
    fixture.hold(2).await;
    fixture.hear(&Recording { started_at: Some(day(20)), ..completed(3) }).await;
    fixture.hear(&bare(4, RecordingStatus::Absent)).await;
    fixture.archived(5).await;
    let decisions = fixture.catalog.grant_purges(&sids, &THIRTY_DAYS, LEASE, day(30)).await.unwrap();
    let [first, held, early, absent, last, unknown, twice] = &decisions[..] else { panic!("{decisions:?}") };
    assert!(matches!(held, Ok(PurgeDecision::Held)) && matches!(early, Ok(PurgeDecision::NotDue)), "{decisions:?}");
    assert!(matches!(absent, Ok(PurgeDecision::Gone)), "{absent:?}");
    assert!(matches!(unknown, Err(CatalogError::UnknownRecording(unknown)) if *unknown == sid(6)), "{unknown:?}");
    assert!(matches!(twice, Ok(PurgeDecision::Claimed)), "{twice:?}");
    let (Ok(PurgeDecision::Granted(first)), Ok(PurgeDecision::Granted(last))) = (first, last) else {
        panic!("{decisions:?}")
    };
    assert_eq!((keys(first), keys(last)), (vec![&*object(1), &transcript_object(1, 1)], vec![&*object(5)]));
    assert!(!fixture.row(2).await.is_marked && !fixture.row(3).await.is_marked);
}

pub async fn of_many_that_end_together_those_whose_claim_was_lost_are_told(fixture: &Fixture) {
    for number in [1, 2, 3] {
        fixture.transcribed(number).await;
    }
    let transcripts_first = Policy { transcript_days: 7, ..THIRTY_DAYS };
    let mut purged = Vec::new();
    for (number, policy) in [(1, &THIRTY_DAYS), (2, &THIRTY_DAYS), (3, &transcripts_first)] {
        let permit = fixture.granted(number, policy, day(if number == 3 { 7 } else { 30 })).await;
        purged.push(Purged { permit, evidence: format!("evidence {number}") });
    }
    fixture.granted(2, &THIRTY_DAYS, day(31)).await;
    let completed = fixture.catalog.complete_purges(purged, day(31)).await.unwrap();
    assert!(matches!(completed[..], [Ok(()), Err(CatalogError::ClaimLost), Ok(())]), "{completed:?}");
    let rows = [fixture.row(1).await, fixture.row(2).await, fixture.row(3).await];
    assert_eq!(rows.map(|row| row.status), [Status::Deleted, Status::Transcribed, Status::Archived]);
    for (number, says) in [(1, "retention 30 days: twilio audio transcripts; evidence 1"), (3, "evidence 3")] {
        let entry = fixture.catalog.audit_log(Some(&sid(number)), 1).await.unwrap().remove(0);
        assert!(entry.action == "purge" && entry.detail.contains(says), "{entry:?}");
    }
    assert!(fixture.catalog.audit_log(Some(&sid(2)), 9).await.unwrap().is_empty());
}

pub async fn completion_needs_the_newest_claim(fixture: &Fixture) {
    fixture.archived(1).await;
    let of_the_slow = fixture.granted(1, &THIRTY_DAYS, day(30)).await;
    let permit = fixture.granted(1, &THIRTY_DAYS, day(31)).await;
    let completed = fixture.catalog.complete_purge(of_the_slow, "gone", day(31)).await;
    assert!(matches!(completed, Err(CatalogError::ClaimLost)));
    assert_eq!(fixture.row(1).await.status, Status::Archived);
    fixture.catalog.complete_purge(permit, "gone", day(31)).await.unwrap();
}

pub async fn versions_never_made_go_with_the_audio(fixture: &Fixture) {
    fixture.transcribed(1).await;
    fixture.catalog.request_transcript(&sid(1), None, ACTOR, heard_at()).await.unwrap();
    fixture.staged_transcript(1, 3).await;
    let policy = Policy { transcript_days: 90, ..THIRTY_DAYS };
    fixture.purge(1, &policy, day(30)).await;
    assert_eq!(fixture.catalog.transcript(&sid(1), 2).await.unwrap(), None, "only asked for");
    let staged = fixture.catalog.transcript(&sid(1), 3).await.unwrap();
    assert!(staged.is_some(), "it may have bytes");
    fixture.purge(1, &policy, day(90)).await;
    assert_eq!(fixture.catalog.transcript(&sid(1), 3).await.unwrap(), None);
}

pub async fn purge_is_audited_with_rule_and_evidence(fixture: &Fixture) {
    fixture.archived(1).await;
    let permit = fixture.granted(1, &THIRTY_DAYS, day(30)).await;
    fixture.catalog.complete_purge(permit, "Twilio says: deleted", day(30)).await.unwrap();
    let entry = fixture.catalog.audit_log(Some(&sid(1)), 1).await.unwrap().remove(0);
    assert_eq!((entry.action.as_str(), entry.at), ("purge", day(30)));
    for said in ["retention 30 days", "Twilio says: deleted", &"5a".repeat(32), "192044 bytes"] {
        assert!(entry.detail.contains(said), "{} lacks {said}", entry.detail);
    }
}
