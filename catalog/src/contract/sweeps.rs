//! Sweeps that find the same things at the same time.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use twilio::RecordingSid;

use super::fixture::{Fixture, THIRTY_DAYS, day, sid};
use crate::{Catalog, DueCursor, Expects, Policy, PurgeDecision, Sweep};

const EVERYTHING: Expects = Expects { transcribe: true, deliver: true };
const MANY: u32 = 30;

const INTERVAL: TimeDelta = TimeDelta::hours(6);
/// How long a server may take to give back what was dropped.
const PATIENCE: Duration = Duration::from_secs(30);

/// One that began at `day(30)`, so many seconds later.
fn sweep(secs: i64) -> Sweep {
    Sweep { now: day(30) + TimeDelta::seconds(secs), ..began(day(30)) }
}

fn began(began_at: DateTime<Utc>) -> Sweep {
    Sweep { began_at, now: began_at, again_before: began_at - INTERVAL }
}

/// The first page of what is due.
async fn due(catalog: &Catalog, sweep: Sweep, limit: u32) -> Vec<RecordingSid> {
    next_due(catalog, &THIRTY_DAYS, sweep, &mut DueCursor::default(), limit).await
}

/// The next one; in the order of the SIDs, where more than one is expected.
async fn next_due(
    catalog: &Catalog,
    policy: &Policy,
    sweep: Sweep,
    cursor: &mut DueCursor,
    limit: u32,
) -> Vec<RecordingSid> {
    let taken = catalog.take_due_for_purge(policy, sweep, cursor, limit).await.unwrap();
    let mut sids: Vec<_> = taken.items().iter().map(|(_, sid)| sid.clone()).collect();
    taken.keep().await.unwrap();
    sids.sort();
    sids
}

/// What nothing moved for a day.
async fn stuck(catalog: &Catalog, sweep: Sweep, after: Option<&RecordingSid>, limit: u32) -> Vec<RecordingSid> {
    let before = sweep.now - TimeDelta::days(1);
    let taken = catalog.take_stuck(EVERYTHING, before, sweep, after, limit).await.unwrap();
    let sids = taken.items().iter().map(|stuck| stuck.row.recording_sid.clone()).collect();
    taken.keep().await.unwrap();
    sids
}

/// The first page that has something on it: what was taken and dropped is given back behind the dropper's back.
async fn found(page: impl AsyncFn() -> Vec<RecordingSid>) -> Vec<RecordingSid> {
    let began = Instant::now();
    loop {
        let page = page().await;
        if !page.is_empty() || began.elapsed() > PATIENCE {
            return page;
        }
    }
}

