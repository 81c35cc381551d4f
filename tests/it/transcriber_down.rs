//! A transcriber that is down for everybody, and not for one recording.

use simulator::Faults;

use crate::engines::on_each_engine;
use crate::fleet::{Fleet, call, until};
use crate::whole::assert_whole;

const CALLS: usize = 16;

async fn jobs_of_a_transcriber_that_is_down_wait_in_the_queue_until_it_is_back(mut fleet: Fleet) {
    fleet.set("WORKER_CONCURRENCY", "2");
    fleet.twilio.set_faults(Faults { transcriber_error_every: Some(1), ..Faults::default() });
    let _serving = fleet.serve(true).await;
    for index in 0..CALLS as u64 {
        fleet.place(call(index)).await;
    }
    fleet.settled(CALLS, &["archived"]).await;
    until("it is found out", async || fleet.logged(&["the transcriber is down"])).await;
    let asked = fleet.twilio.counters().requests_to("deepgram");
    assert!(asked < CALLS as u64, "asked {asked} times: not each job is tried");
    fleet.twilio.set_faults(Faults::default());
    fleet.settled(CALLS, &["transcribed"]).await;
    assert!(fleet.logged(&["the transcriber is back"]));
    fleet.idle().await;
    assert_whole(&fleet);
}

on_each_engine!(jobs_of_a_transcriber_that_is_down_wait_in_the_queue_until_it_is_back);

#[tokio::test(flavor = "multi_thread")]
async fn transcriber_that_cannot_be_reached_at_all_is_found_out_by_the_first_recording() {
    let mut fleet = Fleet::new().await;
    fleet.set("DEEPGRAM_API_URL", "http://127.0.0.1:1");
    let _serving = fleet.serve(true).await;
    fleet.place(call(0)).await;
    until("its first failure costs no attempt", async || fleet.logged(&["outcome=\"away\""])).await;
    assert!(!fleet.logged(&["stage=transcribe", "outcome=\"retry\""]));
}
