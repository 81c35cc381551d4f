//! Messages on their way to SQS and back. A message is never changed: what changes goes into a copy that takes its place.

use std::time::Duration;

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::attributes::Attributes;
use crate::message::{DeadLetter, Delivery, Receipt};

/// Longest delay that SQS keeps by itself.
const DELAY_KEPT_MOST: Duration = Duration::from_secs(15 * 60);
/// A thousand years: a later end is no date that others could read.
const DELAY_MOST: Duration = Duration::from_secs(1000 * 365 * 24 * 3600);
/// Of a dead letter that no receiver parked: the queue's own redrive policy did.
const PARKED_BY_SQS: &str = "received again and again without an end: parked by the queue's redrive policy";

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) body: String,
    pub(super) attributes: Attributes,
    pub(super) delay_secs: i32,
}

/// A message that was received.
#[derive(Debug, Clone)]
pub(super) struct Incoming {
    pub(super) id: String,
    pub(super) handle: String,
    body: String,
    attributes: Attributes,
    /// How often this copy was received, now included.
    receives: u32,
    /// When SQS's answer was here.
    pub(super) received: Instant,
}

impl Outgoing {
    /// `attributes` and a body, to be handed out no earlier than `delay` after `now`.
    pub(super) fn delayed(body: String, mut attributes: Attributes, delay: Duration, now: DateTime<Utc>) -> Outgoing {
        let delay = delay.min(DELAY_MOST);
        let is_long = delay > DELAY_KEPT_MOST;
        attributes.not_before = is_long.then(|| now + delay);
        // Rounded up: never early.
        let secs = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        let secs = secs.min(DELAY_KEPT_MOST.as_secs());
        Outgoing { body, attributes, delay_secs: i32::try_from(secs).unwrap_or(i32::MAX) }
    }

    /// What takes the place of `delivery`, which came with `attributes`, for its next attempt.
    pub(super) fn retried(
        delivery: &Delivery,
        mut attributes: Attributes,
        delay: Duration,
        charge: bool,
        now: DateTime<Utc>,
    ) -> Outgoing {
        attributes.attempts = delivery.attempt.saturating_sub(u32::from(!charge));
        Outgoing::delayed(body(delivery), attributes, delay, now)
    }

    /// What takes the place of `delivery` among the dead letters.
    pub(super) fn parked(
        delivery: &Delivery,
        mut attributes: Attributes,
        reason: String,
        now: DateTime<Utc>,
    ) -> Outgoing {
        attributes.attempts = delivery.attempt;
        attributes.reason = Some(reason);
        attributes.died_at = Some(now);
        Outgoing::delayed(body(delivery), attributes, Duration::ZERO, now)
    }
}

impl Incoming {
    /// `None` where SQS left out what makes a message.
    pub(super) fn read(message: Message, received: Instant) -> Option<Incoming> {
        let counted = |name| message.attributes.as_ref()?.get(&name)?.parse::<i64>().ok();
        let sent = counted(MessageSystemAttributeName::SentTimestamp).and_then(DateTime::from_timestamp_millis);
        let receives = counted(MessageSystemAttributeName::ApproximateReceiveCount);
        let receives = receives.and_then(|count| u32::try_from(count).ok()).unwrap_or(1);
        let written = message.message_attributes.unwrap_or_default();
        let attributes = Attributes::read(&written, sent.unwrap_or_default());
        let body = message.body.unwrap_or_default();
        Some(Incoming {
            id: message.message_id?,
            handle: message.receipt_handle?,
            body,
            attributes,
            receives,
            received,
        })
    }

    /// Which charged hand-over this is.
    pub(super) fn attempt(&self) -> u32 {
        self.attributes.attempts.saturating_add(self.receives)
    }

    pub(super) fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// Whether its delay is not over at `now`.
    pub(super) fn is_early(&self, now: DateTime<Utc>) -> bool {
        self.attributes.not_before.is_some_and(|due| now < due)
    }

    /// The copy that waits for the rest of the delay. That it was received early is no attempt.
    pub(super) fn postponed(&self, now: DateTime<Utc>) -> Outgoing {
        let due = self.attributes.not_before.unwrap_or(now);
        let left = (due - now).to_std().unwrap_or_default();
        Outgoing::delayed(self.body.clone(), self.attributes.clone(), left, now)
    }

    pub(super) fn into_delivery(self, is_dead: bool) -> Delivery {
        Delivery {
            attempt: self.attempt(),
            published_at: self.attributes.published_at,
            reason: is_dead.then(|| reason(&self.attributes)),
            trace_parent: self.attributes.trace_parent.clone(),
            body: Bytes::from(self.body),
            receipt: Receipt { id: 0, token: self.handle },
        }
    }

