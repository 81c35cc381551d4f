//! What a repair does about each kind of finding that has something to be done about it. (Others have theirs beside
//! what shows how the finding is come by.)

use super::*;

#[tokio::test]
async fn recording_that_only_twilio_knows_is_taken_in() {
    let mut fixture = Fixture::new().await;
    let sid = fixture.at_twilio(0).await.recording_sid;
    assert_eq!(fixture.repaired().await.as_deref(), Some("queued: archive"));
    assert_eq!(fixture.queued(Stage::Archive).await[0].recording_sid(), &sid);
    let row = fixture.audit.catalog.recording(&sid).await.unwrap().unwrap();
    assert_eq!(row.status, catalog::Status::Received);
}

#[tokio::test]
async fn dead_letter_of_an_unknown_recording_is_taken_in() {
    let mut fixture = Fixture::new().await;
    let recording = fixture.at_twilio(0).await;
    // Else Twilio's list would have it taken in.
    fixture.audit.twilio.delete_recording(&recording.account_sid, &recording.recording_sid).await.unwrap();
    fixture.dead_letter(&recording, "given up").await;
    assert_eq!(fixture.exceptions().await, [Exception::UnknownDeadLetter]);
    assert_eq!(fixture.repaired().await.as_deref(), Some("queued: archive"));
    assert_eq!(fixture.queued(Stage::Archive).await[0].recording_sid(), &recording.recording_sid);
    assert!(fixture.audit.catalog.recording(&recording.recording_sid).await.unwrap().is_some());
}

#[tokio::test]
async fn archive_that_was_lost_is_queued() {
    let mut fixture = Fixture::new().await;
    let recording = fixture.heard(0).await;
    assert_eq!(fixture.exceptions().await, [Exception::Stuck]);
    assert_eq!(fixture.repaired().await.as_deref(), Some("queued: archive"));
    assert_eq!(fixture.queued(Stage::Archive).await[0].recording_sid(), &recording.recording_sid);
}

#[tokio::test]
async fn delivery_that_was_lost_is_queued() {
    let mut fixture = Fixture::new().await;
    fixture.audit.expects = Expects { transcribe: false, deliver: true };
    fixture.transcribed(0).await;
    assert_eq!(fixture.exceptions().await, [Exception::Stuck]);
    assert_eq!(fixture.repaired().await.as_deref(), Some("queued: deliver"));
    assert!(matches!(fixture.queued(Stage::Deliver).await[0], Job::DeliverV1 { version: 1, .. }));
}

#[tokio::test]
async fn deletion_that_was_begun_and_lost_is_queued() {
    let mut fixture = Fixture::new().await;
    let sid = fixture.archived(0).await.0.recording_sid;
    fixture.audit.catalog.request_erasure(&sid, "asked for", "anna", fixture.began()).await.unwrap();
    fixture.granted(&sid).await;
    fixture.audit.clock.advance(LEASE * 20);
    assert_eq!(fixture.exceptions().await, [Exception::Stuck]);
    assert_eq!(fixture.repaired().await.as_deref(), Some("queued: purge"));
    assert_eq!(fixture.queued(Stage::Purge).await[0].recording_sid(), &sid);
}

#[tokio::test]
async fn recording_past_its_date_has_its_purge_queued() {
    let mut fixture = Fixture::new().await;
    let sid = fixture.archived(0).await.0.recording_sid;
    fixture.audit.clock.advance(31 * DAY);
    assert_eq!(fixture.exceptions().await, [Exception::Overdue]);
    assert_eq!(fixture.repaired().await.as_deref(), Some("queued: purge"));
    assert_eq!(fixture.queued(Stage::Purge).await[0].recording_sid(), &sid);
}

#[tokio::test]
async fn broken_transcript_is_asked_for_anew_once() {
    let mut fixture = Fixture::new().await;
    let (recording, key) = fixture.transcribed(0).await;
    fixture.remove(&key).await;
    fixture.audit.expects = Expects { transcribe: true, deliver: false };
    let (findings, _) = fixture.looked().await;
    assert_eq!(fixture.repaired().await.as_deref(), Some("queued: transcribe"));
    assert!(matches!(fixture.queued(Stage::Transcribe).await[0], Job::TranscribeV1 { version: 2, .. }));
    let again = fixture.audit.repair(&findings[0]).await.unwrap();
    assert!(!again.is_done, "{:?}", again.what);
    let third = fixture.audit.catalog.transcript(&recording.recording_sid, 3).await.unwrap();
    assert!(third.is_none(), "{third:?}");
}

#[tokio::test]
async fn object_that_is_no_stray_any_more_is_left() {
    let fixture = Fixture::new().await;
    let (recording, key) = fixture.archived(0).await;
    let sid = Some(&recording.recording_sid);
    let heal = (finding::Heal::RemoveStray(Work::Archive, key.clone()), "");
    let repaired = fixture.audit.repair(&Finding::new(Exception::Stray, sid, "", heal)).await.unwrap();
    assert_eq!(repaired.what.as_deref(), Some("not repaired: it is no stray any more"));
    assert!(fixture.audit.store.as_ref().unwrap().head(&key).await.unwrap().is_some());
}

#[tokio::test]
async fn repair_is_written_down_and_a_look_is_not() {
    let mut fixture = Fixture::new().await;
    let recording = fixture.heard(0).await;
    fixture.exceptions().await;
    let log = async |audit: &Audit| audit.catalog.audit_log(Some(&recording.recording_sid), 10).await.unwrap();
    assert_eq!(log(&fixture.audit).await.len(), 0);
    fixture.repaired().await;
    let log = log(&fixture.audit).await;
    assert_eq!((log.len(), log[0].action.as_str(), log[0].actor.as_str()), (1, "repair", "anna"));
}
