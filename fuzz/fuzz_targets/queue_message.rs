//! The body and the trace of a message.

#![no_main]

use libfuzzer_sys::fuzz_target;
use queue::{Job, TraceParent};

fuzz_target!(|message: &[u8]| {
    if let Ok(job) = Job::decode(message) {
        assert_eq!(Job::decode(&job.encode()).expect("our own message"), job);
        assert_eq!(job.recording_sid().as_str().len(), 34);
    }
    if let Ok(text) = std::str::from_utf8(message)
        && let Ok(trace) = text.parse::<TraceParent>()
    {
        assert_eq!(trace.to_string(), text);
    }
});
