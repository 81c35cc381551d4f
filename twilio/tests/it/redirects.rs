//! Where a request may be led, and what goes with it.

use twilio::{Deletion, TwilioErrorKind};

use crate::harness::{AUTHORIZATION, account, client, drained, hurried, some_recording, unhindered, wav, whole};
use crate::peer::{Answer, Peer, answer, sized};

fn found(location: &str) -> Answer {
    sized(&format!("302 Found\nLocation: {location}"), "")
}

#[tokio::test]
async fn credentials_stay_with_the_api_host_whatever_the_redirect() {
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let store = Peer::saying([sized("200 OK", "media")]).await;
        let api = Peer::saying([sized(&format!("{status}\nLocation: {}clip.wav?sig=1", store.url), "")]).await;
        let media = wav(&client(api.url.clone()), &some_recording()).await.unwrap();
        assert_eq!(whole(media).await.unwrap(), b"media");
        assert_eq!(api.heard_header("authorization"), [AUTHORIZATION]);
        assert_eq!(store.heard_header("authorization"), [""]);
        assert!(store.heard()[0].starts_with("GET /clip.wav?sig=1 HTTP/1.1"), "{}", store.heard()[0]);
    }
}

#[tokio::test]
async fn redirect_on_the_api_host_keeps_the_credentials() {
    let api = Peer::saying([found("/elsewhere.wav"), sized("200 OK", "media")]).await;
    let media = wav(&client(api.url.clone()), &some_recording()).await.unwrap();
    assert_eq!(whole(media).await.unwrap(), b"media");
    assert_eq!(api.heard_header("authorization"), [AUTHORIZATION, AUTHORIZATION]);
    assert!(api.heard()[1].starts_with("GET /elsewhere.wav "));
}

/// A store's refusal says nothing of our credentials, and its limits are not the account's.
#[tokio::test]
async fn refusal_by_another_host_is_transient_and_lowers_no_limit() {
    for status in ["401 Unauthorized", "403 Forbidden", "429 Too Many Requests\nRetry-After: 30"] {
        let store = Peer::saying([sized(status, "")]).await;
        let api = Peer::saying([found(store.url.as_str()), sized("200 OK", "{}")]).await;
        let client = client(api.url.clone());
        let error = wav(&client, &some_recording()).await.unwrap_err();
        assert_eq!((error.kind, error.status), (TwilioErrorKind::Transient, status[..3].parse().ok()));
        unhindered(client.check_account(&account())).await.unwrap();
    }
}

/// Links into a store expire: the API is asked for a new one.
#[tokio::test]
async fn resumed_transfer_is_led_anew_and_takes_its_range_along() {
    let rest = sized("206 Partial Content\nContent-Range: bytes 5-9/10", "56789");
    let store = Peer::saying([answer("200 OK\nContent-Length: 10", "01234"), rest]).await;
    let api = Peer::saying([found(&format!("{}one", store.url)), found(&format!("{}two", store.url))]).await;
    let client = client(api.url.clone());
    let (bytes, error) = hurried(async { drained(wav(&client, &some_recording()).await.unwrap()).await }).await;
    assert_eq!((bytes.as_slice(), error.is_none()), (b"0123456789".as_slice(), true));
    assert_eq!(store.heard_header("range"), ["", "bytes=5-"]);
    assert_eq!(store.heard_header("authorization"), ["", ""]);
    assert!(store.heard()[1].starts_with("GET /two "));
}

#[tokio::test]
async fn redirects_in_a_circle_end_after_five() {
    let api = Peer::saying([found("/round")]).await;
    let error = wav(&client(api.url.clone()), &some_recording()).await.unwrap_err();
    assert_eq!((error.kind, error.status), (TwilioErrorKind::Transient, Some(302)));
    assert_eq!(api.heard().len(), 6);
}

#[tokio::test]
async fn redirect_without_a_target_over_http_is_rejected() {
    for head in
        ["302 Found", "302 Found\nLocation: http://[::", "302 Found\nLocation: ftp://store/clip", "304 Not Modified"]
    {
        let api = Peer::saying([sized(head, "")]).await;
        let error = wav(&client(api.url.clone()), &some_recording()).await.unwrap_err();
        let status = head[..3].parse().ok();
        assert_eq!((error.kind, error.status), (TwilioErrorKind::Rejected, status), "{head}");
        assert_eq!(api.heard().len(), 1);
    }
}

/// Another host's word for it that a recording is deleted is worth nothing.
#[tokio::test]
async fn only_media_are_led_off_the_api_host() {
    let elsewhere = Peer::saying([sized("200 OK", r#"{"recordings":[]}"#)]).await;
    let api = Peer::saying([found(elsewhere.url.as_str())]).await;
    let client = client(api.url.clone());
    let deletion: Result<Deletion, _> = client.delete_recording(&account(), &some_recording()).await;
    let errors = [
        deletion.unwrap_err(),
        client.recording(&account(), &some_recording()).await.unwrap_err(),
        client.check_account(&account()).await.unwrap_err(),
    ];
    assert!(errors.iter().all(|error| error.kind == TwilioErrorKind::Rejected), "{errors:?}");
    assert_eq!(elsewhere.heard().len(), 0);
}
