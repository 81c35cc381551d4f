//! Claims and fences.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use chrono::{DateTime, TimeDelta, Utc};
use twilio::MediaFormat;

use super::fixture::{Fixture, LEASE, THIRTY_DAYS, day, heard_at, object, sid, stored_media, stored_transcript};
use crate::{CatalogError, Claim, Status, Work};

pub async fn claimed_work_is_not_claimed_twice(fixture: &Fixture) {
    fixture.received(1).await;
    fixture.claim(1, Work::Archive, heard_at()).await;
    assert_eq!(fixture.other.claim(&sid(1), Work::Archive, LEASE, heard_at()).await.unwrap(), None);
}

pub async fn different_work_is_claimed_at_once(fixture: &Fixture) {
    fixture.received(1).await;
    fixture.received(2).await;
    fixture.claim(1, Work::Archive, heard_at()).await;
    fixture.claim(1, Work::Transcribe, heard_at()).await;
    fixture.claim(2, Work::Archive, heard_at()).await;
}

pub async fn released_claim_can_be_taken(fixture: &Fixture) {
    fixture.received(1).await;
    let claim = fixture.claim(1, Work::Archive, heard_at()).await;
    fixture.catalog.release_claim(&claim, heard_at()).await.unwrap();
    fixture.claim(1, Work::Archive, heard_at()).await;
}

pub async fn work_that_is_written_down_ends_its_claim(fixture: &Fixture) {
    fixture.received(1).await;
    let claim = fixture.claim(1, Work::Archive, heard_at()).await;
    assert_eq!(claim.row(), &fixture.row(1).await);
    fixture.catalog.stage_media(&claim, &object(1), MediaFormat::Wav, heard_at()).await.unwrap();
    fixture.catalog.store_media(&claim, &stored_media(), heard_at()).await.unwrap();
    assert_over(fixture, &claim, heard_at()).await;

    let claim = fixture.claim(1, Work::Transcribe, heard_at()).await;
    fixture.catalog.stage_transcript(&claim, 1, "deepgram", &object(2), heard_at()).await.unwrap();
    fixture.catalog.store_transcript(&claim, &stored_transcript(1), heard_at()).await.unwrap();
    assert_over(fixture, &claim, heard_at()).await;

    let claim = fixture.claim(1, Work::Deliver, heard_at()).await;
    fixture.catalog.mark_delivered(&claim, 1, heard_at()).await.unwrap();
    assert_over(fixture, &claim, heard_at()).await;

    let permit = fixture.granted(1, &THIRTY_DAYS, day(31)).await;
    let claim = permit.claim().clone();
    fixture.catalog.complete_purge(permit, "seen", day(31)).await.unwrap();
    assert_over(fixture, &claim, day(31)).await;
}

/// Others may work, and whoever held it can neither keep it nor take it from them.
async fn assert_over(fixture: &Fixture, claim: &Claim, now: DateTime<Utc>) {
    let extended = fixture.catalog.extend_claim(claim, LEASE, now).await;
    assert!(matches!(extended, Err(CatalogError::ClaimLost)), "{extended:?}");
    let others = fixture.other.claim(&sid(1), claim.work(), LEASE, now).await.unwrap().expect("it was given up");
    fixture.catalog.release_claim(claim, now).await.unwrap();
    fixture.other.extend_claim(&others, LEASE, now).await.unwrap();
    fixture.other.release_claim(&others, now).await.unwrap();
}

pub async fn end_that_is_dropped_half_way_leaves_a_claim_that_can_be_released(fixture: &Fixture) {
    for number in 1..40 {
        fixture.received(number).await;
        let claim = fixture.claim(number, Work::Archive, heard_at()).await;
        fixture.catalog.stage_media(&claim, &object(number), MediaFormat::Wav, heard_at()).await.unwrap();
        let media = stored_media();
        let storing = fixture.catalog.store_media(&claim, &media, heard_at());
        // Ever later: at each of its statements, and after its end.
        polled(number, storing).await;
        fixture.catalog.release_claim(&claim, heard_at()).await.unwrap();
        let others = fixture.other.claim(&sid(number), Work::Archive, LEASE, heard_at()).await.unwrap();
        assert!(others.is_some(), "dropped when it was polled {number} times");
    }
}

