//! Looking at what is there.

use std::collections::HashSet;

use chrono::TimeDelta;
use serde_json::{Value, json};
use twilio::{Recording, RecordingStatus};

use super::fixture::{
    ACTOR, Fixture, THIRTY_DAYS, account_sid, bare, call_sid, completed, day, heard_at, object, sid, start,
    transcript_object,
};
use crate::{AuditEntry, ListFilter, RecordingView, Status};

async fn listed(fixture: &Fixture, filter: ListFilter) -> Vec<twilio::RecordingSid> {
    let rows = fixture.catalog.list(&filter).await.unwrap();
    rows.into_iter().map(|row| row.recording_sid).collect()
}

async fn shown(fixture: &Fixture, number: u32) -> Value {
    let transcript = fixture.catalog.latest_transcript(&sid(number)).await.unwrap();
    let view = RecordingView::new(&fixture.row(number).await, transcript.as_ref(), &THIRTY_DAYS);
    serde_json::to_value(view).unwrap()
}

pub async fn unknown_recording_is_none(fixture: &Fixture) {
    assert_eq!(fixture.catalog.recording(&sid(1)).await.unwrap(), None);
    assert_eq!(fixture.catalog.transcript(&sid(1), 1).await.unwrap(), None);
}

pub async fn list_narrows_by_status_time_and_call(fixture: &Fixture) {
    fixture.archived(1).await;
    fixture.hear(&Recording { started_at: Some(day(1)), ..completed(2) }).await;
    fixture.hear(&Recording { started_at: Some(day(2)), call_sid: Some(call_sid(1)), ..completed(3) }).await;
    let all = ListFilter { limit: 10, ..ListFilter::default() };
    let archived = ListFilter { status: Some(Status::Archived), ..all.clone() };
    assert_eq!(listed(fixture, archived).await, [sid(1)]);
    let in_between = ListFilter { since: Some(day(1)), until: Some(day(2)), ..all.clone() };
    assert_eq!(listed(fixture, in_between).await, [sid(2)], "since is in, until is out");
    let call = ListFilter { call: Some(call_sid(1)), ..all.clone() };
    assert_eq!(listed(fixture, call).await, [sid(3), sid(1)]);
    let all_at_once = ListFilter {
        status: Some(Status::Received),
        since: Some(start()),
        until: Some(day(3)),
        call: Some(call_sid(1)),
        ..all
    };
    assert_eq!(listed(fixture, all_at_once).await, [sid(3)]);
}

pub async fn list_shows_the_newest_start_first(fixture: &Fixture) {
    for (number, days) in [(1, 2), (2, 0), (3, 1)] {
        fixture.hear(&Recording { started_at: Some(day(days)), ..completed(number) }).await;
    }
    fixture.catalog.hear(&bare(4, RecordingStatus::InProgress), day(3)).await.unwrap();
    let newest = ListFilter { limit: 3, ..ListFilter::default() };
    assert_eq!(listed(fixture, newest).await, [sid(4), sid(1), sid(3)]);
}

pub async fn known_tells_heard_from_unheard(fixture: &Fixture) {
    fixture.received(1).await;
    fixture.received(600).await;
    let asked: Vec<_> = (0..1000).map(sid).collect();
    let known = fixture.catalog.known(&asked).await.unwrap();
    assert_eq!(known.into_keys().collect::<HashSet<_>>(), [sid(1), sid(600)].into());
    assert!(fixture.catalog.known(&[]).await.unwrap().is_empty());
}

pub async fn further_word_of_twilio_moves_what_waits_or_stands_still(fixture: &Fixture) {
    let waiting = fixture.hear(&bare(1, RecordingStatus::InProgress)).await;
    assert!(waiting.is_moved_by(&RecordingStatus::Completed) && waiting.is_moved_by(&RecordingStatus::Absent));
    let absent = fixture.hear(&bare(1, RecordingStatus::Absent)).await;
    assert!(absent.is_moved_by(&RecordingStatus::Completed) && !absent.is_moved_by(&RecordingStatus::Absent));
    fixture.received(2).await;
    fixture.archived(3).await;
    for number in [2, 3] {
        assert!(!fixture.row(number).await.is_moved_by(&RecordingStatus::Completed), "{number}");
    }
}

pub async fn counts_name_every_status(fixture: &Fixture) {
    fixture.received(1).await;
    fixture.received(2).await;
    fixture.archived(3).await;
    let counts = fixture.catalog.counts().await.unwrap();
    assert_eq!((counts[&Status::Received], counts[&Status::Archived], counts[&Status::Deleted]), (2, 1, 0));
    assert_eq!(counts.len(), Status::ALL.len());
}

