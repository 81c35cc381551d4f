//! Request signatures against known answers: the vectors of the official libraries' own tests (twilio-python, -node,
//! -java, -ruby, -csharp, -php, -go), of `https://www.twilio.com/docs/usage/security`, and some made with the algorithm
//! of twilio 9.13.0 on PyPI. The token is theirs: 12345.

use callvault_twilio::{AccountSid, Algorithm, Params, SignatureError, SignedRequest, SigningKeys, sign, verify};

const ACCOUNT: &str = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const SUBACCOUNT: &str = "ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const TOKEN: &str = "12345";
const SHARED_KEY: &str = "webhooks_sharedkey_1";
const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
const PARAMS: &[(&str, &str)] = &[
    ("CallSid", "CA1234567890ABCDE"),
    ("Caller", "+14158675309"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
];
const PARAMS_SIGNATURE: &str = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";

/// A signature of the shared key over URL and PARAMS (made with PyPI's 9.13.0).
const SHARED_SIGNATURE: &str = "033hgUJA9M/hXIZsYjwkerEP/DBm35nEri5FhCYjA5s=";

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn owned(params: Pairs<'_>) -> Vec<(String, String)> {
    params.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn account(sid: &str) -> AccountSid {
    sid.parse().unwrap()
}

fn keys() -> SigningKeys {
    let mut keys = SigningKeys::new();
    keys.add_auth_token(account(ACCOUNT), TOKEN.into());
    keys.add_shared_key(SHARED_KEY.to_owned(), TOKEN.into());
    keys
}

fn check(url: &str, params: Pairs<'_>, body: &str, signature: &str) -> Result<(), SignatureError> {
    let params = owned(params);
    let body = body.as_bytes();
    let account_sid = Some(&account(ACCOUNT)).cloned();
    let signature = Some(signature);
    let request =
        SignedRequest { url, params: &params, body, account_sid: account_sid.as_ref(), signature, settings: None };
    verify(&request, &keys())
}

/// PARAMS by URL, signed by `signature`, with the settings header and for the account given.
fn check_as(
    sid: Option<&str>,
    signature: &str,
    settings: Option<&str>,
    keys: &SigningKeys,
) -> Result<(), SignatureError> {
    let (params, sid) = (owned(PARAMS), sid.map(account));
    let signature = Some(signature);
    verify(
        &SignedRequest { url: URL, params: &params, body: b"", account_sid: sid.as_ref(), signature, settings },
        keys,
    )
}

/// What was signed, the parameters, the signature, and whose vector it is.
type Vector = (&'static str, Pairs<'static>, &'static str, &'static str);

#[rustfmt::skip]
const VECTORS: &[Vector] = &[
    (URL, PARAMS, PARAMS_SIGNATURE, "python, node, java, ruby, csharp, php"),
    ("https://mycompany.com:443/myapp.php?foo=1&bar=2", PARAMS, "kvajT1Ptam85bY51eRf/AJRuM3w=", "python, node, java, ruby, csharp, php"),
    ("http://mycompany.com:80/myapp.php?foo=1&bar=2", PARAMS, "0ZXoZLH/DfblKGATFgpif+LLRf4=", "python, node, java, ruby, csharp, php"),
    ("http://mycompany.com:1234/myapp.php?foo=1&bar=2", PARAMS, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=", "python, node, java, ruby, csharp, php"),
    ("http://mycompany.com/myapp.php?foo=1&bar=2", PARAMS, "OyGYPqTF6ztdbRNCvuQO/oPvqQ4=", "PyPI's algorithm"),
    ("https://mycompany.com:1234/myapp.php?foo=1&bar=2", PARAMS, "CYn1h0gLBdNxDGkKJg6hYohgeD8=", "csharp"),
    ("https://user:pass@mycompany.com/myapp.php?foo=1&bar=2", PARAMS, "CukzLTc1tT5dXEDIHm/tKBanW10=", "node, php"),
    ("https://user:pass@mycompany.com:443/myapp.php?foo=1&bar=2", PARAMS, "ZQFR1PTIZXF2MXB8ZnKCvnnA+rI=", "node, php, ruby"),
    (URL, &[("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234")],
        "IK+Dwps556ElfBT0I3Rgjkr1wJU=", "python, node, php: repeated values once, sorted"),
    (URL, &[("MessagingBinding.Address", "+1325xxxxxxx"), ("MessagingBinding.Address", "+1415xxxxxxx")],
        "83O6e2vORAoJHUNzJjDWN1jz+BA=", "node"),
    (URL, &[("MessagingBinding.Address", "+1415xxxxxxx"), ("MessagingBinding.Address", "+1325xxxxxxx")],
        "83O6e2vORAoJHUNzJjDWN1jz+BA=", "node: in any order"),
    (URL, &[("CallSid", "CA1234567890ABCDE"), ("Caller", "+14158675309"), ("Digits", "1234"), ("From", "+14158675309"),
            ("To", "+18005551212"), ("ReasonConferenceEnded", "test"), ("Reason", "Participant")],
        "vOEb5UThFn24KEfnOFLQY2AE5FY=", "go: sorted by name alone"),
    ("http://mycompany.com/myapp.php?foo=1&bar=2",
        &[("CallSid", "CA1234567890ABCDE"), ("Caller", "+14158675309"), ("Digits", "1234"), ("From", "+14158675309"),
            ("To", "+18005551212"), ("ReasonConferenceEnded", "test"), ("Reason", "Participant")],
        "n2xBNyzSW7rfYStDtOFiFMv7qNo=", "go"),
    (URL, &[("property", "value"), ("boolean", "true")], "NBdBDr/T/lgjI+tlgpXjKZQZs/k=", "go: a form body"),
    ("https://mycompany.com/myapp.php?foo=1&bar=2&Body=It's+amazing", PARAMS, "dsq4Ehbj6cs+KdTkpF5sSSplOWw=", "node: the quote as it came"),
    ("https://mycompany.com/myapp.php?foo=1&bar=2&Body=It%27s+amazing", PARAMS, "TfZzewPq8wqrGlMfyAud8+/IvJ0=", "node: the quote escaped"),
    (URL, &[], "zYQTYrRWXE7LtzbG4PfP7/bkkGo=", "java"),
    ("https://mycompany.com/myapp.php", PARAMS, "1xaxFBvyzXYvWplzNOSs28HWO94=", "java"),
    ("https://mycompany.com/myapp.php?foo=hello%20world&bar=test%2Bvalue", PARAMS, "er2tvAP1Wx+iuTTE2BPgvEaN1cs=", "java"),
    (URL, &[("Message", "Hello & goodbye! @#$%^*()"), ("From", "+1 (415) 867-5309"), ("Special", "unicode: ñáéíóú")],
        "dCPiR4WtQ6QFN6pJh81CtlCcWLQ=", "java"),
    (URL, &[("Digits", ""), ("CallSid", "CA1234567890ABCDE"), ("EmptyParam", "")], "9HHp/OqQMEwdrVebHDdA/+tqjX8=", "java: empty values"),
    (URL, &[("callSid", "lowercase"), ("CallSid", "uppercase"), ("CALLSID", "allcaps")], "jDK7WKT8wiNrwggd4ceTv4e1MJ4=", "java: case counts"),
    ("https://mycompany.com:443//myapp.php?foo=1&bar=2", PARAMS, "A9lH3u16NjyiiM/+wylw5rirFUs=", "java: double slash"),
    ("https://MyCompany.com/myapp.php?foo=1&bar=2", PARAMS, "g9IN/x4Cft2g517EjYvEvM/W7LU=", "csharp: the host's case"),
    ("https://example.com/myapp.php?foo=1&bar=2",
        &[("CallSid", "CA1234567890ABCDE"), ("Caller", "+14158675310"), ("Digits", "1234"), ("From", "+14158675310"), ("To", "+18005551212")],
        "L/OH5YylLD5NRKLltdqwSvS0BnU=", "twilio.com/docs/usage/security"),
];

#[test]
fn official_vectors_are_signed_alike_and_accepted() {
    for (url, params, signature, from) in VECTORS {
        assert_eq!(sign(url, &owned(params), &TOKEN.into(), Algorithm::HmacSha1), *signature, "{from}: {url}");
        assert_eq!(check(url, params, "", signature), Ok(()), "{from}: {url}");
    }
}

#[test]
fn order_in_the_body_does_not_matter() {
    let reversed: Vec<_> = PARAMS.iter().rev().copied().collect();
    assert_eq!(check(URL, &reversed, "", PARAMS_SIGNATURE), Ok(()));
}

/// The URL as the server knows it, and the signature of another spelling of it.
#[rustfmt::skip]
const OTHER_SPELLINGS: &[(&str, &str, &str)] = &[
    (URL, "kvajT1Ptam85bY51eRf/AJRuM3w=", "signed with :443"),
    ("https://mycompany.com:443/myapp.php?foo=1&bar=2", PARAMS_SIGNATURE, ":443 left out"),
    ("http://mycompany.com/myapp.php?foo=1&bar=2", "0ZXoZLH/DfblKGATFgpif+LLRf4=", "signed with :80"),
    ("http://mycompany.com:1234/myapp.php?foo=1&bar=2", "OyGYPqTF6ztdbRNCvuQO/oPvqQ4=", "port left out of http"),
    ("https://mycompany.com:1234/myapp.php?foo=1&bar=2", PARAMS_SIGNATURE, "python: port left out"),
    ("https://user:pass@mycompany.com/myapp.php?foo=1&bar=2", PARAMS_SIGNATURE, "user left out"),
    ("https://user:pass@mycompany.com/myapp.php?foo=1&bar=2", "ZQFR1PTIZXF2MXB8ZnKCvnnA+rI=", "node: user kept, :443"),
    ("https://user:pass@mycompany.com:1234/myapp.php?foo=1&bar=2", PARAMS_SIGNATURE, "user and port left out"),
    ("https://mycompany.com/myapp.php?foo=1&bar=2&Body=It's+amazing", "TfZzewPq8wqrGlMfyAud8+/IvJ0=", "node: quote escaped"),
    ("https://mycompany.com/myapp.php?", "1xaxFBvyzXYvWplzNOSs28HWO94=", "python: bare ? dropped"),
];

#[test]
fn other_spellings_of_the_url_are_accepted() {
    for (url, signature, name) in OTHER_SPELLINGS {
        assert_eq!(check(url, PARAMS, "", signature), Ok(()), "{name}: {url}");
    }
}

#[test]
fn bare_question_mark_that_was_signed_is_accepted() {
    let url = "https://mycompany.com/myapp.php?";
    let signature = sign(url, &owned(PARAMS), &TOKEN.into(), Algorithm::HmacSha1);
    assert_ne!(signature, "1xaxFBvyzXYvWplzNOSs28HWO94=");
    assert_eq!(check(url, PARAMS, "", &signature), Ok(()));
}

#[test]
fn signature_over_another_url_or_other_parameters_is_refused() {
    let more: Vec<_> = PARAMS.iter().copied().chain([("Extra", "")]).collect();
    for (url, params) in [
        ("https://mycompany.com/myapp.php?foo=1&bar=3", PARAMS),
        ("http://mycompany.com/myapp.php?foo=1&bar=2", PARAMS),
        ("https://mycompany.org/myapp.php?foo=1&bar=2", PARAMS),
        ("https://mycompany.com/myapp.php/?foo=1&bar=2", PARAMS),
        ("https://mycompany.com/myapp.php", PARAMS),
        (URL, &PARAMS[1..]),
        (URL, &more),
    ] {
        assert_eq!(check(url, params, "", PARAMS_SIGNATURE), Err(SignatureError::Mismatch), "{url} {params:?}");
    }
}

/// From go's tests: the signature one gets by sorting `name + value` in place of the names.
#[test]
fn parameters_sorted_by_name_and_value_together_are_refused() {
    let mut params = PARAMS.to_vec();
    params.extend([("ReasonConferenceEnded", "test"), ("Reason", "Participant")]);
    assert_eq!(check(URL, &params, "", "95+Bu0JVPi0r/SsESZCVf0dWAjw="), Err(SignatureError::Mismatch));
}

#[test]
fn what_is_no_signature_is_refused() {
    for (signature, error) in [
        ("", SignatureError::Missing),
        ("*", SignatureError::Mismatch),
        (&PARAMS_SIGNATURE[..27], SignatureError::Mismatch),
        ("RSOYDt4T1cUTdK1PDd93/VVr8A==", SignatureError::Mismatch),
        (&PARAMS_SIGNATURE.repeat(9), SignatureError::Mismatch),
    ] {
        assert_eq!(check(URL, PARAMS, "", signature), Err(error), "{signature}");
    }
}

const BODY: &str = r#"{"property": "value", "boolean": true}"#;
const BODY_SHA256: &str = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
const EMPTY_OBJECT_SHA256: &str = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

/// All seven libraries; node, go, java, ruby, csharp; node (signed with and without :443).
#[test]
fn json_body_is_covered_by_its_hash_in_the_url() {
    for (url, body, signature) in [
        (format!("{URL}&bodySHA256={BODY_SHA256}"), BODY, "a9nBmqA0ju/hNViExpshrM61xv4="),
        (format!("https://mycompany.com/myapp.php?bodySHA256={BODY_SHA256}"), BODY, "y77kIzt2vzLz71DgmJGsen2scGs="),
        (format!("{URL}&bodySHA256={EMPTY_OBJECT_SHA256}"), "{}", "Ldidvp12m26NI7eqEvxnEpkd9Hc="),
        (format!("{URL}&bodySHA256={EMPTY_OBJECT_SHA256}"), "{}", "rw/jVviOgicj2+kHZULvebnA4ag="),
    ] {
        assert_eq!(check(&url, &[], body, signature), Ok(()), "{url}");
        assert_eq!(check(&url, &[], "{ }", signature), Err(SignatureError::BodyHash), "{url}");
    }
}

const RECORDING_URL: &str = "https://hooks.example.com/twilio/recording?tenant=t1";

/// A Dial recording's callback as form text, in the order of Twilio's encryption tutorial.
fn recording_form() -> String {
    let (a, b, e) = ("a".repeat(32), "b".repeat(32), "e".repeat(32));
    format!(
        "AccountSid=AC{a}&CallSid=CA{b}&ErrorCode=0&RecordingChannels=2&RecordingDuration=13&RecordingSid=RE{e}\
         &RecordingSource=DialVerb&RecordingStartTime=Tue%2C+24+Mar+2026+18%3A15%3A40+%2B0000&RecordingStatus=completed\
         &RecordingTrack=both&RecordingUrl=https%3A%2F%2Fapi.twilio.com%2F2010-04-01%2FAccounts%2FAC{a}%2FRecordings%2FRE{e}"
    )
}

/// Made with PyPI's algorithm.
#[test]
fn posted_recording_callback_is_signed_over_its_decoded_form() {
    let params = Params::from_form(recording_form().as_bytes());
    let signature = sign(RECORDING_URL, &params.0, &TOKEN.into(), Algorithm::HmacSha1);
    assert_eq!(signature, "u5AFZiXONZUWPOluDFea2bzovpA=");
}

/// Made with PyPI's algorithm.
#[test]
fn fetched_recording_callback_is_signed_over_its_raw_query() {
    let url = format!("{RECORDING_URL}&{}", recording_form());
    assert_eq!(check(&url, &[], "", "ECit+YAI5t/uiiwLYGcTmGvPgAI="), Ok(()));
}

#[test]
fn shared_key_signs_with_the_algorithm_its_header_names() {
    let named = |algorithm: &str| format!("key={SHARED_KEY},algorithm={algorithm}");
    for (settings, signature) in [
        (named("HMAC_SHA256"), SHARED_SIGNATURE),
        (named("HMAC_SHA1"), PARAMS_SIGNATURE),
        (format!(" algorithm = hmac_sha256 , key = {SHARED_KEY}"), SHARED_SIGNATURE),
    ] {
        assert_eq!(check_as(Some(ACCOUNT), signature, Some(&settings), &keys()), Ok(()), "{settings}");
    }
    let crossed = check_as(Some(ACCOUNT), PARAMS_SIGNATURE, Some(&named("HMAC_SHA256")), &keys());
    assert_eq!(crossed, Err(SignatureError::Mismatch));
}

#[test]
fn shared_key_needs_no_account_of_ours() {
    let settings = format!("key={SHARED_KEY},algorithm=HMAC_SHA256");
    assert_eq!(check_as(Some(SUBACCOUNT), SHARED_SIGNATURE, Some(&settings), &keys()), Ok(()));
}

/// As the `get_signature_algorithm` of PyPI's 9.13.0 has it.
#[test]
fn settings_without_an_algorithm_mean_the_auth_token() {
    for settings in ["", " ", "algorithm=", "retries=3", "key=webhooks_sharedkey_2"] {
        assert_eq!(check_as(Some(ACCOUNT), PARAMS_SIGNATURE, Some(settings), &keys()), Ok(()), "{settings}");
    }
}

#[test]
fn unknown_shared_key_and_unknown_algorithm_are_refused() {
    for (settings, error) in [
        ("key=webhooks_sharedkey_2,algorithm=HMAC_SHA256", SignatureError::UnknownKey),
        ("key=webhooks_sharedkey_2,algorithm=HMAC_SHA1", SignatureError::UnknownKey),
        ("algorithm=HMAC_SHA256", SignatureError::UnknownKey),
        ("key=webhooks_sharedkey_1,algorithm=HMAC_MD5", SignatureError::UnsupportedAlgorithm),
    ] {
        assert_eq!(check_as(Some(ACCOUNT), SHARED_SIGNATURE, Some(settings), &keys()), Err(error), "{settings}");
    }
}

#[test]
fn both_tokens_of_an_account_are_accepted_while_one_is_rotated() {
    for tokens in [[TOKEN, "old"], ["new", TOKEN]] {
        let mut keys = SigningKeys::new();
        tokens.map(|token| keys.add_auth_token(account(ACCOUNT), token.into()));
        assert_eq!(check_as(Some(ACCOUNT), PARAMS_SIGNATURE, None, &keys), Ok(()), "{tokens:?}");
    }
}

#[test]
fn account_is_checked_with_its_own_token_only() {
    let mut keys = keys();
    keys.add_auth_token(account(SUBACCOUNT), "67890".into());
    assert_eq!(check_as(Some(ACCOUNT), PARAMS_SIGNATURE, None, &keys), Ok(()));
    assert_eq!(check_as(Some(SUBACCOUNT), PARAMS_SIGNATURE, None, &keys), Err(SignatureError::Mismatch));
}

#[test]
fn request_that_names_no_account_is_checked_where_there_is_but_one() {
    let mut keys = keys();
    assert_eq!(check_as(None, PARAMS_SIGNATURE, None, &keys), Ok(()));
    keys.add_auth_token(account(SUBACCOUNT), "67890".into());
    assert_eq!(check_as(None, PARAMS_SIGNATURE, None, &keys), Err(SignatureError::UnknownAccount));
}

#[test]
fn unknown_account_is_refused() {
    assert_eq!(check_as(Some(SUBACCOUNT), PARAMS_SIGNATURE, None, &keys()), Err(SignatureError::UnknownAccount));
    assert_eq!(check_as(None, PARAMS_SIGNATURE, None, &SigningKeys::new()), Err(SignatureError::UnknownAccount));
}

#[test]
fn keys_do_not_show_their_secrets() {
    let shown = format!("{:?}", keys());
    assert!(!shown.contains(TOKEN) && !shown.contains(SHARED_KEY), "{shown}");
}
