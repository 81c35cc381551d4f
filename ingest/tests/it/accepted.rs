//! Callbacks that are taken.

use twilio::RecordingStatus;

use crate::harness::*;

#[tokio::test]
async fn signed_callback_is_queued_with_what_it_says() {
    let service = start().await;
    let answer = service.send(&Callback::recording()).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    let jobs = service.queued().await;
    assert_eq!(jobs.len(), 1);
    let (recording, received_at) = archived(&jobs[0]);
    assert_eq!(recording.recording_sid.as_str(), RECORDING);
    assert_eq!(recording.account_sid.as_str(), ACCOUNT);
    assert_eq!(recording.call_sid.as_ref().unwrap().as_str(), CALL);
    assert_eq!(recording.status, RecordingStatus::Completed);
    assert_eq!((recording.channels, recording.duration_secs), (Some(2), Some(13)));
    assert_eq!(recording.started_at.unwrap().to_rfc3339(), "2026-03-24T18:15:40+00:00");
    assert_eq!(received_at, now());
}

#[tokio::test]
async fn callback_by_get_is_queued() {
    let service = start().await;
    let mut callback = Callback::recording();
    callback.target = "/webhooks/recording?tenant=t1".to_owned();
    assert_eq!(service.send(&callback.by_get()).await.status, 200);
    assert_eq!(archived(&service.queued().await[0]).0.recording_sid.as_str(), RECORDING);
}

#[tokio::test]
async fn repeated_callback_is_accepted_and_queued_again() {
    let service = start().await;
    assert_eq!(service.send(&Callback::recording()).await.status, 200);
    assert_eq!(service.send(&Callback::recording()).await.status, 200);
    let jobs = service.queued().await;
    assert_eq!(jobs.len(), 2);
    assert_eq!(jobs[0], jobs[1]);
}

#[tokio::test]
async fn every_status_is_queued() {
    let service = start().await;
    for status in ["in-progress", "completed", "absent", "failed", "newly-invented"] {
        let callback = Callback::recording().with("RecordingStatus", status);
        assert_eq!(service.send(&callback).await.status, 200, "{status}");
        let jobs = service.queued().await;
        let queued = serde_json::to_value(&archived(&jobs[0]).0.status).unwrap();
        assert_eq!(queued, status);
    }
}

#[tokio::test]
async fn accepted_callback_survives_a_restart() {
    let service = start().await;
    assert_eq!(service.send(&Callback::recording()).await.status, 200);
    let Service { shutdown, serving, queue, folder, .. } = service;
    shutdown.cancel();
    serving.await.unwrap().unwrap();
    drop(queue);
    let reopened = open_queue(&folder).await;
    assert_eq!(take_all(reopened.as_ref()).await.len(), 1);
}

#[tokio::test]
async fn call_progress_with_a_recording_is_queued_like_a_callback() {
    let service = start().await;
    let callback = Callback::call_progress().with("RecordingSid", RECORDING).with("RecordingDuration", "13");
    assert_eq!(service.send(&callback).await.status, 200);
    let jobs = service.queued().await;
    let (recording, _) = archived(&jobs[0]);
    assert_eq!(recording.recording_sid.as_str(), RECORDING);
    assert_eq!(recording.status, RecordingStatus::Completed);
}

#[tokio::test]
async fn call_progress_without_a_recording_queues_nothing() {
    let service = start().await;
    assert_eq!(service.send(&Callback::call_progress()).await.status, 200);
    assert_eq!(service.send(&Callback::call_progress().by_get()).await.status, 200);
    assert!(service.queued().await.is_empty());
}

#[tokio::test]
async fn subaccount_is_checked_with_its_own_token() {
    let service = start().await;
    let mut callback = Callback::recording().with("AccountSid", SUBACCOUNT);
    assert_eq!(service.send(&callback).await.status, 403);
    callback.token = SUBACCOUNT_TOKEN;
    assert_eq!(service.send(&callback).await.status, 200);
    assert_eq!(archived(&service.queued().await[0]).0.account_sid.as_str(), SUBACCOUNT);
}

#[tokio::test]
async fn type_of_the_form_is_read_as_http_says() {
    let service = start().await;
    for content_type in
        [FORM, "Application/X-WWW-Form-URLencoded;charset=utf-8", "application/x-www-form-urlencoded ; x=y"]
    {
        let callback = Callback { content_type, ..Callback::recording() };
        assert_eq!(service.send(&callback).await.status, 200, "{content_type}");
    }
}
