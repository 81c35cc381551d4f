//! What is printed names no secret.

use twilio::{Client, TwilioError};

use crate::harness::{ACCOUNT, AUTHORIZATION, TOKEN, client, config, credentials, hurried, some_recording, wav};
use crate::peer::{Answer, Peer, answer, silence, sized};

#[track_caller]
fn assert_has_no_secret(printed: &str) {
    let encoded = AUTHORIZATION.trim_start_matches("Basic ");
    assert!(!printed.contains(TOKEN) && !printed.contains(encoded), "a secret is in: {printed}");
}

/// The error in every form it is printed in, with all its causes.
fn printed(error: &TwilioError) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(" {error} {error:?}"));
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn client_and_its_configuration_print_no_secret() {
    let config = config("https://api.twilio.com".parse().unwrap());
    assert_has_no_secret(&format!("{config:?} {:?}", credentials(ACCOUNT, TOKEN)));
    let client = Client::new(config).unwrap();
    assert_has_no_secret(&format!("{client:?} {client:#?}"));
    assert!(format!("{client:?}").contains("api.twilio.com"));
}

/// They would be sent besides the configured ones, and printed with the URL.
#[tokio::test]
async fn credentials_in_the_api_url_are_refused_and_not_repeated() {
    for url in [format!("https://{TOKEN}@api.twilio.com"), format!("https://:{TOKEN}@api.twilio.com")] {
        let error = Client::new(config(url.parse().unwrap())).unwrap_err();
        assert_has_no_secret(&printed(&error));
    }
}

#[tokio::test]
async fn errors_print_no_secret() {
    let refusals: [Answer; 6] = [
        sized("401 Unauthorized", r#"{"code":20003,"message":"Authenticate","status":401}"#),
        sized("500 Internal Server Error", ""),
        sized("302 Found\nLocation: http://127.0.0.1:1/clip?sig=a-secret-signature", ""),
        sized("302 Found\nLocation: ftp://127.0.0.1/clip?sig=a-secret-signature", ""),
        answer("no status", ""),
        silence(),
    ];
    for refusal in refusals {
        let peer = Peer::saying([refusal]).await;
        let client = client(peer.url.clone());
        let error = hurried(wav(&client, &some_recording())).await.unwrap_err();
        let printed = printed(&error);
        assert_has_no_secret(&printed);
        assert!(!printed.contains("a-secret-signature"), "a signed URL is in: {printed}");
    }
}
