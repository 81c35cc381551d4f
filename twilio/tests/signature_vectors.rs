//! Known answers from the test suites of Twilio's official libraries (python, node, java, ruby, csharp, php, go) and
//! its security page, recomputed; token `12345`.
#![allow(clippy::unwrap_used, clippy::type_complexity, reason = "a test that cannot go on has failed")]

use secrecy::SecretString;
use twilio::{AccountSid, Algorithm, SignatureError, SignedRequest, SigningKeys, sign, verify};

const ACCOUNT: &str = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
const HASH: &str = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
const BODY: &[u8] = br#"{"property": "value", "boolean": true}"#;

fn call() -> Vec<(String, String)> {
    params(&[
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675309"),
        ("Digits", "1234"),
        ("From", "+14158675309"),
        ("To", "+18005551212"),
    ])
}

fn params(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn with_reasons() -> Vec<(String, String)> {
    [call(), params(&[("ReasonConferenceEnded", "test"), ("Reason", "Participant")])].concat()
}

/// As on the security page.
fn from_another_number() -> Vec<(String, String)> {
    let kept = call().into_iter().filter(|(name, _)| name != "Caller" && name != "From").collect();
    [kept, params(&[("Caller", "+14158675310"), ("From", "+14158675310")])].concat()
}

/// A whole recording status callback.
fn callback() -> Vec<(String, String)> {
    let recording = format!("RE{}", "c".repeat(32));
    let url = format!("https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Recordings/{recording}");
    params(&[
        ("AccountSid", ACCOUNT),
        ("CallSid", &format!("CA{}", "b".repeat(32))),
        ("ErrorCode", "0"),
        ("RecordingChannels", "2"),
        ("RecordingDuration", "13"),
        ("RecordingSid", &recording),
        ("RecordingSource", "DialVerb"),
        ("RecordingStartTime", "Tue, 24 Mar 2026 18:15:40 +0000"),
        ("RecordingStatus", "completed"),
        ("RecordingTrack", "both"),
        ("RecordingUrl", &url),
    ])
}

/// The URL of the same sent by GET.
fn callback_by_get() -> String {
    let query = form_urlencoded::Serializer::new("tenant=t1".to_owned()).extend_pairs(callback()).finish();
    format!("https://hooks.example.com/twilio/recording?{query}")
}

fn keys() -> SigningKeys {
    let mut keys = SigningKeys::new();
    keys.add_auth_token(ACCOUNT.parse().unwrap(), "12345".into());
    keys.add_shared_key("webhooks_sharedkey_1".into(), "12345".into());
    keys
}

fn judge(url: &str, params: &[(String, String)], body: &[u8], signature: &str) -> Result<(), SignatureError> {
    let account: AccountSid = ACCOUNT.parse().unwrap();
    let request =
        SignedRequest { url, params, body, account_sid: Some(&account), signature: Some(signature), settings: None };
    verify(&request, &keys())
}

#[test]
fn signatures_over_the_form_match_every_official_vector() {
    let by_get = callback_by_get();
    let vectors: Vec<(&str, Vec<(String, String)>, &str)> = vec![
        (URL, call(), "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (URL, call(), "kvajT1Ptam85bY51eRf/AJRuM3w="),
        ("http://mycompany.com/myapp.php?foo=1&bar=2", call(), "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        ("http://mycompany.com:1234/myapp.php?foo=1&bar=2", call(), "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
        ("http://mycompany.com/myapp.php?foo=1&bar=2", call(), "OyGYPqTF6ztdbRNCvuQO/oPvqQ4="),
        ("https://mycompany.com:1234/myapp.php?foo=1&bar=2", call(), "CYn1h0gLBdNxDGkKJg6hYohgeD8="),
        ("https://mycompany.com:1234/myapp.php?foo=1&bar=2", call(), "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("https://user:pass@mycompany.com/myapp.php?foo=1&bar=2", call(), "CukzLTc1tT5dXEDIHm/tKBanW10="),
        ("https://user:pass@mycompany.com/myapp.php?foo=1&bar=2", call(), "ZQFR1PTIZXF2MXB8ZnKCvnnA+rI="),
        (
            URL,
            params(&[
                ("Sid", "CA123"),
                ("SidAccount", "AC123"),
                ("Digits", "5678"),
                ("Digits", "1234"),
                ("Digits", "1234"),
            ]),
            "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
        ),
        (
            URL,
            params(&[("MessagingBinding.Address", "+1325xxxxxxx"), ("MessagingBinding.Address", "+1415xxxxxxx")]),
            "83O6e2vORAoJHUNzJjDWN1jz+BA=",
        ),
        (URL, params(&[("property", "value"), ("boolean", "true")]), "NBdBDr/T/lgjI+tlgpXjKZQZs/k="),
        ("https://mycompany.com/myapp.php?foo=1&bar=2&Body=It's+amazing", call(), "TfZzewPq8wqrGlMfyAud8+/IvJ0="),
        ("https://mycompany.com/myapp.php?foo=1&bar=2&Body=It's+amazing", call(), "dsq4Ehbj6cs+KdTkpF5sSSplOWw="),
        (URL, Vec::new(), "zYQTYrRWXE7LtzbG4PfP7/bkkGo="),
        ("https://mycompany.com/myapp.php", call(), "1xaxFBvyzXYvWplzNOSs28HWO94="),
        ("https://mycompany.com/myapp.php?foo=hello%20world&bar=test%2Bvalue", call(), "er2tvAP1Wx+iuTTE2BPgvEaN1cs="),
        (
            URL,
            params(&[
                ("Message", "Hello & goodbye! @#$%^*()"),
                ("From", "+1 (415) 867-5309"),
                ("Special", "unicode: ñáéíóú"),
            ]),
            "dCPiR4WtQ6QFN6pJh81CtlCcWLQ=",
        ),
        (
            URL,
            params(&[("Digits", ""), ("CallSid", "CA1234567890ABCDE"), ("EmptyParam", "")]),
            "9HHp/OqQMEwdrVebHDdA/+tqjX8=",
        ),
        (
            URL,
            params(&[("callSid", "lowercase"), ("CallSid", "uppercase"), ("CALLSID", "allcaps")]),
            "jDK7WKT8wiNrwggd4ceTv4e1MJ4=",
        ),
        ("https://mycompany.com:443//myapp.php?foo=1&bar=2", call(), "A9lH3u16NjyiiM/+wylw5rirFUs="),
        ("https://MyCompany.com/myapp.php?foo=1&bar=2", call(), "g9IN/x4Cft2g517EjYvEvM/W7LU="),
        ("http://mycompany.com/myapp.php?foo=1&bar=2", with_reasons(), "n2xBNyzSW7rfYStDtOFiFMv7qNo="),
        ("https://example.com/myapp.php?foo=1&bar=2", from_another_number(), "L/OH5YylLD5NRKLltdqwSvS0BnU="),
        ("https://hooks.example.com/twilio/recording?tenant=t1", callback(), "u5AFZiXONZUWPOluDFea2bzovpA="),
        (&by_get, Vec::new(), "ECit+YAI5t/uiiwLYGcTmGvPgAI="),
    ];
    for (at, (url, params, signature)) in vectors.iter().enumerate() {
        assert_eq!(judge(url, params, b"", signature), Ok(()), "vector {at}: {url}");
        let tampered = [params.clone(), vec![("X".to_owned(), "1".to_owned())]].concat();
        assert_eq!(judge(url, &tampered, b"", signature), Err(SignatureError::Mismatch), "vector {at}, tampered");
    }
}

#[test]
fn go_vectors_sort_by_name_and_refuse_sorting_by_name_and_value_together() {
    let params = with_reasons();
    assert_eq!(judge(URL, &params, b"", "vOEb5UThFn24KEfnOFLQY2AE5FY="), Ok(()));
    assert_eq!(judge(URL, &params, b"", "95+Bu0JVPi0r/SsESZCVf0dWAjw="), Err(SignatureError::Mismatch));
}

#[test]
fn body_hash_is_checked_beside_the_signature_over_the_url() {
    let long = format!("{URL}&bodySHA256={HASH}");
    let short = format!("https://mycompany.com/myapp.php?bodySHA256={HASH}");
    for (url, signature) in [(long, "a9nBmqA0ju/hNViExpshrM61xv4="), (short, "y77kIzt2vzLz71DgmJGsen2scGs=")] {
        assert_eq!(judge(&url, &[], BODY, signature), Ok(()));
        assert_eq!(judge(&url, &[], b"{}", signature), Err(SignatureError::BodyHash));
    }
}

/// The Node library's, for a body that nobody kept: with the port and without.
#[test]
fn hash_of_an_empty_object_is_signed_with_the_port_and_without() {
    let url = format!("{URL}&bodySHA256=44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
    for signature in ["Ldidvp12m26NI7eqEvxnEpkd9Hc=", "rw/jVviOgicj2+kHZULvebnA4ag="] {
        assert_eq!(judge(&url, &[], b"{}", signature), Ok(()));
        assert_eq!(judge(&url, &[], BODY, signature), Err(SignatureError::BodyHash));
    }
}

/// Node signs the URL alone where it tells the body's hash, whatever the body is.
#[test]
fn form_whose_hash_is_in_the_url_may_be_signed_by_the_url_alone_or_with_its_parameters() {
    let (form, body) = (params(&[("Digits", "1")]), b"Digits=1");
    let hash = "7ed8d538964985cbe2c866f884d7a5d26031ab6b8afbd451de6405525cf29dad";
    let url = format!("{URL}&bodySHA256={hash}");
    for signed in [&[][..], &form] {
        let signature = sign(&url, signed, &"12345".into(), Algorithm::HmacSha1);
        assert_eq!(judge(&url, &form, body, &signature), Ok(()));
        assert!(judge(&url, &form, b"Digits=2", &signature).is_err());
    }
}

#[test]
fn shared_key_signs_with_sha256_when_the_settings_header_names_it() {
    let request = |settings| SignedRequest {
        url: URL,
        params: &[],
        body: b"",
        account_sid: None,
        signature: Some("x"),
        settings: Some(settings),
    };
    let secret: SecretString = "12345".into();
    let form = call();
    let signature = sign(URL, &form, &secret, Algorithm::HmacSha256);
    assert_eq!(signature, "033hgUJA9M/hXIZsYjwkerEP/DBm35nEri5FhCYjA5s=");
    let named = SignedRequest {
        params: &form,
        signature: Some(&signature),
        ..request("key=webhooks_sharedkey_1,algorithm=HMAC_SHA256")
    };
    assert_eq!(verify(&named, &keys()), Ok(()));
    let unknown = SignedRequest { signature: Some("eA=="), ..request("key=other,algorithm=HMAC_SHA256") };
    assert_eq!(verify(&unknown, &keys()), Err(SignatureError::UnknownKey));
    let odd = SignedRequest { signature: Some("eA=="), ..request("key=webhooks_sharedkey_1,algorithm=MD5") };
    assert_eq!(verify(&odd, &keys()), Err(SignatureError::UnsupportedAlgorithm));
}

/// A shared key belongs to no account, so it must not vouch for accounts that nobody set up.
#[test]
fn shared_key_signs_for_accounts_that_are_configured_and_no_others() {
    let signature = sign(URL, &[], &"12345".into(), Algorithm::HmacSha256);
    let judge = |account: &str| {
        let account: AccountSid = account.parse().unwrap();
        let request = SignedRequest {
            url: URL,
            params: &[],
            body: b"",
            account_sid: Some(&account),
            signature: Some(&signature),
            settings: Some("key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"),
        };
        verify(&request, &keys())
    };
    assert_eq!(judge(ACCOUNT), Ok(()));
    assert_eq!(judge("ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"), Err(SignatureError::UnknownAccount));
}

#[test]
fn missing_signature_and_unknown_account_are_told_apart() {
    let other: AccountSid = "ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb".parse().unwrap();
    let request = SignedRequest {
        url: URL,
        params: &[],
        body: b"",
        account_sid: Some(&other),
        signature: Some("eA=="),
        settings: None,
    };
    assert_eq!(verify(&request, &keys()), Err(SignatureError::UnknownAccount));
    assert_eq!(verify(&SignedRequest { signature: None, ..request }, &keys()), Err(SignatureError::Missing));
}
