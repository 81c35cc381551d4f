//! How much is asked of one account at once.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use simulator::{Faults, MediaPlan, Simulator};
use twilio::{AccountSid, Client, ClientConfig, Media, MediaFormat, RecordingSid, TwilioErrorKind};

use crate::harness::{
    account, add, config, hurried, other_account, simulated, some_recording, unhindered, until, wav, whole,
};
use crate::peer::{Peer, answer, silence, sized, stalled};

/// A simulator with one large recording, and a client of so many requests at once.
async fn limited(max_concurrency: usize) -> (Simulator, Client, RecordingSid) {
    let (simulator, _) = simulated().await;
    let sid = add(&simulator, 0, MediaPlan::Synthetic { bytes: 50_000_000 });
    let client = Client::new(ClientConfig { max_concurrency, ..config(simulator.url()) }).unwrap();
    (simulator, client, sid)
}

/// As many of the account's media as come at once, held open.
async fn held(client: &Client, account: &AccountSid, sid: &RecordingSid) -> Vec<Media> {
    let mut held = Vec::new();
    while let Some(media) = unless_held_up(client, client.media(account, sid, MediaFormat::Wav, None)).await {
        held.push(media.unwrap());
    }
    held
}

/// What comes of a request unless its account's limit holds it up: an onlooker's requests, which nothing holds up, are
/// answered many times meanwhile.
async fn unless_held_up<T>(client: &Client, request: impl Future<Output = T>) -> Option<T> {
    let onlooker = format!("AC{}", "e".repeat(32)).parse().unwrap();
    let mut request = pin!(request);
    for _ in 0..20 {
        if let Some(answered) = request.as_mut().now_or_never() {
            return Some(answered);
        }
        let _ = unhindered(client.check_account(&onlooker)).await;
    }
    None
}

async fn throttle(simulator: &Simulator, client: &Client) {
    simulator.set_faults(Faults { throttle_every: Some(1), ..Faults::default() });
    assert_eq!(client.check_account(&account()).await.unwrap_err().kind, TwilioErrorKind::Throttled);
    simulator.set_faults(Faults::default());
}

#[tokio::test]
async fn requests_in_flight_stay_under_the_ceiling_bodies_included() {
    let (simulator, client, _) = limited(3).await;
    // Too large for the sockets' buffers: all are under way until they are read.
    let sid = add(&simulator, 1, MediaPlan::Synthetic { bytes: 20_000_000 });
    let downloads = unhindered(join_all((0..7).map(async |_| whole(wav(&client, &sid).await?).await))).await;
    assert!(downloads.iter().all(|media| media.as_ref().unwrap().len() == 20_000_000));
    assert_eq!(simulator.counters().media_in_flight_max, 3);
}

#[tokio::test]
async fn throttling_halves_the_requests_in_flight() {
    let (simulator, client, sid) = limited(8).await;
    throttle(&simulator, &client).await;
    assert_eq!(held(&client, &account(), &sid).await.len(), 4);
}

#[tokio::test]
async fn successes_let_one_more_in_flight() {
    let (simulator, client, sid) = limited(8).await;
    throttle(&simulator, &client).await;
    for _ in 0..20 {
        client.check_account(&account()).await.unwrap();
    }
    assert_eq!(held(&client, &account(), &sid).await.len(), 5);
}

#[tokio::test]
async fn throttled_account_does_not_slow_another() {
    let answers = |_, request: &str| match request.contains(".wav") {
        true => stalled(answer("200 OK\nContent-Length: 9", "")),
        false => sized("429 Too Many Requests", ""),
    };
    let peer = Peer::start(answers).await;
    let client = Client::new(ClientConfig { max_concurrency: 8, ..config(peer.url.clone()) }).unwrap();
    assert_eq!(client.check_account(&account()).await.unwrap_err().kind, TwilioErrorKind::Throttled);
    let own = held(&client, &account(), &some_recording()).await;
    let others = held(&client, &other_account(), &some_recording()).await;
    assert_eq!((own.len(), others.len()), (4, 8));
}

#[tokio::test]
async fn clones_share_their_limits() {
    let (_simulator, client, sid) = limited(2).await;
    let media = held(&client.clone(), &account(), &sid).await;
    assert_eq!((media.len(), held(&client, &account(), &sid).await.len()), (2, 0));
}

#[tokio::test]
async fn dropped_media_give_their_place_back() {
    let (_simulator, client, sid) = limited(1).await;
    for _ in 0..3 {
        drop(unhindered(wav(&client, &sid)).await.unwrap());
    }
}

