//! What Twilio does on a bad day: each fault ends with every recording archived byte for byte and transcribed.

use simulator::{CallPlan, CallbackPlan, Counters, Faults, MediaPlan};

use crate::engines::on_each_engine;
use crate::fleet::{Fleet, call, until};
use crate::whole::assert_whole;

const CALLS: u64 = 4;

/// Calls under these faults, which end once the simulator's counters tell that they struck; then everything has to come
/// right.
async fn survived(mut fleet: Fleet, faults: Faults, has_struck: impl Fn(&Counters) -> bool) -> Fleet {
    fleet.set("TWILIO_TIMEOUT_SECS", "5");
    let _serving = fleet.serve(true).await;
    fleet.twilio.set_faults(faults);
    for index in 0..CALLS {
        fleet.place(call(index)).await;
    }
    until("the faults struck", async || has_struck(&fleet.twilio.counters())).await;
    fleet.twilio.set_faults(Faults::default());
    fleet.settled(CALLS as usize, &["transcribed"]).await;
    fleet.idle().await;
    assert_whole(&fleet);
    fleet
}

/// Each of these answers (endpoint and status) was given.
fn answered(answers: &[&str]) -> impl Fn(&Counters) -> bool {
    |counters| answers.iter().all(|answer| counters.responses.keys().any(|given| given.starts_with(answer)))
}

/// That the archive of each recording was done at the first attempt.
fn assert_uncharged(fleet: &Fleet) {
    for truth in fleet.twilio.recordings() {
        assert_eq!(attempt(fleet, "archive", truth.recording_sid.as_str()), "1");
    }
}

/// The attempt at which a stage was done with a recording, as the log says it.
fn attempt(fleet: &Fleet, stage: &str, sid: &str) -> String {
    let log = fleet.log();
    let is_it = |line: &&str| line.contains(&format!("stage={stage} recording.sid=\"{sid}\"")) && line.contains("done");
    let line = log.lines().find(is_it).unwrap();
    line.split_once("delivery.attempt=").unwrap().1.split(' ').next().unwrap().to_owned()
}

async fn media_that_is_404_at_first_is_archived_when_it_is_there(fleet: Fleet) {
    survived(fleet, Faults { media_404_first: 2, ..Faults::default() }, answered(&["media 404"])).await;
}

async fn throttling_costs_no_attempt(fleet: Fleet) {
    let faults = Faults { throttle_every: Some(1), ..Faults::default() };
    assert_uncharged(&survived(fleet, faults, answered(&["media 429"])).await);
}

async fn throttling_that_says_for_how_long_costs_no_attempt(fleet: Fleet) {
    let faults = Faults { throttle_every: Some(1), retry_after_secs: Some(1), ..Faults::default() };
    assert_uncharged(&survived(fleet, faults, answered(&["media 429"])).await);
}

async fn server_errors_are_survived(fleet: Fleet) {
    survived(fleet, Faults { server_error_every: Some(1), ..Faults::default() }, answered(&["media 5"])).await;
}

async fn transfer_that_is_cut_goes_on_where_it_was(fleet: Fleet) {
    assert_uncharged(
        &survived(fleet, Faults { cut_body_every: Some(2), ..Faults::default() }, answered(&["media 206"])).await,
    );
}

async fn transfer_that_is_cut_starts_over_where_ranges_are_ignored(fleet: Fleet) {
    let faults = Faults { cut_body_every: Some(2), ignore_range: true, ..Faults::default() };
    let was_started_over =
        |counters: &Counters| counters.responses.get("media 200").is_some_and(|times| *times > CALLS);
    assert_uncharged(&survived(fleet, faults, was_started_over).await);
}

async fn transfer_that_stalls_is_taken_up_again(fleet: Fleet) {
    assert_uncharged(
        &survived(fleet, Faults { stall_body_every: Some(2), ..Faults::default() }, answered(&["media 206"])).await,
    );
}

async fn length_that_was_promised_and_not_kept_is_survived(fleet: Fleet) {
    survived(fleet, Faults { wrong_length_every: Some(1), ..Faults::default() }, answered(&["media 416"])).await;
}

async fn error_page_with_status_200_is_never_stored(fleet: Fleet) {
    let _serving = fleet.serve(true).await;
    fleet.twilio.set_faults(Faults { xml_error_as_200_every: Some(1), ..Faults::default() });
    fleet.place(call(0)).await;
    // Labelled as XML and as audio.
    until("both forms came", async || fleet.twilio.counters().requests_to("media") >= 2).await;
    until("both were judged", async || fleet.log().matches("an XML or HTML page").count() >= 2).await;
    assert!(fleet.objects().is_empty(), "{:?}", fleet.objects());
    fleet.twilio.set_faults(Faults::default());
    fleet.settled(1, &["transcribed"]).await;
    assert_whole(&fleet);
}

