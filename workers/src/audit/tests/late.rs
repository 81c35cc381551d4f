//! What the sweeps' lists say is late, and whether that is told.

use twilio::RecordingSid;

use super::*;
use crate::backfill::WAITING_MOST;

const TRANSCRIBES: Expects = Expects { transcribe: true, deliver: false };
const DELIVERS: Expects = Expects { transcribe: false, deliver: true };

#[tokio::test(flavor = "multi_thread")]
async fn work_done_since_the_list_was_read_is_not_told_as_stuck() {
    let fixture = Fixture::new().await;
    let sids = [fixture.heard(0).await.recording_sid, fixture.heard(1).await.recording_sid];
    let told = fixture.told_while(&sids, async |other: &RecordingSid| {
        let at = fixture.audit.clock.now();
        assert!(fixture.audit.catalog.claim(other, Work::Archive, LEASE, at).await.unwrap().is_some());
    });
    assert_eq!(told.await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_since_the_list_was_read_is_not_told_as_overdue() {
    let fixture = Fixture::new().await;
    let sids = [fixture.archived(0).await.0.recording_sid, fixture.archived(1).await.0.recording_sid];
    fixture.audit.clock.advance(31 * DAY);
    let told = fixture.told_while(&sids, async |other: &RecordingSid| {
        fixture.audit.catalog.place_hold(other, "a lawsuit", "anna", fixture.began()).await.unwrap();
    });
    assert_eq!(told.await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_up_work_that_was_done_since_is_not_told() {
    let mut fixture = Fixture::new().await;
    fixture.audit.expects = DELIVERS;
    let sids = [fixture.transcribed(0).await.0.recording_sid, fixture.transcribed(1).await.0.recording_sid];
    let (catalog, now) = (&fixture.audit.catalog, fixture.audit.clock.now());
    for sid in &sids {
        catalog.note_error(sid, "the target answers 410", now).await.unwrap();
    }
    let told = fixture.told_while(&sids, async |other: &RecordingSid| {
        let claim = catalog.claim(other, Work::Deliver, LEASE, now).await.unwrap().unwrap();
        catalog.mark_delivered(&claim, 1, now).await.unwrap();
    });
    assert_eq!(told.await, 1);
}

#[tokio::test]
async fn what_waits_in_a_long_backfill_lane_is_in_motion() {
    let fixture = Fixture::new().await;
    let recording = fixture.at_twilio(0).await;
    let started_at = Some(fixture.began() - TimeDelta::days(3));
    let recording = Recording { started_at, ..recording };
    fixture.audit.catalog.hear(&recording, fixture.began()).await.unwrap();
    assert_eq!(fixture.exceptions().await, [Exception::Stuck], "nothing waits in the lane");
    let job = Job::ArchiveV1 { recording, received_at: fixture.began(), is_backfill: true };
    for _ in 0..WAITING_MOST / 4 {
        fixture.audit.queue.publish(&job, Duration::ZERO).await.unwrap();
    }
    let (findings, summary) = fixture.looked().await;
    assert_eq!((findings, summary.in_motion), (vec![], 1));
}

#[tokio::test]
async fn delivery_that_was_given_up_is_named_and_queued_by_a_repair() {
    let mut fixture = Fixture::new().await;
    let (recording, _) = fixture.transcribed(0).await;
    let sid = recording.recording_sid;
    fixture.audit.catalog.note_error(&sid, "the target answers 410", fixture.began()).await.unwrap();
    assert_eq!(fixture.exceptions().await, [], "nothing delivers");
    fixture.audit.expects = DELIVERS;
    let (findings, summary) = fixture.looked().await;
    let what =
        "transcribed, and stands still: it lacks the delivery of version 1 of its transcript: the target answers 410";
    assert_eq!((findings[0].exception, findings[0].what.as_str()), (Exception::Stuck, what));
    assert_eq!((findings.len(), summary.accounted_for), (1, 0));
    assert_eq!(fixture.repaired().await.as_deref(), Some("queued: deliver"));
    assert!(matches!(fixture.queued(Stage::Deliver).await[0], Job::DeliverV1 { version: 1, .. }));
}

#[tokio::test]
async fn further_version_that_was_given_up_is_named_and_queued_by_a_repair() {
    let mut fixture = Fixture::new().await;
    let (recording, _) = fixture.transcribed(0).await;
    let (catalog, sid) = (&fixture.audit.catalog, recording.recording_sid);
    catalog.request_transcript(&sid, None, "anna", fixture.began()).await.unwrap();
    catalog.fail(&sid, "no such model", fixture.began()).await.unwrap();
    fixture.audit.expects = TRANSCRIBES;
    let (findings, _) = fixture.looked().await;
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    assert_eq!(finding.exception, Exception::Stuck);
    assert!(finding.what.contains("version 2 of its transcript: no such model"), "{}", finding.what);
    assert_eq!(fixture.repaired().await.as_deref(), Some("queued: transcribe"));
    assert!(matches!(fixture.queued(Stage::Transcribe).await[0], Job::TranscribeV1 { version: 2, .. }));
}

#[tokio::test]
async fn work_given_up_beside_a_deletion_at_twilio_is_named_too() {
    let mut fixture = Fixture::new().await;
    fixture.audit.policy.twilio_delete_after_days = Some(0);
    fixture.audit.expects = DELIVERS;
    let sid = fixture.transcribed(0).await.0.recording_sid;
    fixture.granted(&sid).await;
    fixture.audit.catalog.note_error(&sid, "the target answers 410", fixture.began()).await.unwrap();
    fixture.audit.clock.advance(LEASE * 20);
    let (findings, _) = fixture.looked().await;
    let whats: Vec<_> = findings.iter().map(|finding| finding.what.as_str()).collect();
    assert!(whats.len() == 2 && whats[0].contains("its purge") && whats[1].contains("the delivery"), "{whats:?}");
}

#[tokio::test]
async fn transcript_that_is_not_delivered_yet_is_in_motion() {
    let mut fixture = Fixture::new().await;
    fixture.audit.expects = DELIVERS;
    fixture.audit.stuck_after = 2 * Duration::from_secs(3600);
    fixture.transcribed(0).await;
    let (findings, summary) = fixture.looked().await;
    assert_eq!((findings, summary.in_motion, summary.accounted_for), (vec![], 1, 1));
}