#[tokio::test]
async fn dropped_requests_give_their_places_back_under_way_and_in_line() {
    let silent = |_, request: &str| if request.contains(".wav") { silence() } else { sized("200 OK", "{}") };
    let peer = Peer::start(silent).await;
    let client = Client::new(ClientConfig { max_concurrency: 1, ..config(peer.url.clone()) }).unwrap();
    let sid = some_recording();
    let mut under_way = Box::pin(wav(&client, &sid));
    tokio::select! {
        _ = &mut under_way => panic!("the peer keeps silent"),
        () = until(|| !peer.heard().is_empty()) => {}
    }
    let mut in_line = Box::pin(wav(&client, &sid));
    assert!(in_line.as_mut().now_or_never().is_none());
    drop(under_way);
    drop(in_line);
    unhindered(client.check_account(&account())).await.unwrap();
    assert_eq!(peer.heard().len(), 2);
}

/// One place for both: they can only end if each pause between two tries leaves it to the other.
#[tokio::test]
async fn broken_transfer_leaves_its_place_to_others_while_it_pauses() {
    let (simulator, client, sid) = limited(1).await;
    simulator.set_faults(Faults { cut_body_every: Some(1), ..Faults::default() });
    let account = account();
    let media = wav(&client, &sid).await.unwrap();
    let check = client.check_account(&account);
    let (media, checked) = hurried(async { tokio::join!(whole(media), check) }).await;
    assert!(media.is_err() && checked.is_ok());
}

/// The last of thirty requests at ten a second begins no sooner than 2.9 seconds after the first.
#[tokio::test]
async fn requests_a_second_stay_under_the_ceiling() {
    let (simulator, _) = simulated().await;
    let client = Client::new(ClientConfig { requests_per_second: 10, ..config(simulator.url()) }).unwrap();
    let account = account();
    let elapsed = hurried(async {
        let began = tokio::time::Instant::now();
        join_all((0..30).map(|_| client.check_account(&account))).await;
        began.elapsed()
    })
    .await;
    assert!(elapsed >= Duration::from_millis(2_900), "{elapsed:?}");
}

#[tokio::test]
async fn observer_hears_of_every_request_and_its_status() {
    let (simulator, client, sid) = limited(4).await;
    let heard: Arc<Mutex<Vec<(&str, u16)>>> = Arc::default();
    let log = Arc::clone(&heard);
    let client = client.on_request(Arc::new(move |endpoint, status| log.lock().unwrap().push((endpoint, status))));
    client.recording(&account(), &sid).await.unwrap();
    drop(wav(&client, &sid).await.unwrap());
    wav(&client, &some_recording()).await.unwrap_err();
    client.check_account(&account()).await.unwrap();
    client.delete_recording(&account(), &sid).await.unwrap();
    simulator.stop().await;
    client.check_account(&account()).await.unwrap_err();
    let expected = [("recording", 200), ("media", 200), ("media", 404), ("list", 200), ("delete", 204), ("list", 0)];
    assert_eq!(*heard.lock().unwrap(), expected);
}

#[tokio::test]
async fn impatient_request_is_refused_instead_of_waiting_for_its_turn() {
    let (_simulator, client, sid) = limited(1).await;
    let held = held(&client, &account(), &sid).await;
    let impatient = client.clone().with_patience(Duration::from_millis(50));
    let error = unhindered(impatient.check_account(&account())).await.unwrap_err();
    assert_eq!((error.kind, error.status), (TwilioErrorKind::Throttled, None));
    drop(held);
    unhindered(impatient.with_patience(Duration::from_secs(60)).check_account(&account())).await.unwrap();
}

#[tokio::test]
async fn impatient_request_is_told_how_long_twilio_wants_to_be_left_alone() {
    let (simulator, client, _) = limited(4).await;
    let storm = Faults { throttle_every: Some(1), retry_after_secs: Some(60), ..Faults::default() };
    simulator.set_faults(storm);
    client.check_account(&account()).await.unwrap_err();
    let impatient = client.with_patience(Duration::from_secs(2));
    let error = unhindered(impatient.check_account(&account())).await.unwrap_err();
    assert!(error.retry_after.is_some_and(|wait| wait > Duration::from_secs(30)), "{error:?}");
    assert_eq!(simulator.counters().requests_to("list"), 1, "Twilio was not asked again");
}
