//! Legal holds and erasure requests.

use super::fixture::{ACTOR, Fixture, LEASE, THIRTY_DAYS, completed, day, heard_at, sid};
use crate::{CatalogError, Policy, PurgeDecision, Refusal, Status};

async fn refusal_to_hold(fixture: &Fixture, number: u32) -> Refusal {
    match fixture.catalog.place_hold(&sid(number), "a lawsuit", ACTOR, day(40)).await {
        Err(CatalogError::Refused(refusal)) => refusal,
        held => panic!("a refusal was expected, not {held:?}"),
    }
}

pub async fn hold_is_placed_and_released(fixture: &Fixture) {
    fixture.archived(1).await;
    fixture.hold(1).await;
    assert!(fixture.row(1).await.is_held);
    fixture.release(1, day(1)).await;
    assert!(!fixture.row(1).await.is_held);
}

pub async fn second_hold_is_refused(fixture: &Fixture) {
    fixture.archived(1).await;
    fixture.hold(1).await;
    assert_eq!(refusal_to_hold(fixture, 1).await, Refusal::AlreadyHeld);
}

pub async fn release_without_hold_is_refused(fixture: &Fixture) {
    fixture.archived(1).await;
    let released = fixture.catalog.release_hold(&sid(1), "settled", ACTOR, day(1)).await;
    assert!(matches!(released, Err(CatalogError::Refused(Refusal::NotHeld))));
}

pub async fn hold_on_a_marked_recording_is_refused(fixture: &Fixture) {
    fixture.archived(1).await;
    fixture.granted(1, &THIRTY_DAYS, day(30)).await;
    assert_eq!(refusal_to_hold(fixture, 1).await, Refusal::Marked);
    assert!(!fixture.row(1).await.is_held);
}

pub async fn hold_while_twilios_copy_goes_is_refused(fixture: &Fixture) {
    let at_once = Policy { twilio_delete_after_days: Some(0), ..THIRTY_DAYS };
    fixture.archived(1).await;
    let permit = fixture.granted(1, &at_once, day(1)).await;
    assert_eq!(refusal_to_hold(fixture, 1).await, Refusal::Marked);
    fixture.catalog.complete_purge(permit, "gone", day(1)).await.unwrap();
    fixture.hold(1).await;
}

pub async fn hold_on_a_tombstone_is_refused(fixture: &Fixture) {
    fixture.archived(1).await;
    fixture.purge(1, &THIRTY_DAYS, day(30)).await;
    assert_eq!(refusal_to_hold(fixture, 1).await, Refusal::Deleted);
}

pub async fn hold_after_a_release_is_a_new_one(fixture: &Fixture) {
    fixture.archived(1).await;
    fixture.hold(1).await;
    fixture.release(1, day(1)).await;
    fixture.hold(1).await;
    fixture.release(1, day(2)).await;
    assert!(!fixture.row(1).await.is_held);
}

pub async fn hold_against_purge_has_exactly_one_winner(fixture: &Fixture) {
    for number in 0..20 {
        fixture.hear(&completed(number)).await;
        let sid = sid(number);
        let (held, decision) = tokio::join!(
            fixture.other.place_hold(&sid, "a lawsuit", ACTOR, day(30)),
            fixture.catalog.grant_purge(&sid, &THIRTY_DAYS, LEASE, day(30)),
        );
        match (held, decision.unwrap()) {
            (Ok(()), PurgeDecision::Held)
            | (Err(CatalogError::Refused(Refusal::Marked)), PurgeDecision::Granted(_)) => {}
            both => panic!("one must win: {both:?}"),
        }
    }
}

pub async fn erasure_request_is_remembered_once(fixture: &Fixture) {
    fixture.archived(1).await;
    fixture.erase(1).await;
    fixture.catalog.request_erasure(&sid(1), "asked again", ACTOR, day(1)).await.unwrap();
    assert_eq!(fixture.row(1).await.erase_requested_at, Some(heard_at()));
    let permit = fixture.granted(1, &THIRTY_DAYS, day(1)).await;
    assert_eq!(permit.rule(), "erasure: asked for");
}

pub async fn erasure_of_a_tombstone_changes_nothing(fixture: &Fixture) {
    fixture.archived(1).await;
    let tombstone = fixture.purge(1, &THIRTY_DAYS, day(30)).await;
    fixture.erase(1).await;
    assert_eq!(fixture.row(1).await, tombstone);
    assert_eq!(tombstone.status, Status::Deleted);
}

pub async fn operators_on_unknown_recordings_are_told(fixture: &Fixture) {
    let (catalog, sid) = (&fixture.catalog, sid(1));
    let told = [
        catalog.place_hold(&sid, "why", ACTOR, day(1)).await,
        catalog.release_hold(&sid, "why", ACTOR, day(1)).await,
        catalog.request_erasure(&sid, "why", ACTOR, day(1)).await,
        catalog.request_transcript(&sid, None, ACTOR, day(1)).await.map(|_| ()),
    ];
    assert!(told.iter().all(|told| matches!(told, Err(CatalogError::UnknownRecording(_)))), "{told:?}");
}
