//! What lacks a step.

use chrono::{DateTime, Utc};
use twilio::{Recording, RecordingStatus};

use super::fixture::{ACTOR, Fixture, LEASE, THIRTY_DAYS, bare, completed, day, encryption, heard_at, sid};
use crate::{Expects, Policy, StuckWork, Work};

const EVERYTHING: Expects = Expects { transcribe: true, deliver: true };
const ARCHIVE_ONLY: Expects = Expects { transcribe: false, deliver: false };

async fn stuck_before(fixture: &Fixture, expects: Expects, before: DateTime<Utc>) -> Vec<(u32, StuckWork)> {
    let stuck = fixture.catalog.stuck(expects, before, None, 1000).await.unwrap();
    for sid in fixture.sids().await {
        let missing = stuck.iter().filter(|stuck| stuck.row.recording_sid == sid).map(|stuck| stuck.missing);
        let missing: Vec<_> = missing.collect();
        let alone = fixture.catalog.stuck_work(expects, before, &sid).await.unwrap();
        assert_eq!(alone, missing, "{sid} by itself lacks what it lacks in the list");
    }
    let number = |sid: &str| u32::from_str_radix(&sid[2..], 16).unwrap();
    stuck.iter().map(|stuck| (number(stuck.row.recording_sid.as_str()), stuck.missing)).collect()
}

async fn stuck(fixture: &Fixture, expects: Expects) -> Vec<(u32, StuckWork)> {
    stuck_before(fixture, expects, day(60)).await
}

pub async fn received_recording_lacks_its_archive(fixture: &Fixture) {
    fixture.received(1).await;
    fixture.hear(&bare(2, RecordingStatus::InProgress)).await;
    assert_eq!(stuck(fixture, EVERYTHING).await, [(1, StuckWork::Archive), (2, StuckWork::Archive)]);
}

pub async fn archived_recording_lacks_its_transcript(fixture: &Fixture) {
    fixture.archived(1).await;
    assert_eq!(stuck(fixture, EVERYTHING).await, [(1, StuckWork::Transcribe { version: 1 })]);
}

pub async fn encrypted_recording_lacks_nothing(fixture: &Fixture) {
    fixture.hear(&Recording { encryption: Some(encryption()), ..completed(1) }).await;
    fixture.archive(1).await;
    assert_eq!(stuck(fixture, EVERYTHING).await, []);
}

pub async fn transcription_is_lacked_only_where_expected(fixture: &Fixture) {
    fixture.archived(1).await;
    fixture.archived(2).await;
    fixture.catalog.request_transcript(&sid(2), None, ACTOR, heard_at()).await.unwrap();
    assert_eq!(stuck(fixture, ARCHIVE_ONLY).await, []);
}

pub async fn requested_and_staged_versions_are_lacked(fixture: &Fixture) {
    fixture.transcribed(1).await;
    fixture.staged_transcript(1, 2).await;
    fixture.catalog.request_transcript(&sid(1), None, ACTOR, heard_at()).await.unwrap();
    let expects = Expects { transcribe: true, deliver: false };
    let lacked = [(1, StuckWork::Transcribe { version: 2 }), (1, StuckWork::Transcribe { version: 3 })];
    assert_eq!(stuck(fixture, expects).await, lacked);
}

pub async fn undelivered_version_lacks_its_delivery(fixture: &Fixture) {
    fixture.transcribed(1).await;
    fixture.transcribe(1, 2).await;
    let claim = fixture.claim(1, Work::Deliver, heard_at()).await;
    fixture.catalog.mark_delivered(&claim, 1, heard_at()).await.unwrap();
    assert_eq!(stuck(fixture, EVERYTHING).await, [(1, StuckWork::Deliver { version: 2 })]);
    assert_eq!(stuck(fixture, Expects { transcribe: true, deliver: false }).await, []);
}

pub async fn marked_recording_lacks_its_purge(fixture: &Fixture) {
    fixture.archived(1).await;
    fixture.granted(1, &THIRTY_DAYS, day(30)).await;
    fixture.catalog.note_error(&sid(1), "Twilio answers 500", day(31)).await.unwrap();
    assert_eq!(stuck(fixture, ARCHIVE_ONLY).await, [(1, StuckWork::Purge)], "an error does not stop a deletion");
}

pub async fn recording_whose_copy_at_twilio_goes_lacks_its_other_steps_too(fixture: &Fixture) {
    let policy = Policy { twilio_delete_after_days: Some(0), ..THIRTY_DAYS };
    fixture.archived(1).await;
    fixture.granted(1, &policy, day(1)).await;
    let lacked = [(1, StuckWork::Purge), (1, StuckWork::Transcribe { version: 1 })];
    assert_eq!(stuck(fixture, EVERYTHING).await, lacked);
    fixture.catalog.note_error(&sid(1), "Twilio answers 500", day(2)).await.unwrap();
    assert_eq!(stuck(fixture, EVERYTHING).await, [(1, StuckWork::Purge)], "the rest waits for an operator");
}

