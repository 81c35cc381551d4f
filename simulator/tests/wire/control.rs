//! The simulator's own routes, counters and end.

use callvault_simulator::{Counters, Faults, Simulator, clips};
use reqwest::Client;
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, PUBLIC_URL, Receiver, add, call, get, start, synthetic};

async fn post(simulator: &Simulator, route: &str, body: Value) -> reqwest::Response {
    let url = format!("{}simulator/{route}", simulator.url());
    Client::new().post(url).json(&body).send().await.unwrap()
}

async fn read(simulator: &Simulator, route: &str) -> Value {
    let url = format!("{}simulator/{route}", simulator.url());
    Client::new().get(url).send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn call_placed_over_http_is_the_same_as_in_process() {
    let (simulator, in_process) = (start().await, start().await);
    let receiver = Receiver::start(|_, _| 200).await;
    let callback = json!({ "public_url": PUBLIC_URL, "target": receiver.address });
    assert_eq!(post(&simulator, "callback", callback).await.status(), 204);

    let request = json!({ "index": 4, "started_at": "2026-03-24T18:19:40Z", "callbacks": { "duplicates": 1 } });
    let planned: Value = post(&simulator, "calls", request).await.json().await.unwrap();
    assert_eq!(planned["recording_sid"], add(&in_process, call(4)).as_str());
    assert_eq!(planned["callbacks"].as_array().unwrap().len(), 2);
    assert_eq!(receiver.received().len(), 2);
    assert_eq!(simulator.recordings(), in_process.recordings());
}

#[tokio::test]
async fn call_request_can_choose_media_and_source() {
    let simulator = start().await;
    let request = json!({ "index": 0, "media": { "synthetic": { "bytes": 5000 } }, "source": "Trunking" });
    assert_eq!(post(&simulator, "calls", request).await.status(), 200);
    let recordings = read(&simulator, "recordings").await;
    assert_eq!((&recordings[0]["bytes"], &recordings[0]["source"]), (&5000.into(), &"Trunking".into()));
    assert_eq!(post(&simulator, "calls", json!({ "index": 0, "source": "Teapot" })).await.status(), 400);
    assert_eq!(post(&simulator, "calls", json!({ "index": 0, "sauce": "DialVerb" })).await.status(), 422);
}

#[tokio::test]
async fn old_account_is_filled_at_once_and_told_to_nobody() {
    let simulator = start().await;
    let past = json!({ "count": 1200, "days": 10, "media": { "synthetic": { "bytes": 1044 } } });
    assert_eq!(post(&simulator, "recordings", past).await.status(), 204);
    let first_day = (simulator.now() - chrono::TimeDelta::days(10)).date_naive();
    let query = format!("Recordings.json?PageSize=1000&DateCreated%3E={first_day}");
    let page: Value = get(&simulator, &query).send().await.unwrap().json().await.unwrap();
    assert_eq!((page["recordings"].as_array().unwrap().len(), page["next_page_uri"].is_string()), (1000, true));
    assert_eq!((simulator.recordings().len(), simulator.counters().callbacks_sent), (1200, 0));
}

#[tokio::test]
async fn subaccount_has_recordings_and_a_token_of_its_own() {
    let simulator = start().await;
    let sid: twilio::AccountSid = format!("AC{}", "b".repeat(32)).parse().unwrap();
    simulator.add_subaccount(sid.clone(), "its own".to_owned().into());
    let own = simulator.add_recording_of(&sid, call(0)).recording_sid;
    add(&simulator, call(1));
    let list = |account: &str, token: &str| {
        let url = format!("{}2010-04-01/Accounts/{sid}/Recordings.json", simulator.url());
        Client::new().get(url).basic_auth(account, Some(token)).send()
    };
    assert_eq!(list(ACCOUNT, crate::harness::TOKEN).await.unwrap().status(), 401);
    let page: Value = list(sid.as_str(), "its own").await.unwrap().json().await.unwrap();
    assert_eq!(
        (page["recordings"].as_array().unwrap().len(), &page["recordings"][0]["sid"]),
        (1, &json!(own.as_str()))
    );
    assert_eq!(get(&simulator, &format!("Recordings/{own}.json")).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn faults_are_set_over_http() {
    let simulator = start().await;
    let faults = json!({ "throttle_every": 1 });
    assert_eq!(post(&simulator, "faults", faults).await.status(), 204);
    assert_eq!(get(&simulator, "Recordings.json").send().await.unwrap().status(), 429);
    let in_force: Faults = serde_json::from_value(read(&simulator, "faults").await).unwrap();
    assert_eq!(in_force, Faults { throttle_every: Some(1), ..Faults::default() });
    assert_eq!(post(&simulator, "faults", json!({ "throtle_every": 1 })).await.status(), 422);
}

#[tokio::test]
async fn counters_count_each_endpoint_and_can_be_reset() {
    let simulator = start().await;
    let sid = add(&simulator, call(0));
    for resource in ["Recordings.json".to_owned(), format!("Recordings/{sid}.json"), format!("Recordings/{sid}.wav")] {
        get(&simulator, &resource).send().await.unwrap().bytes().await.unwrap();
    }
    let counters: Counters = serde_json::from_value(read(&simulator, "counters").await).unwrap();
    assert_eq!(counters, simulator.counters());
    let requests: Vec<_> = counters.requests.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!(requests, [("list", 1), ("media", 1), ("recording", 1)]);
    assert_eq!(counters.responses["media 200"], 1);
    assert_eq!(counters.media_bytes, clips()[0].wav.len() as u64);
    assert!((1..=3).contains(&counters.requests_per_second_max));
    simulator.reset_counters();
    assert_eq!(simulator.counters(), Counters::default());
}

#[tokio::test]
async fn healthz_answers() {
    let simulator = start().await;
    let url = format!("{}healthz", simulator.url());
    assert_eq!(Client::new().get(url).send().await.unwrap().text().await.unwrap(), "ok");
}

#[tokio::test]
async fn stop_frees_the_port_even_with_a_download_open() {
    let simulator = start().await;
    let sid = add(&simulator, synthetic(0, 500_000_000));
    let mut open = get(&simulator, &format!("Recordings/{sid}.wav")).send().await.unwrap();
    open.chunk().await.unwrap();
    let address = simulator.url().socket_addrs(|| None).unwrap()[0];
    simulator.stop().await;
    drop(tokio::net::TcpListener::bind(address).await.unwrap());
    while let Ok(chunk) = open.chunk().await {
        assert!(chunk.is_some(), "the body should break off");
    }
}

#[tokio::test]
async fn dropping_the_last_handle_stops_it() {
    let simulator = start().await;
    let url = simulator.url().join("healthz").unwrap();
    let clone = simulator.clone();
    drop(simulator);
    assert!(Client::new().get(url.clone()).send().await.is_ok());
    drop(clone);
    while Client::new().get(url.clone()).send().await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn debug_output_holds_no_token() {
    let simulator = start().await;
    let debug = format!("{simulator:?}");
    assert!(!debug.contains(crate::harness::TOKEN) && !debug.contains(ACCOUNT), "{debug}");
}