async fn transcriber_errors_are_survived(fleet: Fleet) {
    let faults = Faults { transcriber_error_every: Some(2), transcriber_throttle_every: Some(3), ..Faults::default() };
    survived(fleet, faults, answered(&["deepgram 500", "deepgram 429"])).await;
}

async fn callbacks_doubled_and_out_of_order_make_one_object_and_one_transcript(fleet: Fleet) {
    let _serving = fleet.serve(true).await;
    let callbacks = CallbackPlan { duplicates: 5, out_of_order: true, ..CallbackPlan::default() };
    for index in 0..CALLS {
        fleet.place(CallPlan { callbacks: callbacks.clone(), ..call(index) }).await;
    }
    fleet.settled(CALLS as usize, &["transcribed"]).await;
    fleet.idle().await;
    assert_whole(&fleet);
    let counters = fleet.twilio.counters();
    assert_eq!(counters.callbacks_accepted, CALLS * 7);
    assert_eq!(counters.requests_to("media"), CALLS);
    assert!(counters.transcriptions.values().all(|times| *times == 1), "{:?}", counters.transcriptions);
}

async fn forged_callback_is_refused_and_leaves_no_job_and_no_row(fleet: Fleet) {
    let _ingest = fleet.start(&["ingest"]);
    fleet.ready().await;
    let callbacks = CallbackPlan { forged: true, ..CallbackPlan::default() };
    let placed = fleet.twilio.place_call(CallPlan { callbacks, ..call(0) }).await;
    let answers: Vec<_> = placed.callbacks.iter().map(|callback| (callback.is_forged, callback.status)).collect();
    assert_eq!(answers, [(true, 403), (true, 403), (false, 200)]);
    assert_eq!(fleet.queued("ready"), 1, "the genuine one's");
    assert!(fleet.json(&["recordings", "list"]).is_empty());
}

async fn recording_that_is_still_processed_waits_uncharged_until_its_media_is_there(fleet: Fleet) {
    let _serving = fleet.serve(true).await;
    let sid = fleet.twilio.add_recording(call(0)).recording_sid;
    fleet.twilio.set_status(&sid, "processing");
    fleet.twilio.send_callback(&sid, "completed").await;
    until("it was asked for three times", async || fleet.twilio.counters().requests_to("media") >= 3).await;
    fleet.twilio.set_status(&sid, "completed");
    fleet.settled(1, &["transcribed"]).await;
    assert_eq!(attempt(&fleet, "archive", sid.as_str()), "1");
    assert_whole(&fleet);
}

async fn recording_twilio_takes_back_after_its_callback_is_failed_with_what_twilio_says_now(fleet: Fleet) {
    let _serving = fleet.serve(true).await;
    for (index, status) in [(0, "absent"), (1, "failed"), (2, "deleted")] {
        let sid = fleet.twilio.add_recording(call(index)).recording_sid;
        fleet.twilio.set_status(&sid, status);
        fleet.twilio.send_callback(&sid, "completed").await;
        fleet.settled(index as usize + 1, &["failed"]).await;
        let reason = fleet.show(sid.as_str())["error"].to_string();
        assert!(reason.contains(status), "{status}: {reason}");
    }
    assert!(fleet.objects().is_empty());
}

async fn recording_whose_last_callback_was_lost_ends_as_twilio_says_when_asked(mut fleet: Fleet) {
    fleet.set("RECONCILE_STUCK_AFTER_SECS", "1");
    let _serving = fleet.serve(true).await;
    for (index, media) in [(0, MediaPlan::Absent { code: 16102 }), (1, MediaPlan::Failed { code: 16104 })] {
        let sid = fleet.twilio.add_recording(CallPlan { media, ..call(index) }).recording_sid;
        fleet.twilio.send_callback(&sid, "in-progress").await;
    }
    fleet.settled(2, &["absent", "failed"]).await;
    assert_eq!(fleet.json(&["recordings", "list", "--status", "absent"]).len(), 1);
    assert!(fleet.objects().is_empty());
}

on_each_engine!(
    media_that_is_404_at_first_is_archived_when_it_is_there,
    throttling_costs_no_attempt,
    throttling_that_says_for_how_long_costs_no_attempt,
    server_errors_are_survived,
    transfer_that_is_cut_goes_on_where_it_was,
    transfer_that_is_cut_starts_over_where_ranges_are_ignored,
    transfer_that_stalls_is_taken_up_again,
    length_that_was_promised_and_not_kept_is_survived,
    error_page_with_status_200_is_never_stored,
    transcriber_errors_are_survived,
    callbacks_doubled_and_out_of_order_make_one_object_and_one_transcript,
    forged_callback_is_refused_and_leaves_no_job_and_no_row,
    recording_that_is_still_processed_waits_uncharged_until_its_media_is_there,
    recording_twilio_takes_back_after_its_callback_is_failed_with_what_twilio_says_now,
    recording_whose_last_callback_was_lost_ends_as_twilio_says_when_asked,
);
