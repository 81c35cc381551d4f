//! Deleting, and what is left to be seen of it.

use simulator::Faults;
use twilio::{Deletion, RecordingStatus, TwilioErrorKind};

use crate::harness::{MONO, account, add_clip, faulty, simulated, some_recording, wav};

#[tokio::test]
async fn deleted_recording_has_no_media_and_says_deleted() {
    let (simulator, client) = simulated().await;
    let sid = add_clip(&simulator, MONO);
    assert_eq!(client.delete_recording(&account(), &sid).await.unwrap(), Deletion::Deleted);
    assert_eq!(wav(&client, &sid).await.unwrap_err().kind, TwilioErrorKind::NotFound);
    assert_eq!(client.recording(&account(), &sid).await.unwrap().status, RecordingStatus::Deleted);
}

#[tokio::test]
async fn second_delete_and_unknown_recording_are_not_found() {
    let (simulator, client) = simulated().await;
    let sid = add_clip(&simulator, MONO);
    client.delete_recording(&account(), &sid).await.unwrap();
    for sid in [sid, some_recording()] {
        assert_eq!(client.delete_recording(&account(), &sid).await.unwrap(), Deletion::NotFound);
    }
}

#[tokio::test]
async fn unfinished_recording_is_a_conflict_until_it_is_completed() {
    let (simulator, client) = simulated().await;
    let sid = add_clip(&simulator, MONO);
    simulator.set_status(&sid, "processing");
    let error = client.delete_recording(&account(), &sid).await.unwrap_err();
    assert_eq!((error.kind, error.code, error.status), (TwilioErrorKind::Transient, Some(20409), Some(409)));
    simulator.set_status(&sid, "completed");
    assert_eq!(client.delete_recording(&account(), &sid).await.unwrap(), Deletion::Deleted);
}

#[tokio::test]
async fn failed_delete_is_transient_and_deletes_nothing() {
    let (simulator, client) = faulty(Faults { delete_error_every: Some(1), ..Faults::default() }).await;
    let sid = add_clip(&simulator, MONO);
    let error = client.delete_recording(&account(), &sid).await.unwrap_err();
    assert_eq!((error.kind, error.status), (TwilioErrorKind::Transient, Some(500)));
    assert_eq!(client.recording(&account(), &sid).await.unwrap().status, RecordingStatus::Completed);
}
