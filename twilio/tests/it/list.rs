//! Recordings one by one and page by page.

use chrono::{DateTime, NaiveDate, Utc};
use futures::{StreamExt, TryStreamExt};
use serde_json::json;
use simulator::{CallPlan, Faults, MediaPlan, Simulator};
use twilio::{
    Client, ClientConfig, EncryptionDetails, Recording, RecordingSid, RecordingStatus, TwilioError, TwilioErrorKind,
};

use crate::harness::{
    ACCOUNT, AUTHORIZATION, DUAL, OTHER_ACCOUNT, account, add, add_clip, client, config, credentials, faulty,
    other_account, simulated, started_at,
};
use crate::peer::{Answer, Peer, sized};

fn page(sids: &[&str], next: Option<&str>) -> Answer {
    let rows: Vec<_> = sids.iter().map(|sid| json!({ "sid": sid, "account_sid": ACCOUNT })).collect();
    sized("200 OK", &json!({ "recordings": rows, "next_page_uri": next }).to_string())
}

fn sid(digit: char) -> String {
    format!("RE{}", digit.to_string().repeat(32))
}

/// The SIDs listed, and the error the list ended with.
async fn listed(client: &Client) -> (Vec<String>, Option<TwilioError>) {
    let mut list = client.recordings(&account(), None, None);
    let mut sids = Vec::new();
    loop {
        match list.try_next().await {
            Ok(Some(recording)) => sids.push(recording.recording_sid.to_string()),
            Ok(None) => return (sids, None),
            Err(error) => return (sids, Some(error)),
        }
    }
}

fn at(time: &str) -> DateTime<Utc> {
    time.parse().unwrap()
}

fn day(day: &str) -> Option<NaiveDate> {
    Some(day.parse().unwrap())
}

fn add_at(simulator: &Simulator, index: u64, time: &str) -> RecordingSid {
    simulator.add_recording(CallPlan::nth(index, at(time))).recording_sid
}

#[tokio::test]
async fn recording_is_read_as_twilio_tells_it() {
    let (simulator, client) = simulated().await;
    let plan = CallPlan { media: MediaPlan::Clip(DUAL), source: "DialVerb", ..CallPlan::nth(0, started_at()) };
    let planned = simulator.add_recording(plan);
    let recording = client.recording(&account(), &planned.recording_sid).await.unwrap();
    let expected = Recording {
        account_sid: account(),
        recording_sid: planned.recording_sid,
        call_sid: planned.call_sid,
        conference_sid: None,
        status: RecordingStatus::Completed,
        source: Some("DialVerb".to_owned()),
        channels: Some(2),
        duration_secs: Some(simulator::clips()[DUAL].duration_secs().round() as u32),
        started_at: Some(started_at()),
        error_code: None,
        encryption: None,
    };
    assert_eq!(recording, expected);
}

#[tokio::test]
async fn absent_recording_keeps_its_reason_and_an_encrypted_one_its_keys() {
    let (simulator, client) = simulated().await;
    let absent = add(&simulator, 0, MediaPlan::Absent { code: 16102 });
    let absent = client.recording(&account(), &absent).await.unwrap();
    assert_eq!((absent.status, absent.error_code), (RecordingStatus::Absent, Some(16102)));
    let encrypted = add(&simulator, 1, MediaPlan::Encrypted);
    let details = client.recording(&account(), &encrypted).await.unwrap().encryption.unwrap();
    assert!(details.public_key_sid.starts_with("CR") && !details.iv.is_empty() && !details.encrypted_cek.is_empty());
}

#[tokio::test]
async fn conferences_recording_names_its_conference_and_no_call() {
    let (simulator, client) = simulated().await;
    let planned = simulator.add_recording(CallPlan { is_conference: true, ..CallPlan::nth(0, started_at()) });
    let recording = client.recording(&account(), &planned.recording_sid).await.unwrap();
    assert!(recording.conference_sid.is_some());
    assert_eq!((recording.conference_sid, recording.call_sid), (planned.conference_sid, None));
}

