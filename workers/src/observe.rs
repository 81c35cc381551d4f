//! What is seen of a delivery: its span, one log line, one count.

use catalog::RecordingRow;
use queue::{Delivery, Job, Settlement, Stage};
use tracing::Span;
use tracing::field::Empty;

use crate::fault::{Fault, Handled};

/// The span of a delivery, in the trace in which it was published. Its log lines and traces bear its fields; the stage
/// adds the call once it knows it.
pub(crate) fn delivery_span(stage: Stage, job: Option<&Job>, delivery: &Delivery) -> Span {
    let span = tracing::info_span!(
        "job",
        otel.name = stage.as_str(),
        %stage,
        recording.sid = job.map(|job| job.recording_sid().as_str()),
        call.sid = Empty,
        delivery.attempt = delivery.attempt
    );
    if let Some(parent) = &delivery.trace_parent {
        parent.adopt(&span);
    }
    span
}

/// Writes the call into the current delivery's span.
pub(crate) fn name_call(row: &RecordingRow) {
    if let Some(call_sid) = &row.call_sid {
        Span::current().record("call.sid", call_sid.as_str());
    }
}

/// One line and one count for each delivery.
pub(crate) fn report(stage: Stage, handled: &Handled, settlement: &Settlement) {
    let outcome = match (handled, settlement) {
        (Ok(_), _) => "done",
        (_, Settlement::DeadLetter { .. }) => "dead_letter",
        (Err(Fault::Busy | Fault::NotYet { .. } | Fault::HandedBack), _) => "not_yet",
        (Err(Fault::Throttled { .. }), _) => "throttled",
        (Err(Fault::Away(_)), _) => "away",
        (Err(Fault::Unauthorized(_)), _) => "unauthorized",
        (Err(_), _) => "retry",
    };
    metrics::counter!("callvault_jobs_total", "stage" => stage.as_str(), "outcome" => outcome).increment(1);
    match handled {
        Ok(what) => tracing::info!(outcome, what, "job"),
        Err(fault @ (Fault::Busy | Fault::NotYet { .. })) => tracing::debug!(outcome, why = %fault, "job"),
        Err(fault) if matches!(settlement, Settlement::DeadLetter { .. }) => {
            tracing::error!(outcome, why = %fault, "job");
        }
        Err(fault) => tracing::warn!(outcome, why = %fault, "job"),
    }
}

/// The same of work that outlasted its delivery: nothing is settled by it any more.
pub(crate) fn report_undelivered(stage: Stage, handled: &Handled) {
    report(stage, handled, &Settlement::Ack);
}
