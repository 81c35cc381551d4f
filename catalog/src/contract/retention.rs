//! What falls due, and when.

use chrono::TimeDelta;
use twilio::RecordingStatus;

use super::fixture::{Fixture, THIRTY_DAYS, bare, completed, day, heard_at, sid};
use crate::{Policy, PurgeDecision};

pub async fn audio_falls_due_at_its_very_instant(fixture: &Fixture) {
    fixture.archived(1).await;
    assert!(fixture.due(&THIRTY_DAYS, day(30) - TimeDelta::milliseconds(1)).await.is_empty());
    assert_eq!(fixture.due(&THIRTY_DAYS, day(30)).await, [1]);
}

pub async fn transcript_falls_due_before_its_audio(fixture: &Fixture) {
    let policy = Policy { transcript_days: 7, ..THIRTY_DAYS };
    fixture.transcribed(1).await;
    fixture.archived(2).await;
    assert!(fixture.due(&policy, day(7) - TimeDelta::milliseconds(1)).await.is_empty());
    assert_eq!(fixture.due(&policy, day(7)).await, [1], "and only where there is one");
    fixture.purge(1, &policy, day(7)).await;
    assert!(fixture.due(&policy, day(29)).await.is_empty());
    assert_eq!(fixture.due(&policy, day(30)).await, [1, 2]);
}

pub async fn transcript_outlives_its_audio(fixture: &Fixture) {
    let policy = Policy { transcript_days: 90, ..THIRTY_DAYS };
    fixture.transcribed(1).await;
    assert_eq!(fixture.due(&policy, day(30)).await, [1]);
    fixture.purge(1, &policy, day(30)).await;
    assert!(fixture.due(&policy, day(90) - TimeDelta::milliseconds(1)).await.is_empty());
    assert_eq!(fixture.due(&policy, day(90)).await, [1]);
}

pub async fn twilios_copy_falls_due_after_the_archive(fixture: &Fixture) {
    let policy = Policy { twilio_delete_after_days: Some(3), ..THIRTY_DAYS };
    fixture.archived(1).await;
    let due_at = heard_at() + TimeDelta::days(3);
    assert!(fixture.due(&policy, due_at - TimeDelta::milliseconds(1)).await.is_empty());
    assert_eq!(fixture.due(&policy, due_at).await, [1]);
    fixture.purge(1, &policy, due_at).await;
    assert!(fixture.due(&policy, day(29)).await.is_empty());
}

pub async fn twilios_copy_waits_for_the_archive(fixture: &Fixture) {
    let policy = Policy { twilio_delete_after_days: Some(0), ..THIRTY_DAYS };
    fixture.received(1).await;
    assert!(fixture.due(&policy, day(29)).await.is_empty());
    fixture.archive(1).await;
    assert_eq!(fixture.due(&policy, day(29)).await, [1]);
}

pub async fn twilios_copy_stays_where_ours_may_not_be_all_of_it(fixture: &Fixture) {
    let policy = Policy { twilio_delete_after_days: Some(0), ..THIRTY_DAYS };
    for (number, flag) in [(1, "shorter_than_its_header"), (2, "duration_differs"), (3, "twilio_encrypted")] {
        fixture.received(number).await;
        fixture.archive_flagged(number, &[flag]).await;
    }
    assert_eq!(fixture.due(&policy, day(29)).await, [3]);
    let decision = fixture.decision(1, &policy, day(29)).await;
    assert!(matches!(decision, PurgeDecision::NotDue), "{decision:?}");
    let permit = fixture.granted(2, &policy, day(30)).await;
    assert!(permit.deletes_twilio_copy(), "it goes with the audio");
}

pub async fn twilios_copy_never_outlives_the_audio(fixture: &Fixture) {
    let policy = Policy { twilio_delete_after_days: Some(365), ..THIRTY_DAYS };
    fixture.archived(1).await;
    let permit = fixture.granted(1, &policy, day(30)).await;
    assert!(permit.deletes_twilio_copy());
}

pub async fn never_archived_and_failed_recordings_fall_due(fixture: &Fixture) {
    fixture.received(1).await;
    fixture.received(2).await;
    fixture.catalog.fail(&sid(2), "given up", day(1)).await.unwrap();
    assert_eq!(fixture.due(&THIRTY_DAYS, day(30)).await, [1, 2]);
}

pub async fn absent_recordings_never_fall_due(fixture: &Fixture) {
    fixture.hear(&bare(1, RecordingStatus::Absent)).await;
    fixture.erase(1).await;
    assert!(fixture.due(&THIRTY_DAYS, day(365)).await.is_empty());
}

pub async fn held_recordings_never_fall_due(fixture: &Fixture) {
    let policy = Policy { twilio_delete_after_days: Some(0), ..THIRTY_DAYS };
    fixture.transcribed(1).await;
    fixture.hold(1).await;
    assert!(fixture.due(&policy, day(365)).await.is_empty());
    fixture.release(1, day(365)).await;
    assert_eq!(fixture.due(&policy, day(365)).await, [1]);
}

pub async fn erasure_is_due_at_once(fixture: &Fixture) {
    fixture.archived(1).await;
    fixture.erase(1).await;
    assert_eq!(fixture.due(&THIRTY_DAYS, heard_at()).await, [1]);
}

pub async fn erasure_under_a_hold_is_due_on_release(fixture: &Fixture) {
    fixture.archived(1).await;
    fixture.hold(1).await;
    fixture.erase(1).await;
    assert!(fixture.due(&THIRTY_DAYS, day(1)).await.is_empty());
    fixture.release(1, day(2)).await;
    assert_eq!(fixture.due(&THIRTY_DAYS, day(2)).await, [1]);
}

pub async fn begun_purge_stays_due_under_a_longer_policy(fixture: &Fixture) {
    fixture.archived(1).await;
    fixture.granted(1, &THIRTY_DAYS, day(30)).await;
    let longer = Policy { retention_days: 365, ..THIRTY_DAYS };
    assert_eq!(fixture.due(&longer, day(31)).await, [1]);
}

pub async fn due_recordings_come_in_pages(fixture: &Fixture) {
    for number in 1..=5 {
        fixture.received(number).await;
    }
    let mut pages = Vec::new();
    let mut last = None;
    loop {
        let page = fixture.catalog.due_for_purge(&THIRTY_DAYS, day(30), last.as_ref(), 2).await.unwrap();
        let Some((_, newest)) = page.last() else { break };
        last = Some(newest.clone());
        pages.push(page.into_iter().map(|(_, sid)| sid).collect::<Vec<_>>());
    }
    assert_eq!(pages, [vec![sid(1), sid(2)], vec![sid(3), sid(4)], vec![sid(5)]]);
}

pub async fn recording_due_in_several_ways_comes_once(fixture: &Fixture) {
    let policy = Policy { twilio_delete_after_days: Some(0), ..THIRTY_DAYS };
    fixture.transcribed(1).await;
    fixture.erase(1).await;
    assert_eq!(fixture.due(&policy, day(30)).await, [1]);
}

pub async fn new_policy_holds_for_old_recordings(fixture: &Fixture) {
    fixture.hear(&completed(1)).await;
    for days in [10, 40] {
        let policy = Policy { retention_days: days, ..THIRTY_DAYS };
        assert!(fixture.due(&policy, day(i64::from(days) - 1)).await.is_empty());
        assert_eq!(fixture.due(&policy, day(i64::from(days))).await, [1]);
    }
    let for_ever = Policy { retention_days: u32::MAX, ..THIRTY_DAYS };
    assert!(fixture.due(&for_ever, day(100_000)).await.is_empty());
}