/// Every field may be null, and numbers may be text (Twilio's OpenAPI document).
#[tokio::test]
async fn fields_may_be_null_missing_or_text() {
    let row = json!({
        "sid": sid('a'), "account_sid": ACCOUNT, "call_sid": null, "status": null, "channels": "2", "duration": "13",
        "start_time": null, "date_created": "Tue, 24 Mar 2026 18:15:40 +0000", "error_code": "0", "price": -0.0025,
    });
    let peer = Peer::saying([sized("200 OK", &row.to_string())]).await;
    let recording = client(peer.url.clone()).recording(&account(), &sid('a').parse().unwrap()).await.unwrap();
    assert_eq!((recording.channels, recording.duration_secs, recording.error_code), (Some(2), Some(13), None));
    assert_eq!((recording.started_at, recording.call_sid), (Some(started_at()), None));
}

#[tokio::test]
async fn many_pages_list_every_recording_once_newest_first() {
    let (simulator, client) = simulated().await;
    let mut expected: Vec<_> =
        (0..2_500).map(|index| add(&simulator, index, MediaPlan::Synthetic { bytes: 128 }).to_string()).collect();
    expected.reverse();
    let (sids, error) = listed(&client).await;
    assert!(error.is_none() && sids == expected, "{} recordings, {error:?}", sids.len());
    assert_eq!(simulator.counters().requests_to("list"), 3);
}

#[tokio::test]
async fn first_and_last_day_are_listed_whole() {
    let (simulator, client) = simulated().await;
    let times = ["2026-03-22T23:59:59Z", "2026-03-23T00:00:00Z", "2026-03-24T23:59:59Z", "2026-03-25T00:00:01Z"];
    let sids: Vec<_> = (0..).zip(times).map(|(index, time)| add_at(&simulator, index, time)).collect();
    let list = client.recordings(&account(), day("2026-03-23"), day("2026-03-24"));
    let listed: Vec<_> = list.map_ok(|recording| recording.recording_sid).try_collect().await.unwrap();
    assert_eq!(listed, [sids[2].clone(), sids[1].clone()]);
}

/// The names Twilio gives the filters, with `<` and `>` percent-encoded, and its largest page.
#[tokio::test]
async fn days_are_sent_as_twilio_names_them() {
    let peer = Peer::saying([page(&[], None)]).await;
    let client = client(peer.url.clone());
    let list = client.recordings(&account(), day("2026-03-23"), day("2026-12-31"));
    assert_eq!(list.count().await, 0);
    let asked = "GET /2010-04-01/Accounts/AC0123456789abcdef0123456789abcdef/Recordings.json\
                 ?PageSize=1000&DateCreated%3E=2026-03-23&DateCreated%3C=2027-01-01 HTTP/1.1";
    assert_eq!(peer.heard()[0].lines().next(), Some(asked));
}

/// A new recording pushed an older one onto the next page.
#[tokio::test]
async fn recording_on_two_pages_is_listed_once() {
    let (a, b, c) = (sid('a'), sid('b'), sid('c'));
    let peer = Peer::saying([page(&[&a, &b], Some("/2010-04-01/2")), page(&[&b, &c], None)]).await;
    let (sids, error) = listed(&client(peer.url.clone())).await;
    assert!(error.is_none());
    assert_eq!(sids, [a, b, c]);
}

/// Whose it is and which one it is must be right; nothing else may cost the page.
#[tokio::test]
async fn odd_row_is_skipped_and_the_others_are_listed() {
    let row = |sid: &str| json!({ "sid": sid, "account_sid": ACCOUNT, "status": 7, "start_time": [], "channels": {} });
    let other = json!({ "sid": sid('c'), "account_sid": "AC1" });
    let rows = json!([row(&sid('a')), row("RE1"), null, other, row(&sid('b'))]);
    let peer = Peer::saying([sized("200 OK", &json!({ "recordings": rows }).to_string())]).await;
    let (sids, error) = listed(&client(peer.url.clone())).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(sids, [sid('a'), sid('b')]);
}

