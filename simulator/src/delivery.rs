//! How Twilio delivers callbacks: in which order, how often, and what is counted.

use futures::future::join_all;
use tokio::time::{Instant, sleep};

use crate::account::Recording;
use crate::callback::{Origin, SignedCallback, form};
use crate::retry::RetryPolicy;
use crate::state::{State, locked};
use crate::{CallPlan, CallbackOutcome};

/// Sends all the callbacks of a plan: the forged first, then in order or out of it, duplicates at the same time.
pub(crate) async fn send_planned(state: &State, recording: &Recording, plan: &CallPlan) -> Vec<CallbackOutcome> {
    let planned = &plan.callbacks;
    // Elastic SIP Trunking sends no recordingStatusCallback at all.
    if planned.none || recording.source == "Trunking" {
        return Vec::new();
    }
    let mut outcomes = Vec::new();
    if planned.forged {
        for origin in [Origin::WrongToken, Origin::Tampered] {
            outcomes.push(Sending::once(recording, &recording.status, origin).send(state).await);
        }
    }
    let last = Sending::retried(state, recording, &recording.status);
    let first = Sending::retried(state, recording, "in-progress");
    if planned.also_in_progress && !planned.out_of_order {
        outcomes.push(first.send(state).await);
    }
    outcomes.extend(join_all((0..=planned.duplicates).map(|_| last.send(state))).await);
    if planned.out_of_order {
        outcomes.push(first.send(state).await);
    }
    outcomes
}

/// One genuine callback, sent once.
pub(crate) async fn send_once(state: &State, recording: &Recording, status: &str) -> CallbackOutcome {
    Sending::once(recording, status, Origin::Twilio).send(state).await
}

/// What is to be sent.
struct Sending<'a> {
    recording: &'a Recording,
    status: &'a str,
    origin: Origin,
    policy: RetryPolicy,
}

impl<'a> Sending<'a> {
    fn once(recording: &'a Recording, status: &'a str, origin: Origin) -> Self {
        Self { recording, status, origin, policy: RetryPolicy::once() }
    }

    /// A genuine one, with the retries that the callback URL's fragment asks for.
    fn retried(state: &State, recording: &'a Recording, status: &'a str) -> Self {
        let callback = locked(&state.callback);
        let fragment = callback.as_ref().and_then(|callback| callback.public_url.fragment());
        Self { recording, status, origin: Origin::Twilio, policy: RetryPolicy::of(fragment) }
    }

    async fn send(&self, state: &State) -> CallbackOutcome {
        let begun = Instant::now();
        let is_forged = self.origin != Origin::Twilio;
        let mut outcome = CallbackOutcome { is_forged, ..CallbackOutcome::unsent(self.status) };
        let Some(callback) = locked(&state.callback).clone() else {
            return outcome;
        };
        let form = form(self.recording, self.status);
        let request = SignedCallback::new(state, &callback, &self.recording.account_sid, form, self.origin);
        let deadline = begun + self.policy.total;
        while let Some(pause) = self.policy.pause_before(outcome.attempts) {
            if Instant::now() + pause >= deadline {
                break;
            }
            sleep(pause).await;
            outcome.attempts += 1;
            count_sent(state, &outcome);
            let attempt = request.attempt(state, &self.policy, deadline).await;
            outcome.status = attempt.status();
            if !self.policy.retries(attempt) {
                break;
            }
        }
        outcome.elapsed = begun.elapsed();
        count_outcome(state, &outcome);
        outcome
    }
}

fn count_sent(state: &State, outcome: &CallbackOutcome) {
    state.tally.count(|counters| {
        if outcome.is_forged {
            counters.callbacks_forged += 1;
        } else {
            counters.callbacks_sent += 1;
            counters.callbacks_retried += u64::from(outcome.attempts > 1);
        }
    });
}

fn count_outcome(state: &State, outcome: &CallbackOutcome) {
    let is_refused = (400..500).contains(&outcome.status);
    state.tally.count(|counters| {
        if outcome.is_forged {
            counters.callbacks_refused += u64::from(is_refused);
        } else if outcome.is_accepted() {
            counters.callbacks_accepted += 1;
        } else {
            counters.callbacks_lost += 1;
        }
    });
}