pub async fn failed_and_finished_recordings_lack_nothing(fixture: &Fixture) {
    for number in [1, 2] {
        fixture.transcribed(number).await;
    }
    fixture.catalog.note_error(&sid(1), "the target answers 410", day(1)).await.unwrap();
    fixture.purge(2, &THIRTY_DAYS, day(30)).await;
    fixture.hear(&bare(3, RecordingStatus::Absent)).await;
    fixture.archived(4).await;
    fixture.catalog.fail(&sid(4), "given up", day(1)).await.unwrap();
    assert_eq!(stuck(fixture, EVERYTHING).await, []);
}

pub async fn recent_movement_is_not_stuck(fixture: &Fixture) {
    fixture.received(1).await;
    assert_eq!(stuck_before(fixture, EVERYTHING, heard_at()).await, []);
    let later = heard_at() + LEASE;
    assert_eq!(stuck_before(fixture, EVERYTHING, later).await, [(1, StuckWork::Archive)]);
}

pub async fn live_claim_is_not_stuck(fixture: &Fixture) {
    fixture.received(1).await;
    let claim = fixture.claim(1, Work::Archive, day(60)).await;
    assert_eq!(stuck(fixture, EVERYTHING).await, []);
    fixture.catalog.release_claim(&claim, day(60)).await.unwrap();
    assert_eq!(stuck(fixture, EVERYTHING).await, [(1, StuckWork::Archive)]);
}

pub async fn work_attempted_lately_is_not_stuck(fixture: &Fixture) {
    fixture.received(1).await;
    let claim = fixture.claim(1, Work::Archive, day(60)).await;
    fixture.catalog.release_claim(&claim, day(60)).await.unwrap();
    assert_eq!(stuck_before(fixture, EVERYTHING, day(59)).await, []);
    assert_eq!(stuck(fixture, EVERYTHING).await, [(1, StuckWork::Archive)]);
}

pub async fn deleted_transcripts_are_not_lacked(fixture: &Fixture) {
    let policy = Policy { transcript_days: 7, ..THIRTY_DAYS };
    fixture.transcribed(1).await;
    fixture.purge(1, &policy, day(7)).await;
    assert_eq!(stuck(fixture, EVERYTHING).await, []);
}

pub async fn recording_that_stands_still_is_known_to_lack_its_steps(fixture: &Fixture) {
    fixture.transcribed(1).await;
    fixture.catalog.request_transcript(&sid(1), None, ACTOR, heard_at()).await.unwrap();
    fixture.catalog.note_error(&sid(1), "the target answers 410", day(1)).await.unwrap();
    assert_eq!(stuck(fixture, EVERYTHING).await, [], "it waits for an operator");
    let transcripts = fixture.catalog.transcripts_of(&[sid(1)]).await.unwrap();
    let lacks = fixture.row(1).await.lacks(&transcripts[&sid(1)], EVERYTHING);
    assert_eq!(lacks, [StuckWork::Transcribe { version: 2 }, StuckWork::Deliver { version: 1 }]);
}

pub async fn stuck_recordings_come_in_pages(fixture: &Fixture) {
    fixture.received(1).await;
    // A whole page of candidates that lack nothing after all does not end the walk.
    for number in [2, 3] {
        fixture.hear(&Recording { encryption: Some(encryption()), ..completed(number) }).await;
        fixture.archive(number).await;
    }
    fixture.received(4).await;
    let mut seen = Vec::new();
    let mut last = None;
    loop {
        let page = fixture.catalog.stuck(EVERYTHING, day(60), last.as_ref(), 1).await.unwrap();
        let Some(newest) = page.last() else { break };
        last = Some(newest.row.recording_sid.clone());
        seen.extend(page.into_iter().map(|stuck| stuck.row.recording_sid));
    }
    assert_eq!(seen, [sid(1), sid(4)]);
}

pub async fn versions_of_one_recording_keep_no_other_off_a_page(fixture: &Fixture) {
    for (number, versions) in [(1, 2), (2, 1)] {
        fixture.archived(number).await;
        for version in 1..=versions {
            fixture.transcribe(number, version).await;
        }
    }
    fixture.received(3).await;
    let page = fixture.catalog.stuck(EVERYTHING, day(60), None, 2).await.unwrap();
    let mut sids: Vec<_> = page.into_iter().map(|stuck| stuck.row.recording_sid).collect();
    sids.dedup();
    assert_eq!(sids, [sid(1), sid(2)], "undelivered, both of them");
}