    /// What a look shows: looks count as receives, and are no attempts.
    pub(super) fn into_dead_letter(self) -> DeadLetter {
        let is_parked_by_us = self.attributes.died_at.is_some();
        DeadLetter {
            reason: reason(&self.attributes),
            attempt: if is_parked_by_us { self.attributes.attempts } else { self.attempt() },
            published_at: self.attributes.published_at,
            died_at: self.attributes.died_at.unwrap_or(self.attributes.published_at),
            body: Bytes::from(self.body),
        }
    }
}

fn reason(attributes: &Attributes) -> String {
    let parked_by_sqs = if attributes.died_at.is_none() { PARKED_BY_SQS } else { "" };
    attributes.reason.clone().unwrap_or_else(|| parked_by_sqs.to_owned())
}

fn body(delivery: &Delivery) -> String {
    String::from_utf8_lossy(&delivery.body).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    const MINUTE: Duration = Duration::from_secs(60);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn clock() -> Clock {
        Clock::manual("2026-01-01T00:00:00Z".parse().unwrap())
    }

    fn outgoing(delay: Duration, clock: &Clock) -> Outgoing {
        let attributes = Attributes { published_at: clock.now(), ..Attributes::default() };
        Outgoing::delayed("{}".to_owned(), attributes, delay, clock.now())
    }

    /// What SQS makes of a message that it hands over for the `receives`-th time.
    fn received(sent: &Outgoing, receives: u32) -> Incoming {
        let count = MessageSystemAttributeName::ApproximateReceiveCount;
        let message = Message::builder().message_id("id").receipt_handle("handle").body(&sent.body);
        let message = message.set_message_attributes(Some(sent.attributes.write()));
        Incoming::read(message.attributes(count, receives.to_string()).build(), Instant::now()).unwrap()
    }

    fn retried(incoming: Incoming, charge: bool) -> Incoming {
        let attributes = incoming.attributes().clone();
        let delivery = incoming.into_delivery(false);
        received(&Outgoing::retried(&delivery, attributes, Duration::ZERO, charge, clock().now()), 1)
    }

    #[test]
    fn delay_is_whole_seconds_and_never_less_than_asked() {
        for (asked_ms, delay_secs, is_longer) in [
            (0, 0, false),
            (1, 1, false),
            (1000, 1, false),
            (899_001, 900, false),
            (900_000, 900, false),
            (900_001, 900, true),
        ] {
            let sent = outgoing(Duration::from_millis(asked_ms), &clock());
            assert_eq!((sent.delay_secs, sent.attributes.not_before.is_some()), (delay_secs, is_longer), "{asked_ms}");
        }
    }

    #[test]
    fn delay_of_days_is_waited_for_in_steps_that_sqs_takes() {
        let clock = clock();
        let (begun, delay) = (clock.now(), 3 * DAY + 7 * MINUTE);
        let mut sent = outgoing(delay, &clock);
        let mut steps = 1;
        loop {
            clock.advance(Duration::from_secs(sent.delay_secs.unsigned_abs().into()));
            let incoming = received(&sent, 1);
            if !incoming.is_early(clock.now()) {
                assert_eq!(incoming.attempt(), 1);
                break;
            }
            assert!(clock.now() < begun + delay);
            sent = incoming.postponed(clock.now());
            steps += 1;
        }
        assert_eq!((clock.now() - begun, steps), (chrono::TimeDelta::from_std(delay).unwrap(), 3 * 24 * 4 + 1));
    }

    #[test]
    fn delay_without_an_end_is_still_a_date() {
        let sent = outgoing(Duration::MAX, &clock());
        assert!(received(&sent, 1).is_early("2900-01-01T00:00:00Z".parse().unwrap()));
    }

    #[test]
    fn only_charged_attempts_go_into_the_next_copy() {
        let first = received(&outgoing(Duration::ZERO, &clock()), 3);
        assert_eq!(first.attempt(), 3, "two receivers died with it");
        let uncharged = retried(first, false);
        assert_eq!(uncharged.attempt(), 3);
        assert_eq!(retried(uncharged, true).attempt(), 4);
    }

    #[test]
    fn looks_at_a_dead_letter_are_no_attempts() {
        let delivery = received(&outgoing(Duration::ZERO, &clock()), 4).into_delivery(false);
        let sent = Outgoing::parked(&delivery, Attributes::default(), "why".to_owned(), clock().now());
        assert_eq!(received(&sent, 9).into_dead_letter().attempt, 4);
    }

    #[test]
    fn dead_letter_that_sqs_parked_says_so() {
        let moved = received(&outgoing(Duration::ZERO, &clock()), 1001);
        assert_eq!(moved.clone().into_delivery(true).reason.as_deref(), Some(PARKED_BY_SQS));
        assert_eq!(moved.into_dead_letter().reason, PARKED_BY_SQS);
    }
}
