//! What an audit sees from each side, over a simulated Twilio, a catalog, a queue and a folder.

mod fixture;
mod late;
mod repair;

use catalog::Work;
use queue::{Job, Stage};
use twilio::{Recording, RecordingStatus};
use vault::ObjectKey;

use super::*;
use fixture::{DAY, Fixture, LEASE};

#[test]
fn window_is_of_whole_days_and_both_are_in() {
    let day = |day: &str| day.parse::<NaiveDate>().unwrap();
    let window = AuditWindow { since: Some(day("2026-11-20")), until: Some(day("2026-11-21")) };
    let span = window.span();
    assert_eq!(span.since.unwrap().to_rfc3339(), "2026-11-20T00:00:00+00:00");
    assert_eq!(span.until.unwrap().to_rfc3339(), "2026-11-22T00:00:00+00:00");
    let held = ["2026-11-19", "2026-11-20", "2026-11-21", "2026-11-22"].map(|text| window.holds(day(text)));
    assert_eq!(held, [false, true, true, false]);
    assert!(AuditWindow::default().holds(day("1999-01-01")));
}

#[tokio::test]
async fn call_that_is_still_recorded_is_counted_and_not_missed() {
    let fixture = Fixture::new().await;
    for index in [0, 1] {
        let sid = fixture.at_twilio(index).await.recording_sid;
        assert!(fixture.simulator.set_status(&sid, "in-progress"));
    }
    // Of one of them its beginning was heard, longer ago than anything may be stuck.
    fixture.heard(1).await;
    let (findings, summary) = fixture.looked().await;
    assert_eq!(findings, []);
    assert_eq!((summary.unfinished, summary.recordings, summary.in_motion), (2, 1, 1));
}

#[tokio::test]
async fn recording_whose_callback_may_be_on_its_way_is_not_missed() {
    let fixture = Fixture::new().await;
    let recording = fixture.at_twilio(0).await;
    assert_eq!(fixture.exceptions().await, [Exception::UnknownToCatalog]);
    let ended_at = fixture.began() + TimeDelta::seconds(recording.duration_secs.unwrap().into());
    let fixture = Fixture {
        audit: Audit { clock: Clock::manual(ended_at + TimeDelta::minutes(14)), ..fixture.audit },
        ..fixture
    };
    let (findings, summary) = fixture.looked().await;
    assert_eq!((findings, summary.unfinished, summary.recordings), (vec![], 1, 0));
}

#[tokio::test]
async fn each_recording_counts_once_whatever_is_wrong_with_it() {
    let fixture = Fixture::new().await;
    let (_, key) = fixture.archived(0).await;
    fixture.remove(&key).await;
    fixture.archived(1).await;
    fixture.heard(2).await;
    for index in 3..6 {
        let sid = fixture.archived(index).await.0.recording_sid;
        fixture.audit.catalog.place_hold(&sid, "a lawsuit", "anna", fixture.began()).await.unwrap();
    }
    fixture.audit.clock.advance(31 * DAY);
    let (findings, summary) = fixture.looked().await;
    assert_eq!(findings.len(), 5, "three are overdue, one is stuck too, and one broken: {findings:?}");
    assert_eq!((summary.recordings, summary.accounted_for, summary.exceptions), (6, 3, 5));
}

#[tokio::test]
async fn recording_that_ended_without_media_though_twilio_has_some_is_taken_in_again() {
    let mut fixture = Fixture::new().await;
    let recording = fixture.at_twilio(0).await;
    let absent = Recording { status: RecordingStatus::Absent, ..recording.clone() };
    fixture.audit.catalog.hear(&absent, fixture.began()).await.unwrap();
    assert_eq!(fixture.exceptions().await, [Exception::BehindTwilio]);
    assert_eq!(fixture.repaired().await.as_deref(), Some("queued: archive"));
    assert_eq!(fixture.queued(Stage::Archive).await[0].recording_sid(), &recording.recording_sid);
    assert_eq!(fixture.exceptions().await, [Exception::Stuck], "it is received again, and nobody works");
}

