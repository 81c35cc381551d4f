//! A callback's form, as anybody may send it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use queue::Job;
use twilio::{Params, call_progress_callback, recording_callback};

fuzz_target!(|body: &[u8]| {
    let params = Params::from_form(body);
    let _ = call_progress_callback(&params);
    let Ok(recording) = recording_callback(&params) else { return };
    let received_at = "2026-11-20T09:00:00Z".parse().expect("a time");
    let job = Job::ArchiveV1 { recording, received_at, is_backfill: false };
    // What was taken for a callback survives the queue.
    assert_eq!(Job::decode(&job.encode()).expect("our own message"), job);
});