/// Polls `work` so many times, or to its end, and drops it.
async fn polled<T>(times: u32, work: impl Future<Output = T>) {
    let (mut work, mut polls) = (pin!(work), 0);
    poll_fn(|context| {
        polls += 1;
        if work.as_mut().poll(context).is_ready() || polls == times { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

pub async fn expired_claim_is_taken_over(fixture: &Fixture) {
    fixture.received(1).await;
    fixture.claim(1, Work::Archive, heard_at()).await;
    let expiry = heard_at() + LEASE;
    let too_early = expiry - TimeDelta::milliseconds(1);
    assert_eq!(fixture.other.claim(&sid(1), Work::Archive, LEASE, too_early).await.unwrap(), None);
    assert!(fixture.other.claim(&sid(1), Work::Archive, LEASE, expiry).await.unwrap().is_some());
}

pub async fn claim_by_a_clock_that_is_ahead_keeps_nobody_away(fixture: &Fixture) {
    fixture.received(1).await;
    let wrong = fixture.claim(1, Work::Archive, heard_at() + TimeDelta::hours(1)).await;
    assert!(fixture.other.claim(&sid(1), Work::Archive, LEASE, heard_at()).await.unwrap().is_some());
    let extended = fixture.catalog.extend_claim(&wrong, LEASE, heard_at()).await;
    assert!(matches!(extended, Err(CatalogError::ClaimLost)));
}

pub async fn claim_by_a_clock_that_is_a_lease_ahead_holds(fixture: &Fixture) {
    fixture.received(1).await;
    fixture.claim(1, Work::Archive, heard_at() + LEASE).await;
    assert_eq!(fixture.other.claim(&sid(1), Work::Archive, LEASE, heard_at()).await.unwrap(), None);
}

pub async fn overtaken_holder_can_neither_extend_nor_commit(fixture: &Fixture) {
    fixture.received(1).await;
    let slow = fixture.claim(1, Work::Archive, heard_at()).await;
    fixture.catalog.stage_media(&slow, &object(1), MediaFormat::Wav, heard_at()).await.unwrap();
    let later = heard_at() + LEASE;
    let quick = fixture.claim(1, Work::Archive, later).await;

    let extended = fixture.catalog.extend_claim(&slow, LEASE, later).await;
    assert!(matches!(extended, Err(CatalogError::ClaimLost)));
    let stored = fixture.catalog.store_media(&slow, &stored_media(), later).await;
    assert!(matches!(stored, Err(CatalogError::ClaimLost)));
    assert_eq!(fixture.row(1).await.status, Status::Received);
    fixture.catalog.store_media(&quick, &stored_media(), later).await.unwrap();
}

pub async fn overtaken_holder_releases_without_harm(fixture: &Fixture) {
    fixture.received(1).await;
    let slow = fixture.claim(1, Work::Archive, heard_at()).await;
    let later = heard_at() + LEASE;
    fixture.claim(1, Work::Archive, later).await;
    fixture.catalog.release_claim(&slow, heard_at()).await.unwrap();
    assert_eq!(fixture.other.claim(&sid(1), Work::Archive, LEASE, later).await.unwrap(), None);
}

pub async fn extended_claim_lasts_longer(fixture: &Fixture) {
    fixture.received(1).await;
    let claim = fixture.claim(1, Work::Archive, heard_at()).await;
    let later = heard_at() + LEASE / 2;
    fixture.catalog.extend_claim(&claim, LEASE, later).await.unwrap();
    let first_expiry = heard_at() + LEASE;
    assert_eq!(fixture.other.claim(&sid(1), Work::Archive, LEASE, first_expiry).await.unwrap(), None);
}

pub async fn expired_claim_that_nobody_took_can_be_extended(fixture: &Fixture) {
    fixture.received(1).await;
    let claim = fixture.claim(1, Work::Archive, heard_at()).await;
    let late = heard_at() + LEASE * 2;
    fixture.catalog.extend_claim(&claim, LEASE, late).await.unwrap();
    assert_eq!(fixture.other.claim(&sid(1), Work::Archive, LEASE, late).await.unwrap(), None);
}

pub async fn fence_grows_past_a_release(fixture: &Fixture) {
    fixture.received(1).await;
    let first = fixture.claim(1, Work::Archive, heard_at()).await;
    fixture.catalog.release_claim(&first, heard_at()).await.unwrap();
    let second = fixture.claim(1, Work::Archive, heard_at()).await;
    assert_ne!(first, second);
    let staged = fixture.catalog.stage_media(&first, &object(1), MediaFormat::Wav, heard_at()).await;
    assert!(matches!(staged, Err(CatalogError::ClaimLost)));
}

pub async fn claim_to_other_work_does_not_count(fixture: &Fixture) {
    fixture.received(1).await;
    fixture.claim(1, Work::Archive, heard_at()).await;
    let transcribe = fixture.claim(1, Work::Transcribe, heard_at()).await;
    let staged = fixture.catalog.stage_media(&transcribe, &object(1), MediaFormat::Wav, heard_at()).await;
    assert!(matches!(staged, Err(CatalogError::ClaimLost)));
}

pub async fn unknown_recording_cannot_be_claimed(fixture: &Fixture) {
    let claimed = fixture.catalog.claim(&sid(1), Work::Purge, LEASE, heard_at()).await;
    assert!(matches!(claimed, Err(CatalogError::UnknownRecording(unknown)) if unknown == sid(1)));
}

pub async fn claimed_by_many_at_once_has_one_holder(fixture: &Fixture) {
    for number in 0..10 {
        fixture.received(number).await;
        let sid = sid(number);
        let (one, two) = tokio::join!(
            fixture.catalog.claim(&sid, Work::Archive, LEASE, heard_at()),
            fixture.other.claim(&sid, Work::Archive, LEASE, heard_at()),
        );
        assert!(one.unwrap().is_some() ^ two.unwrap().is_some());
    }
}
