//! Media that come whole at once: forms, channels, and what there is instead of them.

use simulator::{CallPlan, Faults, MediaPlan, clips};
use twilio::{MediaFormat, TwilioErrorKind};

use crate::harness::{
    DUAL, MONO, account, add, add_clip, client, faulty, simulated, some_recording, started_at, until, wav, whole,
};
use crate::peer::{Peer, answer, stalled};

#[tokio::test]
async fn wav_is_twilios_byte_for_byte() {
    let (simulator, client) = simulated().await;
    let sid = add_clip(&simulator, DUAL);
    let media = wav(&client, &sid).await.unwrap();
    assert_eq!(media.content_type.as_deref(), Some("audio/x-wav"));
    assert_eq!(media.content_length, Some(clips()[DUAL].wav.len() as u64));
    assert_eq!(whole(media).await.unwrap(), clips()[DUAL].wav);
}

#[tokio::test]
async fn mp3_is_twilios_byte_for_byte() {
    let (simulator, client) = simulated().await;
    let sid = add_clip(&simulator, MONO);
    let media = client.media(&account(), &sid, MediaFormat::Mp3, None).await.unwrap();
    assert_eq!(media.content_type.as_deref(), Some("audio/mpeg"));
    assert_eq!(whole(media).await.unwrap(), clips()[MONO].mp3);
}

/// A conference's recording comes as one channel unless both are asked for.
#[tokio::test]
async fn both_channels_come_where_there_are_two() {
    let (simulator, client) = simulated().await;
    let plan = CallPlan { media: MediaPlan::Clip(DUAL), is_conference: true, ..CallPlan::nth(0, started_at()) };
    let sid = simulator.add_recording(plan).recording_sid;
    let both = client.media(&account(), &sid, MediaFormat::Wav, Some(2)).await.unwrap();
    assert_eq!(whole(both).await.unwrap(), clips()[DUAL].wav);
    let unasked = wav(&client, &sid).await.unwrap();
    assert!(unasked.content_length < Some(clips()[DUAL].wav.len() as u64));
}

/// Error 16113.
#[tokio::test]
async fn recording_without_a_second_channel_comes_with_the_one_it_has() {
    let (simulator, client) = simulated().await;
    let sid = add_clip(&simulator, MONO);
    let media = client.media(&account(), &sid, MediaFormat::Wav, Some(2)).await.unwrap();
    assert_eq!(whole(media).await.unwrap(), clips()[MONO].wav);
    let responses = simulator.counters().responses;
    assert_eq!((responses["media 400"], responses["media 200"]), (1, 1));
}

#[tokio::test]
async fn mp3_of_an_encrypted_recording_is_rejected_with_16109() {
    let (simulator, client) = simulated().await;
    let sid = add(&simulator, 0, MediaPlan::Encrypted);
    let error = client.media(&account(), &sid, MediaFormat::Mp3, None).await.unwrap_err();
    assert_eq!((error.kind, error.code, error.status), (TwilioErrorKind::Rejected, Some(16109), Some(400)));
    assert_eq!(simulator.counters().requests_to("media"), 1);
}

/// Not ready, absent and unknown are one answer: an XML page with 404.
#[tokio::test]
async fn missing_media_are_not_found_whatever_the_reason() {
    let (simulator, client) = simulated().await;
    let unready = add_clip(&simulator, MONO);
    simulator.set_status(&unready, "processing");
    let absent = add(&simulator, 1, MediaPlan::Absent { code: 16102 });
    for sid in [unready, absent, some_recording()] {
        let error = wav(&client, &sid).await.unwrap_err();
        assert_eq!((error.kind, error.code, error.status), (TwilioErrorKind::NotFound, Some(20404), Some(404)));
    }
}

/// Only who knows what media look like can tell; the client says what Twilio says of it.
#[tokio::test]
async fn error_page_with_status_200_shows_by_its_content_type() {
    let (simulator, client) = faulty(Faults { xml_error_as_200_every: Some(1), ..Faults::default() }).await;
    let sid = add_clip(&simulator, MONO);
    let page = wav(&client, &sid).await.unwrap();
    assert_eq!(page.content_type.as_deref(), Some("application/xml"));
    assert!(whole(page).await.unwrap().starts_with(b"<?xml"));
}

#[tokio::test]
async fn dropped_media_end_their_transfer() {
    let half = stalled(answer("200 OK\nContent-Length: 8", "half"));
    let peer = Peer::saying([half]).await;
    let media = wav(&client(peer.url.clone()), &some_recording()).await.unwrap();
    assert_eq!(peer.left(), 0);
    drop(media);
    until(|| peer.left() == 1).await;
}