/// All that a sweep takes, in pages of three.
async fn all(page: impl AsyncFn(Sweep, Option<RecordingSid>) -> Vec<RecordingSid>) -> Vec<RecordingSid> {
    let mut all: Vec<RecordingSid> = Vec::new();
    loop {
        let page = page(sweep(all.len() as i64), all.last().cloned()).await;
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// All that is due, in pages.
async fn all_due(catalog: &Catalog, policy: &Policy, limit: u32) -> Vec<RecordingSid> {
    let (mut all, mut cursor) = (Vec::new(), DueCursor::default());
    loop {
        let page = next_due(catalog, policy, sweep(all.len() as i64), &mut cursor, limit).await;
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

async fn receive_many(fixture: &Fixture) -> Vec<RecordingSid> {
    for number in 0..MANY {
        fixture.received(number).await;
    }
    (0..MANY).map(sid).collect()
}

pub async fn due_recording_taken_by_a_sweep_is_left_out_by_the_other(fixture: &Fixture) {
    for number in 1..=3 {
        fixture.received(number).await;
    }
    let mut cursor = DueCursor::default();
    assert_eq!(next_due(&fixture.catalog, &THIRTY_DAYS, sweep(1), &mut cursor, 2).await, [sid(1), sid(2)]);
    assert_eq!(due(&fixture.other, sweep(2), 9).await, [sid(3)]);
    assert!(next_due(&fixture.catalog, &THIRTY_DAYS, sweep(3), &mut cursor, 2).await.is_empty());
}

pub async fn due_recording_is_taken_again_only_after_the_interval(fixture: &Fixture) {
    fixture.received(1).await;
    assert_eq!(due(&fixture.catalog, began(day(30)), 9).await, [sid(1)]);
    assert!(due(&fixture.catalog, began(day(30) + INTERVAL), 9).await.is_empty());
    let later = began(day(30) + INTERVAL + TimeDelta::milliseconds(1));
    assert_eq!(due(&fixture.catalog, later, 9).await, [sid(1)]);
}

pub async fn recording_that_falls_due_in_another_way_is_taken_at_once(fixture: &Fixture) {
    let policy = Policy { twilio_delete_after_days: Some(29), ..THIRTY_DAYS };
    fixture.archived(1).await;
    let day_before = began(day(30) - TimeDelta::hours(1));
    let taken = next_due(&fixture.catalog, &policy, day_before, &mut DueCursor::default(), 9).await;
    assert_eq!(taken, [sid(1)], "Twilio's copy");
    fixture.purge(1, &policy, day_before.now + TimeDelta::seconds(1)).await;
    assert_eq!(due(&fixture.catalog, began(day(30)), 9).await, [sid(1)], "all of it");
}

pub async fn deletion_that_is_still_tried_is_not_taken_again(fixture: &Fixture) {
    fixture.received(1).await;
    assert_eq!(due(&fixture.catalog, began(day(30)), 9).await, [sid(1)]);
    let tried_at = day(30) + TimeDelta::hours(1);
    let permit = fixture.granted(1, &THIRTY_DAYS, tried_at).await;
    fixture.catalog.release_claim(permit.claim(), tried_at).await.unwrap();
    for at in [tried_at + TimeDelta::seconds(1), tried_at + INTERVAL - TimeDelta::seconds(1)] {
        assert!(due(&fixture.catalog, began(at), 9).await.is_empty());
    }
    assert_eq!(due(&fixture.catalog, began(tried_at + INTERVAL), 9).await, [sid(1)]);
}

pub async fn sweep_takes_what_is_due_and_not_held(fixture: &Fixture) {
    fixture.received(1).await;
    fixture.received(2).await;
    fixture.hold(2).await;
    assert!(due(&fixture.catalog, began(day(30) - TimeDelta::milliseconds(1)), 9).await.is_empty());
    assert_eq!(due(&fixture.catalog, began(day(30)), 9).await, [sid(1)]);
}

pub async fn taking_changes_nothing_that_is_seen(fixture: &Fixture) {
    fixture.received(1).await;
    let row = fixture.row(1).await;
    due(&fixture.catalog, sweep(0), 9).await;
    stuck(&fixture.catalog, sweep(0), None, 9).await;
    assert_eq!(fixture.row(1).await, row);
    assert_eq!(fixture.due(&THIRTY_DAYS, day(30)).await, [1]);
    assert_eq!(fixture.catalog.stuck(EVERYTHING, day(29), None, 9).await.unwrap().len(), 1);
}

pub async fn stuck_recording_taken_by_a_sweep_is_left_out_by_the_other(fixture: &Fixture) {
    for number in 1..=3 {
        fixture.received(number).await;
    }
    assert_eq!(stuck(&fixture.catalog, sweep(1), None, 2).await, [sid(1), sid(2)]);
    assert_eq!(stuck(&fixture.other, sweep(2), None, 9).await, [sid(3)]);
    assert_eq!(due(&fixture.other, sweep(2), 9).await.len(), 3, "other sweeps are other sweeps' business");
}

pub async fn stuck_recording_is_taken_again_only_after_the_interval(fixture: &Fixture) {
    fixture.received(1).await;
    assert_eq!(stuck(&fixture.catalog, began(day(30)), None, 9).await, [sid(1)]);
    assert!(stuck(&fixture.catalog, began(day(30) + INTERVAL), None, 9).await.is_empty());
    let later = began(day(30) + INTERVAL + TimeDelta::milliseconds(1));
    assert_eq!(stuck(&fixture.catalog, later, None, 9).await, [sid(1)]);
}

pub async fn what_is_due_and_taken_without_being_kept_is_found_by_the_next_sweep(fixture: &Fixture) {
    fixture.received(1).await;
    let mut cursor = DueCursor::default();
    let taken = fixture.catalog.take_due_for_purge(&THIRTY_DAYS, sweep(1), &mut cursor, 9).await.unwrap();
    assert_eq!(taken.items().len(), 1);
    drop(taken);
    assert_eq!(found(async || due(&fixture.catalog, sweep(2), 9).await).await, [sid(1)]);
}

pub async fn what_is_stuck_and_taken_without_being_kept_is_found_by_the_next_sweep(fixture: &Fixture) {
    fixture.received(1).await;
    let taken = fixture.catalog.take_stuck(EVERYTHING, day(29), sweep(1), None, 9).await.unwrap();
    assert_eq!(taken.items().len(), 1);
    drop(taken);
    assert_eq!(found(async || stuck(&fixture.catalog, sweep(2), None, 9).await).await, [sid(1)]);
}

pub async fn what_a_clock_that_was_ahead_took_is_found_by_the_next_sweep(fixture: &Fixture) {
    fixture.received(1).await;
    assert_eq!(due(&fixture.catalog, began(day(30) + TimeDelta::hours(1)), 9).await, [sid(1)]);
    assert_eq!(stuck(&fixture.catalog, began(day(30) + TimeDelta::hours(1)), None, 9).await, [sid(1)]);
    assert_eq!(due(&fixture.catalog, sweep(0), 9).await, [sid(1)]);
    assert_eq!(stuck(&fixture.catalog, sweep(0), None, 9).await, [sid(1)]);
}

pub async fn recording_taken_before_it_was_due_is_found_when_it_is(fixture: &Fixture) {
    fixture.received(1).await;
    assert_eq!(due(&fixture.catalog, sweep(0), 9).await, [sid(1)]);
    let early = day(30) - TimeDelta::seconds(1);
    let decision = fixture.decision(1, &THIRTY_DAYS, early).await;
    assert!(matches!(decision, PurgeDecision::NotDue), "{decision:?}");
    assert_eq!(due(&fixture.catalog, sweep(1), 9).await, [sid(1)]);
}

pub async fn two_sweeps_at_once_share_what_is_due(fixture: &Fixture) {
    let expected = receive_many(fixture).await;
    let (one, two) =
        tokio::join!(all_due(&fixture.catalog, &THIRTY_DAYS, 3), all_due(&fixture.other, &THIRTY_DAYS, 3),);
    let mut taken = [one, two].concat();
    taken.sort();
    assert_eq!(taken, expected, "all of it, and each once");
}

pub async fn two_sweeps_at_once_share_what_is_stuck(fixture: &Fixture) {
    let expected = receive_many(fixture).await;
    let (one, two) = tokio::join!(
        all(async |sweep, after| stuck(&fixture.catalog, sweep, after.as_ref(), 3).await),
        all(async |sweep, after| stuck(&fixture.other, sweep, after.as_ref(), 3).await),
    );
    let mut taken = [one, two].concat();
    taken.sort();
    assert_eq!(taken, expected, "all of it, and each once");
}