#[tokio::test]
async fn odd_encryption_details_still_say_that_a_recording_is_encrypted() {
    for (details, is_encrypted) in
        [(json!({ "cek": 1 }), true), (json!("odd"), true), (json!([]), true), (json!(null), false), (json!(""), false)]
    {
        let row = json!({ "sid": sid('a'), "account_sid": ACCOUNT, "encryption_details": details });
        let peer = Peer::saying([sized("200 OK", &row.to_string())]).await;
        let recording = client(peer.url.clone()).recording(&account(), &sid('a').parse().unwrap()).await.unwrap();
        assert_eq!(recording.encryption, is_encrypted.then(EncryptionDetails::default), "{details}");
    }
}

#[tokio::test]
async fn next_page_on_another_host_is_refused() {
    let elsewhere = Peer::saying([page(&[], None)]).await;
    let port = elsewhere.url.port().unwrap();
    for next in
        [format!("http://127.0.0.1:{port}/2"), format!("//127.0.0.1:{port}/2"), format!("\\\\127.0.0.1:{port}/2")]
    {
        let peer = Peer::saying([page(&[&sid('a')], Some(&next))]).await;
        let (sids, error) = listed(&client(peer.url.clone())).await;
        assert_eq!((sids, error.unwrap().kind), (vec![sid('a')], TwilioErrorKind::Rejected), "{next}");
    }
    assert_eq!(elsewhere.heard().len(), 0);
}

#[tokio::test]
async fn pages_that_lead_in_a_circle_end_with_an_error() {
    let circle = |before, request: &str| match request.contains("Page=1") {
        _ if before > 9 => page(&[], None),
        true => page(&[&sid('b')], Some("/2010-04-01/Recordings.json?Page=0")),
        false => page(&[&sid('a')], Some("/2010-04-01/Recordings.json?Page=1")),
    };
    let peer = Peer::start(circle).await;
    let (_, error) = listed(&client(peer.url.clone())).await;
    assert_eq!(error.unwrap().kind, TwilioErrorKind::Transient);
    assert_eq!(peer.heard().len(), 3);
}

#[tokio::test]
async fn page_that_fails_ends_the_list_after_what_came_before() {
    let (simulator, client) = faulty(Faults { list_error_every: Some(2), ..Faults::default() }).await;
    for index in 0..1_001 {
        add(&simulator, index, MediaPlan::Synthetic { bytes: 128 });
    }
    let mut list = client.recordings(&account(), None, None);
    let mut came = 0;
    let error = loop {
        match list.next().await.unwrap() {
            Ok(_) => came += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((came, error.kind, error.status), (1_000, TwilioErrorKind::Transient, Some(503)));
    assert!(list.next().await.is_none());
}

#[tokio::test]
async fn answer_of_more_than_16_mib_is_rejected() {
    let peer = Peer::saying([sized("200 OK", &" ".repeat((16 << 20) + 1))]).await;
    let (_, error) = listed(&client(peer.url.clone())).await;
    assert_eq!(error.unwrap().kind, TwilioErrorKind::Rejected);
}

/// `ACff…:token` in base64, as coreutils' `base64` writes it.
#[tokio::test]
async fn each_account_is_asked_with_its_own_credentials() {
    let peer = Peer::saying([page(&[], None)]).await;
    let account_credentials = [(other_account(), credentials(OTHER_ACCOUNT, "token"))].into();
    let client = Client::new(ClientConfig { account_credentials, ..config(peer.url.clone()) }).unwrap();
    for account in [account(), other_account()] {
        assert_eq!(client.recordings(&account, None, None).count().await, 0);
    }
    let of_other = "Basic QUNmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZjp0b2tlbg==";
    assert_eq!(peer.heard_header("authorization"), [AUTHORIZATION, of_other]);
}

#[tokio::test]
async fn api_key_opens_the_account() {
    let (simulator, _) = simulated().await;
    simulator.add_api_key("SK0123456789abcdef0123456789abcdef", "secret".into());
    let credentials = credentials("SK0123456789abcdef0123456789abcdef", "secret");
    let client = Client::new(ClientConfig { credentials, ..config(simulator.url()) }).unwrap();
    add_clip(&simulator, DUAL);
    assert_eq!(listed(&client).await.0.len(), 1);
}