#[tokio::test]
async fn what_twilio_has_past_its_date_is_not_taken_in() {
    let mut fixture = Fixture::new().await;
    let recording = fixture.at_twilio(0).await;
    fixture.dead_letter(&recording, "given up").await;
    fixture.audit.clock.advance(31 * DAY);
    fixture.audit.repairs = true;
    let (findings, summary) = fixture.looked().await;
    let kinds: Vec<_> = findings.iter().map(|finding| finding.exception).collect();
    assert_eq!(kinds, [Exception::UnknownToCatalog, Exception::UnknownDeadLetter]);
    assert!(findings.iter().all(|finding| finding.heals.contains("raising RETENTION_DAYS")), "{findings:?}");
    assert_eq!(summary.repaired, 0);
    assert!(fixture.audit.catalog.recording(&recording.recording_sid).await.unwrap().is_none());
}

#[tokio::test]
async fn copy_at_twilio_that_the_catalog_says_is_deleted_is_named() {
    let mut fixture = Fixture::new().await;
    let (recording, _) = fixture.buried(0).await;
    let (findings, summary) = fixture.looked().await;
    assert_eq!(findings[0].exception, Exception::StillAtTwilio);
    assert_eq!((summary.recordings, summary.accounted_for), (1, 0));
    assert_eq!(fixture.repaired().await, None);
    fixture.audit.twilio.delete_recording(&recording.account_sid, &recording.recording_sid).await.unwrap();
    assert_eq!(fixture.exceptions().await, []);
}

#[tokio::test]
async fn object_that_landed_after_its_deletion_is_removed_once_nobody_can_be_at_it() {
    let mut fixture = Fixture::new().await;
    let (recording, key) = fixture.buried(0).await;
    fixture.audit.twilio.delete_recording(&recording.account_sid, &recording.recording_sid).await.unwrap();
    fixture.put(&key).await;
    assert_eq!(fixture.exceptions().await, [], "its worker may be about to remove it");
    fixture.audit.clock.advance(DAY);
    assert_eq!(fixture.exceptions().await, [Exception::Stray]);
    assert_eq!(fixture.repaired().await.as_deref(), Some("removed"));
    assert_eq!(fixture.exceptions().await, []);
}

#[tokio::test]
async fn object_that_the_row_of_a_kept_recording_does_not_name_is_left() {
    let mut fixture = Fixture::new().await;
    let (_, key) = fixture.archived(0).await;
    let copy: ObjectKey = key.as_str().replace(".wav.age", ".copy.age").parse().unwrap();
    fixture.put(&copy).await;
    fixture.audit.clock.advance(DAY);
    assert_eq!(fixture.exceptions().await, [Exception::Stray]);
    assert_eq!(fixture.repaired().await, None);
    assert!(fixture.audit.store.as_ref().unwrap().head(&copy).await.unwrap().is_some());
}

#[tokio::test]
async fn failed_recording_is_accounted_for_and_told_with_its_reason() {
    let fixture = Fixture::new().await;
    let recording = fixture.heard(0).await;
    fixture.audit.catalog.fail(&recording.recording_sid, "not audio", fixture.began()).await.unwrap();
    let mut told = Vec::new();
    let summary = fixture.audit.run(&mut |entry| told.push(entry.clone())).await.unwrap();
    let what = "not audio; its media is NOT ours".to_owned();
    assert_eq!(told, [AuditEntry::Failed { failed: recording.recording_sid, what }]);
    assert_eq!((summary.recordings, summary.accounted_for, summary.exceptions), (1, 1, 0));
}

#[tokio::test]
async fn recording_that_stands_still_without_being_failed_is_stuck() {
    let mut fixture = Fixture::new().await;
    fixture.audit.expects = Expects { transcribe: true, deliver: false };
    let (recording, _) = fixture.archived(0).await;
    fixture.audit.catalog.note_error(&recording.recording_sid, "Twilio answers 500", fixture.began()).await.unwrap();
    let (findings, _) = fixture.looked().await;
    assert_eq!(findings[0].exception, Exception::Stuck);
    assert!(findings[0].what.contains("Twilio answers 500"), "{}", findings[0].what);
    assert_eq!(fixture.repaired().await.as_deref(), Some("queued: transcribe"));
    assert!(matches!(fixture.queued(Stage::Transcribe).await[0], Job::TranscribeV1 { version: 1, .. }));
}

