//! Hearing of recordings.

use chrono::{DateTime, TimeDelta, Utc};
use twilio::{Recording, RecordingStatus};

use super::fixture::{Fixture, THIRTY_DAYS, bare, completed, day, encryption, heard_at, sid, start};
use crate::{RecordingRow, Status};

type Message = (Recording, DateTime<Utc>);

/// Every order of `messages`.
fn orders(messages: &[Message]) -> Vec<Vec<Message>> {
    if messages.is_empty() {
        return vec![Vec::new()];
    }
    let mut orders = Vec::new();
    for first in 0..messages.len() {
        let mut rest = messages.to_vec();
        let first = rest.remove(first);
        orders.extend(self::orders(&rest).into_iter().map(|rest| [vec![first.clone()], rest].concat()));
    }
    orders
}

/// Hears the messages in every order, each followed by a repetition of the one before it, and returns the one row they
/// all end in.
async fn heard_in_every_order(fixture: &Fixture, messages: &[Message]) -> RecordingRow {
    let mut rows = Vec::new();
    for (number, order) in orders(messages).into_iter().enumerate() {
        let sid = sid(u32::try_from(number).unwrap());
        let mut before: Option<Message> = None;
        for (recording, at) in order {
            let recording = Recording { recording_sid: sid.clone(), ..recording };
            fixture.catalog.hear(&recording, at).await.unwrap();
            if let Some((recording, at)) = before.replace((recording, at)) {
                fixture.catalog.hear(&recording, at).await.unwrap();
            }
        }
        let row = fixture.catalog.recording(&sid).await.unwrap().unwrap();
        rows.push(RecordingRow { recording_sid: super::fixture::sid(0), ..row });
    }
    let first = rows.remove(0);
    assert!(rows.iter().all(|row| *row == first), "the order made a difference: {rows:#?}");
    first
}

pub async fn messages_in_any_order_make_the_same_row(fixture: &Fixture) {
    let at = |seconds| heard_at() + TimeDelta::seconds(seconds);
    let begun = Recording { source: Some("DialVerb".to_owned()), ..bare(0, RecordingStatus::InProgress) };
    let from_call_progress = Recording { call_sid: completed(0).call_sid, ..bare(0, RecordingStatus::Completed) };
    let two_channels = Recording { channels: Some(2), encryption: Some(encryption()), ..completed(0) };
    let messages = [
        (begun, at(0)),
        (from_call_progress, at(9)),
        (two_channels, at(5)),
        (bare(0, RecordingStatus::Processing), at(7)),
    ];
    let row = heard_in_every_order(fixture, &messages).await;
    assert_eq!((row.status, row.twilio_status.as_str()), (Status::Received, "completed"));
    assert_eq!((row.channels, row.started_at, row.received_at), (Some(2), Some(start()), at(0)));
    assert_eq!(row.encryption, Some(encryption()));
}

pub async fn contradicting_words_in_any_order_make_the_same_row(fixture: &Fixture) {
    let words =
        [RecordingStatus::Absent, RecordingStatus::Failed, RecordingStatus::Completed, RecordingStatus::Deleted];
    let messages = words.map(|word| (Recording { error_code: Some(16104), ..bare(0, word) }, heard_at()));
    let row = heard_in_every_order(fixture, &messages).await;
    assert_eq!((row.status, row.error), (Status::Received, None), "what Twilio says to have is not given up");
    assert_eq!(row.twilio_status, "deleted");
}

pub async fn first_message_makes_a_new_row(fixture: &Fixture) {
    let heard = fixture.catalog.hear(&completed(1), heard_at()).await.unwrap();
    assert!(heard.is_new);
    assert_eq!(heard.row, fixture.row(1).await);
    assert_eq!((heard.row.status, heard.row.received_at), (Status::Received, heard_at()));
    assert_eq!((heard.row.media.as_ref(), heard.row.is_held, heard.row.is_archived()), (None, false, false));
}

pub async fn repeated_message_changes_nothing(fixture: &Fixture) {
    let first = fixture.hear(&completed(1)).await;
    let again = fixture.catalog.hear(&completed(1), day(1)).await.unwrap();
    assert!(!again.is_new);
    assert_eq!(again.row, first);
}

pub async fn later_message_never_blanks_what_is_known(fixture: &Fixture) {
    let first = fixture.hear(&completed(1)).await;
    assert_eq!(fixture.hear(&bare(1, RecordingStatus::InProgress)).await, first);
}

pub async fn start_heard_later_moves_the_retention_date(fixture: &Fixture) {
    let row = fixture.hear(&bare(1, RecordingStatus::Completed)).await;
    assert_eq!((row.started_at, row.retention_from), (None, heard_at()));
    let row = fixture.hear(&completed(1)).await;
    assert_eq!((row.started_at, row.retention_from), (Some(start()), start()));
}

pub async fn first_time_heard_counts(fixture: &Fixture) {
    fixture.catalog.hear(&completed(1), day(2)).await.unwrap();
    fixture.catalog.hear(&completed(1), day(1)).await.unwrap();
    assert_eq!(fixture.row(1).await.received_at, day(1));
}