pub async fn audit_log_shows_the_newest_first(fixture: &Fixture) {
    for (number, action) in [(1, "show"), (2, "show"), (1, "audio")] {
        let entry = AuditEntry {
            actor: ACTOR.to_owned(),
            action: action.to_owned(),
            recording_sid: Some(sid(number)),
            detail: String::new(),
        };
        fixture.catalog.audit(&entry, day(1)).await.unwrap();
    }
    let of_one = fixture.catalog.audit_log(Some(&sid(1)), 10).await.unwrap();
    assert_eq!(of_one.iter().map(|entry| entry.action.as_str()).collect::<Vec<_>>(), ["audio", "show"]);
    assert_eq!((of_one[0].at, of_one[0].actor.as_str()), (day(1), ACTOR));
    assert_eq!(fixture.catalog.audit_log(None, 2).await.unwrap().len(), 2);
}

pub async fn operators_acts_are_audited(fixture: &Fixture) {
    fixture.archived(1).await;
    fixture.catalog.request_transcript(&sid(1), Some("nova-3"), ACTOR, heard_at()).await.unwrap();
    fixture.hold(1).await;
    fixture.erase(1).await;
    fixture.release(1, day(1)).await;
    let log = fixture.catalog.audit_log(Some(&sid(1)), 10).await.unwrap();
    let acts: Vec<_> = log.iter().map(|entry| (entry.action.as_str(), entry.detail.as_str())).collect();
    let expected = [
        ("release", "settled"),
        ("erase", "asked for"),
        ("hold", "a lawsuit"),
        ("transcribe", "version 1, model nova-3"),
    ];
    assert_eq!(acts, expected);
    assert!(log.iter().all(|entry| entry.actor == ACTOR));
}

/// The fields, their order and their values are those of the public contract's example.
pub async fn shown_recording_has_the_fields_of_the_contract(fixture: &Fixture) {
    fixture.transcribed(1).await;
    fixture.hold(1).await;
    let expected = json!({
        "recording_sid": sid(1), "account_sid": account_sid(), "call_sid": call_sid(1), "conference_sid": null,
        "status": "transcribed", "source": "RecordVerb", "channels": 1, "duration_seconds": 12,
        "started_at": "2026-11-20T09:00:00Z", "received_at": "2026-11-20T09:01:00Z",
        "media": {"format": "wav", "bytes": 192_044, "sha256": "5a".repeat(32), "object": object(1),
                  "archived_at": "2026-11-20T09:01:00Z"},
        "transcript": {"version": 1, "provider": "deepgram", "model": "nova-3", "language": "en", "words": 31,
                       "object": transcript_object(1, 1), "transcribed_at": "2026-11-20T09:01:00Z"},
        "delete_after": "2026-12-20T09:00:00Z", "legal_hold": true, "twilio_deleted_at": null, "deleted_at": null,
        "error": null, "flags": [],
    });
    assert_eq!(shown(fixture, 1).await, expected);
    let row = fixture.row(1).await;
    let text = serde_json::to_string(&RecordingView::new(&row, None, &THIRTY_DAYS)).unwrap();
    let order = [
        "recording_sid",
        "account_sid",
        "call_sid",
        "conference_sid",
        "status",
        "source",
        "channels",
        "duration_seconds",
        "started_at",
        "received_at",
        "media",
        "transcript",
        "delete_after",
        "legal_hold",
        "twilio_deleted_at",
        "deleted_at",
        "error",
        "flags",
    ];
    let places: Vec<_> = order.iter().map(|field| text.find(&format!("\"{field}\":")).unwrap()).collect();
    assert!(places.is_sorted(), "{text}");
}

pub async fn shown_tombstone_has_nothing_left(fixture: &Fixture) {
    fixture.transcribed(1).await;
    fixture.erase(1).await;
    assert_eq!(shown(fixture, 1).await["delete_after"], json!("2026-11-20T09:01:00Z"), "when it was asked for");
    fixture.purge(1, &THIRTY_DAYS, heard_at() + TimeDelta::seconds(1)).await;
    let shown = shown(fixture, 1).await;
    assert_eq!(
        (&shown["status"], &shown["media"], &shown["transcript"]),
        (&json!("deleted"), &Value::Null, &Value::Null)
    );
    assert_eq!(shown["deleted_at"], json!("2026-11-20T09:01:01Z"));
}

pub async fn check_passes_on_a_migrated_catalog(fixture: &Fixture) {
    fixture.catalog.check().await.unwrap();
    fixture.other.check().await.unwrap();
}

pub async fn migrating_again_applies_nothing(fixture: &Fixture) {
    fixture.received(1).await;
    assert_eq!(fixture.other.migrate().await.unwrap(), 0);
    assert_eq!(fixture.row(1).await.status, Status::Received);
}
