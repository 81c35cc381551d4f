//! The headers that a request is judged by: `X-Twilio-Signature` and `X-Twilio-Webhooks-Signature-Settings`, on the first
//! two lines; the URL's query on the third; the body is the rest.

#![no_main]

use libfuzzer_sys::fuzz_target;
use twilio::{Algorithm, SignedRequest, SigningKeys, sign, verify};

const TOKEN: &str = "12345678901234567890123456789012";

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(4, |byte| *byte == b'\n');
    let mut next = || parts.next().unwrap_or_default();
    let (signature, settings, query, body) = (next(), next(), next(), next());
    let (Ok(signature), Ok(settings), Ok(query)) =
        (std::str::from_utf8(signature), std::str::from_utf8(settings), std::str::from_utf8(query))
    else {
        return;
    };
    let mut keys = SigningKeys::new();
    let account = format!("AC{}", "a".repeat(32)).parse().expect("an account");
    keys.add_auth_token(account, TOKEN.into());
    keys.add_shared_key("webhooks_sharedkey_1".to_owned(), "another secret".into());
    let url = format!("https://voice.example.com/webhooks/recording?{query}");
    let params: Vec<(String, String)> = url::form_urlencoded::parse(body).into_owned().collect();
    let request = SignedRequest {
        url: &url,
        params: &params,
        body,
        account_sid: None,
        signature: Some(signature),
        settings: Some(settings),
    };
    verify(&request, &keys).expect_err("nobody guesses a signature");
    // What the holder of the token signs is taken, unless the URL tells another hash for the body.
    let right = sign(&url, &params, &TOKEN.into(), Algorithm::HmacSha1);
    let signed = SignedRequest { signature: Some(&right), settings: None, ..request };
    if !query.contains("bodySHA256") {
        verify(&signed, &keys).expect("signed with the token");
    }
});