pub async fn absent_at_twilio_ends_as_absent(fixture: &Fixture) {
    fixture.hear(&bare(1, RecordingStatus::InProgress)).await;
    let row = fixture.hear(&Recording { error_code: Some(16102), ..bare(1, RecordingStatus::Absent) }).await;
    assert_eq!((row.status, row.error.as_deref()), (Status::Absent, Some("nothing was recorded (error 16102)")));
}

pub async fn failed_at_twilio_ends_as_failed_with_its_code(fixture: &Fixture) {
    let row = fixture.hear(&Recording { error_code: Some(16105), ..bare(1, RecordingStatus::Failed) }).await;
    let error = "the recording failed at Twilio (error 16105)";
    assert_eq!((row.status, row.error.as_deref()), (Status::Failed, Some(error)));
}

pub async fn completed_takes_absent_back(fixture: &Fixture) {
    for (number, word) in [(1, RecordingStatus::Absent), (2, RecordingStatus::Failed)] {
        fixture.hear(&bare(number, word)).await;
        let row = fixture.hear(&completed(number)).await;
        assert_eq!((row.status, row.error), (Status::Received, None));
    }
}

pub async fn completed_after_a_dead_letter_is_received_again(fixture: &Fixture) {
    fixture.hear(&bare(1, RecordingStatus::Processing)).await;
    fixture.catalog.fail(&sid(1), "no media after a day", day(1)).await.unwrap();
    let row = fixture.hear(&completed(1)).await;
    assert_eq!((row.status, row.error), (Status::Received, None));
}

pub async fn repeated_word_after_a_dead_letter_leaves_it_failed(fixture: &Fixture) {
    fixture.hear(&bare(1, RecordingStatus::Completed)).await;
    fixture.catalog.fail(&sid(1), "given up", day(1)).await.unwrap();
    let row = fixture.hear(&completed(1)).await;
    assert_eq!((row.status, row.error.as_deref()), (Status::Failed, Some("given up")));
    assert_eq!(row.started_at, Some(start()), "the facts are taken in all the same");
}

pub async fn absent_after_the_archive_changes_nothing(fixture: &Fixture) {
    fixture.hear(&bare(1, RecordingStatus::InProgress)).await;
    fixture.archive(1).await;
    for word in [RecordingStatus::Absent, RecordingStatus::Failed] {
        let row = fixture.hear(&bare(1, word)).await;
        assert_eq!((row.status, row.error), (Status::Archived, None));
    }
}

pub async fn absent_during_a_purge_does_not_stop_it(fixture: &Fixture) {
    fixture.hear(&bare(1, RecordingStatus::InProgress)).await;
    let permit = fixture.granted(1, &THIRTY_DAYS, day(31)).await;
    fixture.hear(&bare(1, RecordingStatus::Absent)).await;
    let row = fixture.complete(permit, day(31)).await;
    assert_eq!(row.status, Status::Deleted);
    fixture.hear(&bare(2, RecordingStatus::InProgress)).await;
    fixture.granted(2, &THIRTY_DAYS, day(31)).await;
    fixture.hear(&bare(2, RecordingStatus::Absent)).await;
    assert_eq!(fixture.purge(2, &THIRTY_DAYS, day(32)).await.status, Status::Deleted, "after a crash neither");
}

pub async fn deleted_at_twilio_is_said_and_takes_nothing_back(fixture: &Fixture) {
    fixture.archived(1).await;
    let row = fixture.hear(&bare(1, RecordingStatus::Deleted)).await;
    assert_eq!((row.status, row.twilio_status.as_str()), (Status::Archived, "deleted"));
    assert_eq!(row.twilio_deleted_at, None, "that is for the purge to see");
}

pub async fn tombstone_stays_a_tombstone(fixture: &Fixture) {
    fixture.hear(&Recording { encryption: Some(encryption()), ..bare(1, RecordingStatus::Completed) }).await;
    fixture.erase(1).await;
    let tombstone = fixture.purge(1, &THIRTY_DAYS, day(1)).await;
    let said_again = Recording { encryption: Some(encryption()), channels: Some(2), ..completed(1) };
    assert_eq!(fixture.hear(&said_again).await, tombstone);
    assert_eq!((tombstone.status, tombstone.encryption), (Status::Deleted, None));
}

pub async fn heard_by_many_at_once_is_one_row(fixture: &Fixture) {
    for number in 0..10 {
        let (one, two) = (completed(number), bare(number, RecordingStatus::InProgress));
        let (one, two) = tokio::join!(fixture.catalog.hear(&one, heard_at()), fixture.other.hear(&two, heard_at()));
        assert!(one.unwrap().is_new ^ two.unwrap().is_new);
        assert_eq!(fixture.row(number).await.twilio_recording(), completed(number));
    }
}

pub async fn facts_round_trip_as_twilio_said_them(fixture: &Fixture) {
    let said = Recording {
        conference_sid: format!("CF{:032x}", 7).parse().ok(),
        error_code: Some(16107),
        encryption: Some(encryption()),
        status: RecordingStatus::Other("pondering".to_owned()),
        ..completed(1)
    };
    assert_eq!(fixture.hear(&said).await.twilio_recording(), said);
}