#[tokio::test]
async fn recording_that_waits_its_turn_is_in_motion() {
    let mut fixture = Fixture::new().await;
    fixture.audit.expects = Expects { transcribe: true, deliver: false };
    fixture.archived(0).await;
    fixture.audit.stuck_after = 2 * Duration::from_secs(3600);
    let (findings, summary) = fixture.looked().await;
    assert_eq!((findings, summary.in_motion, summary.accounted_for), (vec![], 1, 1));
}

#[tokio::test]
async fn broken_transcript_that_nobody_can_make_anew_is_said_to_be_lost() {
    let fixture = Fixture::new().await;
    let (_, key) = fixture.transcribed(0).await;
    assert_eq!(fixture.exceptions().await, []);
    fixture.remove(&key).await;
    assert_eq!(fixture.exceptions().await, [Exception::TranscriptLost], "nothing transcribes");
    let audit = Audit { expects: Expects { transcribe: true, deliver: false }, ..fixture.audit };
    let fixture = Fixture { audit, ..fixture };
    assert_eq!(fixture.exceptions().await, [Exception::TranscriptBroken]);
}

#[tokio::test]
async fn repair_of_a_copy_that_somebody_works_on_is_left_to_them() {
    let mut fixture = Fixture::new().await;
    let (recording, key) = fixture.archived(0).await;
    fixture.remove(&key).await;
    let now = fixture.audit.clock.now();
    let claim = fixture.audit.catalog.claim(&recording.recording_sid, Work::Archive, LEASE, now).await.unwrap();
    assert!(claim.is_some());
    assert_eq!(fixture.repaired().await.as_deref(), Some("not repaired: another worker is at it"));
    assert!(fixture.audit.catalog.recording(&recording.recording_sid).await.unwrap().unwrap().is_archived());
}

#[tokio::test]
async fn copy_that_was_archived_again_since_it_was_looked_at_is_left() {
    let mut fixture = Fixture::new().await;
    let (recording, key) = fixture.archived(0).await;
    fixture.remove(&key).await;
    let (findings, _) = fixture.looked().await;
    fixture.audit.repairs = true;
    let set_back = fixture.audit.repair(&findings[0]).await.unwrap();
    assert_eq!(set_back.what.as_deref(), Some("set back, and queued: archive"));
    fixture.audit.repairs = false;
    fixture.audit.clock.advance(DAY);
    fixture.archived(0).await;
    let left = fixture.audit.repair(&findings[0]).await.unwrap();
    assert!(!left.is_done, "{:?}", left.what);
    assert!(fixture.audit.catalog.recording(&recording.recording_sid).await.unwrap().unwrap().is_archived());
}

#[tokio::test]
async fn dead_letters_are_counted_and_named_where_they_explain_nothing() {
    let fixture = Fixture::new().await;
    let (known, _) = fixture.archived(0).await;
    fixture.dead_letter(&known, "given up").await;
    let (findings, summary) = fixture.looked().await;
    assert_eq!((findings, summary.dead_letters), (vec![], 1));
    fixture.dead_letter(&known, " ").await;
    let unknown = fixture.at_twilio(1).await;
    fixture.audit.twilio.delete_recording(&unknown.account_sid, &unknown.recording_sid).await.unwrap();
    fixture.dead_letter(&unknown, "given up").await;
    let (findings, summary) = fixture.looked().await;
    let kinds: Vec<_> = findings.iter().map(|finding| finding.exception).collect();
    assert_eq!(kinds, [Exception::DeadLetterWithoutReason, Exception::UnknownDeadLetter]);
    assert_eq!((summary.dead_letters, summary.recordings, summary.accounted_for), (3, 1, 0));
}

#[tokio::test]
async fn what_broken_off_writes_left_is_named_when_no_sweep_took_it() {
    let mut fixture = Fixture::new().await;
    let left = fixture.folder.path().join("vault/.unfinished/left");
    std::fs::write(&left, "half").unwrap();
    assert_eq!(fixture.exceptions().await, []);
    let three_days_ago = std::time::SystemTime::from(Clock::System.now() - TimeDelta::days(3));
    std::fs::File::options().write(true).open(&left).unwrap().set_modified(three_days_ago).unwrap();
    assert_eq!(fixture.exceptions().await, [Exception::UnfinishedWrites]);
    assert_eq!(fixture.repaired().await.as_deref(), Some("1 removed"));
    assert!(!left.exists());
}
