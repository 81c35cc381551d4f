//! The signature is over the URL Twilio sees, whatever a proxy makes of it.

use crate::harness::*;

async fn behind(public_url: &'static str) -> Service {
    Setup { public_url, ..Setup::default() }.start().await
}

#[tokio::test]
async fn local_host_scheme_and_port_do_not_matter() {
    for public_url in ["https://voice.example.com", "https://voice.example.com:8443", "http://voice.example.com:8080"] {
        let service = behind(public_url).await;
        let callback = Callback { base: public_url, ..Callback::recording() };
        assert_eq!(service.send(&callback).await.status, 200, "{public_url}");
    }
}

#[tokio::test]
async fn forwarded_headers_cannot_change_the_url() {
    let service = start().await;
    let mut callback = Callback::recording();
    callback.headers = vec![("X-Forwarded-Host", "evil.example".into()), ("X-Forwarded-Proto", "http".into())];
    assert_eq!(service.send(&callback).await.status, 200);
    callback.base = "http://evil.example";
    assert_eq!(service.send(&callback).await.status, 403);
}

#[tokio::test]
async fn path_of_the_public_url_may_be_stripped_by_the_proxy_or_not() {
    let service = behind("https://voice.example.com/callvault/").await;
    let stripped = Callback { base: "https://voice.example.com/callvault", ..Callback::recording() };
    assert_eq!(service.send(&stripped).await.status, 200);
    let kept = Callback { target: "/callvault/webhooks/recording?tenant=t1".into(), ..Callback::recording() };
    assert_eq!(service.send(&kept).await.status, 200);
    assert_eq!(service.send(&kept.clone().by_get()).await.status, 200);
    assert_eq!(service.get("/callvault/healthz").await.status, 200);
    assert_eq!(service.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn unknown_routes_below_the_path_are_problems_too() {
    let service = behind("https://voice.example.com/callvault").await;
    assert_eq!(service.get("/callvault").await.status, 404);
    let answer = service.get("/callvault/nothing").await;
    assert_eq!(answer.status, 404);
    answer.detail();
}

#[tokio::test]
async fn raw_path_and_query_are_signed_as_they_came() {
    let service = start().await;
    for target in [
        "/webhooks/recording?",
        "/webhooks/recording?a=%7Eb&c=d+e&f=g%20h",
        "/webhooks/recording?a=%e2%82%ac&A=%E2%82%AC&&=",
        "/webhooks/recording?x=It's&y=(1,2)",
        "/webhooks/%72ecording",
    ] {
        let callback = Callback { target: target.into(), ..Callback::recording() };
        let answer = service.send(&callback).await;
        // A path that is another one to us is not found; it is never normalised into ours.
        let expected = if target.contains("%72") { 404 } else { 200 };
        assert_eq!(answer.status, expected, "{target}: {answer:?}");
    }
}
