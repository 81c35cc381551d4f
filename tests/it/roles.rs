//! The parts of the fleet as processes of their own, over the same files.

use simulator::Faults;

use crate::engines::on_each_engine;
use crate::fleet::{Fleet, Running, call, until};
use crate::whole::assert_whole;

const CALLS: u64 = 12;

async fn ingest_and_a_worker_for_each_stage_share_queue_and_catalog(fleet: Fleet) {
    let _parts = ["archive", "transcribe"].map(|stage| fleet.start(&["worker", "--stages", stage]));
    let _ingest = fleet.start(&["ingest"]);
    fleet.ready().await;
    for index in 0..CALLS {
        fleet.place(call(index)).await;
    }
    fleet.settled(CALLS as usize, &["transcribed"]).await;
    fleet.idle().await;
    assert_whole(&fleet);
}

#[tokio::test(flavor = "multi_thread")]
async fn role_asks_for_what_it_needs_and_for_no_more() {
    let mut fleet = Fleet::new().await;
    let key = "SKcccccccccccccccccccccccccccccccc";
    fleet.twilio.add_api_key(key, "a secret".into());
    for (name, value) in [
        ("TWILIO_API_KEY_SID", key),
        ("TWILIO_API_KEY_SECRET", "a secret"),
        ("TWILIO_AUTH_TOKEN", ""),
        ("DEEPGRAM_API_KEY", ""),
    ] {
        fleet.set(name, value);
    }
    assert!(fleet.refused(2, &["ingest"]).await.contains("TWILIO_AUTH_TOKEN: is required"));
    assert!(fleet.refused(2, &["worker"]).await.contains("DEEPGRAM_API_KEY: is required"));
    let _worker = fleet.start(&["worker", "--stages", "archive,purge"]);
    fleet.twilio.add_recording(call(0));
    assert_eq!(fleet.json(&["reconcile"])[0]["published"], 1);
    fleet.settled(1, &["archived"]).await;
    until("it waits for a transcriber", async || fleet.queued("ready") == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stage_that_is_not_configured_here_is_left_to_a_worker_where_it_is() {
    let mut fleet = Fleet::new().await;
    let _archiving = fleet.start(&["worker", "--stages", "archive"]);
    fleet.set("TRANSCRIPTION_PROVIDER", "none");
    let _without = fleet.start(&["worker", "--stages", "transcribe"]);
    fleet.twilio.add_recording(call(0));
    fleet.json(&["reconcile"]);
    until("it waits for a transcriber", async || fleet.queued("ready") == 1).await;
    fleet.set("TRANSCRIPTION_PROVIDER", "deepgram");
    let _with = fleet.start(&["worker", "--stages", "transcribe"]);
    fleet.settled(1, &["transcribed"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_once_over_nothing_share_one_key() {
    let fleet = Fleet::new().await;
    let parts = [(); 4].map(|()| fleet.start(&["worker"]));
    until("all of them work", async || fleet.log().matches(" working ").count() == parts.len()).await;
    assert_eq!(fleet.log().matches("made the vault's key").count(), 1);
    assert_eq!(parts.map(Running::stop), [Some(0); 4]);
}

async fn two_workers_of_all_stages_do_nothing_twice(fleet: Fleet) {
    let _workers = [(); 2].map(|()| fleet.start(&["worker"]));
    let _ingest = fleet.start(&["ingest"]);
    fleet.ready().await;
    for index in 0..CALLS {
        fleet.place(call(index)).await;
    }
    fleet.settled(CALLS as usize, &["transcribed"]).await;
    fleet.idle().await;
    assert_whole(&fleet);
    let counters = fleet.twilio.counters();
    assert_eq!((counters.requests_to("media"), counters.requests_to("deepgram")), (CALLS, CALLS));
}

async fn worker_that_holds_only_recipients_archives_what_it_cannot_read(mut fleet: Fleet) {
    let identity = fleet.path("offline/identity.txt").display().to_string();
    let made = fleet.json(&["keys", "generate", "--output", &identity]).remove(0);
    fleet.set("ENCRYPTION_RECIPIENTS", made["recipient"].as_str().unwrap());
    let _parts = (fleet.start(&["worker", "--stages", "archive"]), fleet.start(&["ingest"]));
    fleet.ready().await;
    let sid = fleet.place(call(0)).await;
    fleet.settled(1, &["archived"]).await;
    let said = fleet.refused(1, &["recordings", "audio", &sid]).await;
    assert!(said.contains("ENCRYPTION_IDENTITY_FILE"), "{said}");
    assert!(!fleet.log().contains("made the vault's key"), "no key of its own is made");

    fleet.set("ENCRYPTION_IDENTITY_FILE", identity);
    let _reader = fleet.start(&["worker", "--stages", "transcribe"]);
    fleet.settled(1, &["transcribed"]).await;
    assert_whole(&fleet);
}

async fn sigterm_lets_work_under_way_finish(fleet: Fleet) {
    fleet.twilio.set_faults(Faults { transcriber_delay_ms: 1500, ..Faults::default() });
    let parts = [fleet.start(&["worker"]), fleet.start(&["ingest"])];
    fleet.ready().await;
    fleet.place(call(0)).await;
    until("it is being transcribed", async || fleet.twilio.counters().requests_to("deepgram") == 1).await;
    for part in parts {
        assert_eq!(part.stop(), Some(0));
    }
    fleet.settled(1, &["transcribed"]).await;
    assert_whole(&fleet);
}

async fn sigterm_hands_back_what_does_not_finish_in_time_and_charges_nothing(mut fleet: Fleet) {
    fleet.set("WORKER_DRAIN_SECS", "0");
    fleet.twilio.set_faults(Faults { transcriber_delay_ms: 600_000, ..Faults::default() });
    let serving = fleet.serve_by_callbacks().await;
    fleet.place(call(0)).await;
    until("it is being transcribed", async || fleet.twilio.counters().requests_to("deepgram") == 1).await;
    assert_eq!(serving.stop(), Some(0));
    assert_eq!((fleet.queued("in_flight"), fleet.queued("ready")), (0, 1));
    fleet.twilio.set_faults(Faults::default());
    let _serving = fleet.serve(true).await;
    fleet.settled(1, &["transcribed"]).await;
    assert_whole(&fleet);
    assert!(!fleet.logged(&["stage=transcribe", "delivery.attempt=2"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn probe_tells_a_role_that_is_ready_from_one_that_does_not_answer() {
    let fleet = Fleet::new().await;
    let probe = ["probe", &fleet.ingest_url("/readyz")];
    assert_eq!(fleet.run(&probe).status.code(), Some(1));
    let _ingest = fleet.start(&["ingest"]);
    fleet.ready().await;
    assert_eq!(fleet.run(&probe).status.code(), Some(0));
}

on_each_engine!(
    ingest_and_a_worker_for_each_stage_share_queue_and_catalog,
    two_workers_of_all_stages_do_nothing_twice,
    worker_that_holds_only_recipients_archives_what_it_cannot_read,
    sigterm_lets_work_under_way_finish,
    sigterm_hands_back_what_does_not_finish_in_time_and_charges_nothing,
);
