//! Twilio's REST API: access, list, fetch, delete.

use std::time::Duration;

use callvault_simulator::MediaPlan;
use chrono::{DateTime, TimeDelta};
use reqwest::StatusCode;
use serde_json::Value;

use crate::harness::{
    ACCOUNT, TOKEN, add, anonymous, call, call_with, delete, error, get, start, start_with_seed, started_at,
};

async fn list(simulator: &callvault_simulator::Simulator, query: &str) -> Value {
    get(simulator, &format!("Recordings.json{query}")).send().await.unwrap().json().await.unwrap()
}

fn sids(page: &Value) -> Vec<String> {
    page["recordings"].as_array().unwrap().iter().map(|one| one["sid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn request_without_or_with_wrong_credentials_gets_20003() {
    let simulator = start().await;
    assert_eq!(error(anonymous(&simulator, "Recordings.json")).await, (401, 20003));
    assert_eq!(error(anonymous(&simulator, "Recordings.json").basic_auth(ACCOUNT, Some("wrong"))).await, (401, 20003));
}

#[tokio::test]
async fn api_key_of_the_account_is_let_in() {
    let simulator = start().await;
    let with_key = || anonymous(&simulator, "Recordings.json").basic_auth("SK01", Some("secret"));
    assert_eq!(error(with_key()).await, (401, 20003));
    simulator.add_api_key("SK01", "secret".to_owned().into());
    assert_eq!(with_key().send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn other_accounts_are_refused() {
    let simulator = start().await;
    let url = format!("{}2010-04-01/Accounts/AC{}/Recordings.json", simulator.url(), "f".repeat(32));
    let request = reqwest::Client::new().get(url).basic_auth(ACCOUNT, Some(TOKEN));
    assert_eq!(error(request).await, (401, 20003));
}

#[tokio::test]
async fn pages_walk_the_list_newest_first() {
    let simulator = start().await;
    let mut expected: Vec<_> = (0..5).map(|index| add(&simulator, call(index)).to_string()).collect();
    expected.reverse();

    let first = list(&simulator, "?PageSize=2").await;
    assert_eq!(
        (&first["page"], &first["page_size"], &first["start"], &first["end"]),
        (&0.into(), &2.into(), &0.into(), &1.into())
    );
    let mut seen = sids(&first);
    let mut next = first["next_page_uri"].as_str().map(str::to_owned);
    while let Some(uri) = next {
        assert!(uri.starts_with("/2010-04-01/"), "relative: {uri}");
        let url = simulator.url().join(&uri).unwrap();
        let request = reqwest::Client::new().get(url).basic_auth(ACCOUNT, Some(TOKEN));
        let page: Value = request.send().await.unwrap().json().await.unwrap();
        seen.extend(sids(&page));
        next = page["next_page_uri"].as_str().map(str::to_owned);
    }
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn new_recording_does_not_shift_the_pages() {
    let simulator = start().await;
    let oldest = add(&simulator, call(0)).to_string();
    add(&simulator, call(1));
    let first = list(&simulator, "?PageSize=1").await;
    add(&simulator, call(2));
    let url = simulator.url().join(first["next_page_uri"].as_str().unwrap()).unwrap();
    let second: Value =
        reqwest::Client::new().get(url).basic_auth(ACCOUNT, Some(TOKEN)).send().await.unwrap().json().await.unwrap();
    assert_eq!(sids(&second), [oldest]);
}

#[tokio::test]
async fn page_over_1000_gets_20007() {
    let simulator = start().await;
    assert_eq!(error(get(&simulator, "Recordings.json?PageSize=1001")).await, (400, 20007));
    assert_eq!(get(&simulator, "Recordings.json?PageSize=1000").send().await.unwrap().status(), 200);
}

/// Twilio: "at or before midnight", "at or after midnight" of the day, in GMT.
#[tokio::test]
async fn date_filters_take_gmt_days() {
    let simulator = start().await;
    let on_day = |days: i64| {
        let mut plan = call(u64::try_from(days).unwrap());
        plan.started_at = started_at() + TimeDelta::days(days);
        add(&simulator, plan).to_string()
    };
    let (first, second, third) = (on_day(0), on_day(1), on_day(2));
    let found = async |query: &str| sids(&list(&simulator, query).await);
    assert_eq!(found("?DateCreated=2026-03-25").await, std::slice::from_ref(&second));
    assert_eq!(found("?DateCreated%3E=2026-03-25").await, [third, second.clone()]);
    assert_eq!(found("?DateCreated%3C=2026-03-26").await, [second.clone(), first.clone()]);
    assert_eq!(found("?DateCreated%3E=2026-03-25&DateCreated%3C=2026-03-26").await, [second]);
    assert_eq!(found("?DateCreated%3C=2026-03-24T18:15:40Z").await, [first]);
}

#[tokio::test]
async fn call_filter_finds_its_recordings() {
    let simulator = start().await;
    let planned = simulator.add_recording(call(0));
    add(&simulator, call(1));
    let page = list(&simulator, &format!("?CallSid={}", planned.call_sid.unwrap())).await;
    assert_eq!(sids(&page), [planned.recording_sid.to_string()]);
}

/// The fields of Twilio's published schema (twilio-oai, `api.v2010.account.recording`).
#[tokio::test]
async fn resource_has_the_published_fields() {
    let simulator = start().await;
    let sid = add(&simulator, call(0));
    let resource: Value =
        get(&simulator, &format!("Recordings/{sid}.json")).send().await.unwrap().json().await.unwrap();
    let mut fields: Vec<_> = resource.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "account_sid",
            "api_version",
            "call_sid",
            "channels",
            "conference_sid",
            "date_created",
            "date_updated",
            "duration",
            "encryption_details",
            "error_code",
            "media_url",
            "price",
            "price_unit",
            "sid",
            "source",
            "start_time",
            "status",
            "subresource_uris",
            "uri",
        ]
    );
    assert_eq!(resource["start_time"], "Tue, 24 Mar 2026 18:15:40 +0000");
    assert_eq!(resource["status"], "completed");
    assert_eq!(resource["duration"], "5");
    assert_eq!(resource["channels"], 1);
    assert!(resource["error_code"].is_null() && resource["encryption_details"].is_null());
}

#[tokio::test]
async fn absent_recording_says_why() {
    let simulator = start().await;
    let sid = add(&simulator, call_with(0, MediaPlan::Absent { code: 16101 }));
    let resource: Value =
        get(&simulator, &format!("Recordings/{sid}.json")).send().await.unwrap().json().await.unwrap();
    assert_eq!((&resource["status"], &resource["error_code"]), (&"absent".into(), &16101.into()));
}

#[tokio::test]
async fn deleted_recording_is_a_tombstone_for_40_days() {
    let simulator = start().await;
    let sid = add(&simulator, call(0));
    let resource = format!("Recordings/{sid}.json");
    let response = delete(&simulator, &sid).await;
    assert_eq!(response.status(), 204);
    assert!(response.bytes().await.unwrap().is_empty());

    assert_eq!(error(get(&simulator, &resource)).await, (404, 20404));
    let tombstone = async || get(&simulator, &format!("{resource}?IncludeSoftDeleted=true")).send().await.unwrap();
    let body: Value = tombstone().await.json().await.unwrap();
    assert_eq!(body["status"], "deleted");
    assert!(sids(&list(&simulator, "").await).is_empty());
    assert_eq!(sids(&list(&simulator, "?IncludeSoftDeleted=true").await), [sid.to_string()]);

    simulator.advance_clock(Duration::from_secs(40 * 86_400 + 60));
    assert_eq!(tombstone().await.status(), 404);
    assert_eq!(simulator.counters().deletes, 1);
}

#[tokio::test]
async fn deleting_twice_is_not_found() {
    let simulator = start().await;
    let sid = add(&simulator, call(0));
    delete(&simulator, &sid).await;
    assert_eq!(delete(&simulator, &sid).await.status(), 404);
    assert_eq!(simulator.counters().deletes, 1);
}

#[tokio::test]
async fn only_completed_recordings_can_be_deleted() {
    let simulator = start().await;
    let sid = add(&simulator, call(0));
    simulator.set_status(&sid, "processing");
    let response = delete(&simulator, &sid).await;
    assert_eq!(response.status(), 409);
    assert_eq!(response.json::<Value>().await.unwrap()["code"], 20409);
    simulator.set_status(&sid, "completed");
    assert_eq!(delete(&simulator, &sid).await.status(), 204);
}

#[tokio::test]
async fn unknown_recording_is_20404() {
    let simulator = start().await;
    assert_eq!(error(get(&simulator, &format!("Recordings/RE{}.json", "0".repeat(32)))).await, (404, 20404));
}

#[tokio::test]
async fn every_answer_names_the_request_and_the_concurrency() {
    let simulator = start().await;
    let response = get(&simulator, "Recordings.json").send().await.unwrap();
    let header = |name: &str| response.headers()[name].to_str().unwrap();
    assert_eq!(header("Twilio-Concurrent-Requests"), "1");
    assert!(header("Twilio-Request-Id").starts_with("RQ") && header("Twilio-Request-Id").len() == 34);
}

#[tokio::test]
async fn same_seed_gives_the_same_account() {
    let (one, again, other) = (start().await, start().await, start_with_seed(8).await);
    let sid = add(&one, call(3));
    assert_eq!(add(&again, call(3)), sid);
    assert_ne!(add(&other, call(3)), sid);
    let (one, again) = (one.recordings(), again.recordings());
    assert_eq!(one, again);
}

#[tokio::test]
async fn placing_an_index_again_changes_nothing() {
    let simulator = start().await;
    let sid = add(&simulator, call(0));
    delete(&simulator, &sid).await;
    assert_eq!(add(&simulator, call(0)), sid);
    assert_eq!(simulator.recordings()[0].status, "deleted");
    assert_eq!(simulator.recordings().len(), 1);
}

/// RFC 9110, 6.6.1: the time at which the message was made.
#[tokio::test]
async fn answers_carry_the_accounts_date() {
    let simulator = start().await;
    simulator.advance_clock(Duration::from_secs(3600));
    let answer = reqwest::get(format!("{}2010-04-01/Accounts.json", simulator.url())).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let date = answer.headers()["date"].to_str().unwrap();
    let date = DateTime::parse_from_rfc2822(date).unwrap().to_utc();
    assert!((simulator.now() - date).num_seconds().abs() < 5, "{date}");
}
