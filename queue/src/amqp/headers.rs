//! A message as it travels: the job is the body, what we know of it stands in headers.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use uuid::Uuid;

use super::delays;
use crate::message::{DeadLetter, Delivery, Lane, Receipt};

const ATTEMPT: &str = "attempt";
const PUBLISHED_AT: &str = "published_at";
const NOT_BEFORE: &str = "not_before";
const WAIT: &str = "wait_ms";
const TRACE_PARENT: &str = "traceparent";
const REASON: &str = "reason";
const DIED_AT: &str = "died_at";
/// The broker's own.
const REDELIVERIES: &str = "x-delivery-count";
/// The reason of a dead letter that none of us wrote one on.
const PARKED_BY_BROKER: &str = "parked by the broker: delivered too often without coming to an end";

/// AMQP's word for what outlives a restart.
const PERSISTENT: u8 = 2;
/// All headers travel in one frame; longer ones would end the connection.
const REASON_BYTES_MOST: usize = 2048;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message {
    pub(super) body: Bytes,
    /// Attempts that were charged so far.
    pub(super) attempt: u32,
    pub(super) published_at_ms: i64,
    /// Not to be received before; 0 where it was due at once.
    pub(super) not_before_ms: i64,
    /// How long it waits at most from when it is sent; nothing where nobody said so.
    pub(super) wait_ms: Option<i64>,
    pub(super) trace_parent: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) died_at_ms: Option<i64>,
}

impl Message {
    /// A first attempt, due now.
    pub(super) fn new(body: Bytes, now_ms: i64) -> Message {
        Message {
            body,
            attempt: 0,
            published_at_ms: now_ms,
            not_before_ms: 0,
            wait_ms: None,
            trace_parent: None,
            reason: None,
            died_at_ms: None,
        }
    }

    /// The message of a delivery, that attempt counted.
    pub(super) fn again(delivery: Delivery) -> Message {
        Message {
            attempt: delivery.attempt,
            trace_parent: delivery.trace_parent.map(|parent| parent.to_string()),
            reason: delivery.reason,
            ..Message::new(delivery.body, delivery.published_at.timestamp_millis())
        }
    }

    /// What to send, under an id of its own.
    pub(super) fn properties(&self, id: Uuid) -> BasicProperties {
        let mut headers = FieldTable::default();
        headers.insert(ATTEMPT.into(), AMQPValue::LongLongInt(self.attempt.into()));
        headers.insert(PUBLISHED_AT.into(), AMQPValue::LongLongInt(self.published_at_ms));
        headers.insert(NOT_BEFORE.into(), AMQPValue::LongLongInt(self.not_before_ms));
        if let Some(wait_ms) = self.wait_ms {
            headers.insert(WAIT.into(), AMQPValue::LongLongInt(wait_ms));
        }
        if let Some(died_at_ms) = self.died_at_ms {
            headers.insert(DIED_AT.into(), AMQPValue::LongLongInt(died_at_ms));
        }
        let reason = self.reason.as_deref().map(|reason| &reason[..reason.floor_char_boundary(REASON_BYTES_MOST)]);
        for (name, text) in [(TRACE_PARENT, self.trace_parent.as_deref()), (REASON, reason)] {
            if let Some(text) = text {
                headers.insert(name.into(), AMQPValue::LongString(text.into()));
            }
        }
        BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_content_type("application/json".into())
            .with_message_id(id.to_string().into())
            .with_headers(headers)
    }

    /// Reads what came, from us or from whoever else published: what is not said is taken for a first attempt of now.
    pub(super) fn read(lane: Lane, body: Vec<u8>, properties: &BasicProperties, now_ms: i64) -> Message {
        let none = FieldTable::default();
        let headers = properties.headers().as_ref().unwrap_or(&none);
        // Hand-overs that the broker saw come to nothing. To be looked at is no attempt for a dead letter.
        let redeliveries = if lane.is_dead() { 0 } else { integer(headers, REDELIVERIES).unwrap_or(0) };
        let attempt = integer(headers, ATTEMPT).unwrap_or(0).saturating_add(redeliveries);
        let not_before_ms = integer(headers, NOT_BEFORE).unwrap_or(0);
        let wait_ms = integer(headers, WAIT).map(|wait_ms| left_ms(lane, wait_ms));
        Message {
            body: body.into(),
            attempt: u32::try_from(attempt).unwrap_or(0),
            published_at_ms: integer(headers, PUBLISHED_AT).unwrap_or(now_ms),
            // The sender's clock may be ahead of ours: what it has waited for already counts, whatever the time.
            not_before_ms: wait_ms.map_or(not_before_ms, |left_ms| not_before_ms.min(now_ms.saturating_add(left_ms))),
            wait_ms,
            trace_parent: text(headers, TRACE_PARENT),
            reason: text(headers, REASON).or_else(|| lane.is_dead().then(|| PARKED_BY_BROKER.to_owned())),
            died_at_ms: integer(headers, DIED_AT).or_else(|| death_secs(headers).map(|secs| secs.saturating_mul(1000))),
        }
    }

    /// To be sent now, to where it waits for what is left. What was meant to wait a second waits no longer, even where
    /// our clock was put back since.
    pub(super) fn sent(self, now_ms: i64) -> Message {
        let left_ms = i64::try_from(self.remaining(now_ms).as_millis()).unwrap_or(i64::MAX);
        Message { wait_ms: Some(self.wait_ms.map_or(left_ms, |wait_ms| wait_ms.min(left_ms))), ..self }
    }

    /// How long it waits once it is sent.
    pub(super) fn wait(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.wait_ms.unwrap_or(0)).unwrap_or(0))
    }

    /// How long until it may be received.
    pub(super) fn remaining(&self, now_ms: i64) -> Duration {
        Duration::from_millis(u64::try_from(self.not_before_ms.saturating_sub(now_ms)).unwrap_or(0))
    }

    pub(super) fn into_delivery(self, receipt: Receipt) -> Delivery {
        Delivery {
            body: self.body,
            attempt: self.attempt.saturating_add(1),
            published_at: time(self.published_at_ms),
            reason: self.reason,
            trace_parent: self.trace_parent.and_then(|text| text.parse().ok()),
            receipt,
        }
    }

    pub(super) fn into_dead_letter(self) -> DeadLetter {
        DeadLetter {
            body: self.body,
            reason: self.reason.unwrap_or_default(),
            attempt: self.attempt,
            published_at: time(self.published_at_ms),
            died_at: time(self.died_at_ms.unwrap_or(self.published_at_ms)),
        }
    }
}

/// What is left of a wait after the stay that was the first part of it.
fn left_ms(lane: Lane, wait_ms: i64) -> i64 {
    let wait = Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0));
    let stay_ms = delays::tier(lane.kind, wait).map_or(0, |tier| i64::from(tier.ttl_ms));
    wait_ms.saturating_sub(stay_ms).max(0)
}

fn time(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}

/// When the broker last moved it from one queue to another.
fn death_secs(headers: &FieldTable) -> Option<i64> {
    let AMQPValue::FieldArray(deaths) = headers.inner().get("x-death")? else { return None };
    let AMQPValue::FieldTable(last) = deaths.as_slice().first()? else { return None };
    match last.inner().get("time")? {
        AMQPValue::Timestamp(secs) => i64::try_from(*secs).ok(),
        _ => None,
    }
}

fn integer(headers: &FieldTable, name: &str) -> Option<i64> {
    match headers.inner().get(name)? {
        AMQPValue::ShortShortInt(value) => Some((*value).into()),
        AMQPValue::ShortShortUInt(value) => Some((*value).into()),
        AMQPValue::ShortInt(value) => Some((*value).into()),
        AMQPValue::ShortUInt(value) => Some((*value).into()),
        AMQPValue::LongInt(value) => Some((*value).into()),
        AMQPValue::LongUInt(value) => Some((*value).into()),
        AMQPValue::LongLongInt(value) => Some(*value),
        _ => None,
    }
}

fn text(headers: &FieldTable, name: &str) -> Option<String> {
    match headers.inner().get(name)? {
        AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Stage;

    const LIVE: Lane = Lane::live(Stage::Archive);
    const DEAD: Lane = Lane::dead(Stage::Archive);

    fn message() -> Message {
        Message {
            body: Bytes::from_static(b"{}"),
            attempt: 3,
            published_at_ms: 1_700_000_000_123,
            not_before_ms: 1_700_000_600_000,
            wait_ms: None,
            trace_parent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
            reason: Some("no such model: “é”".to_owned()),
            died_at_ms: Some(1_700_000_700_000),
        }
    }

    #[test]
    fn message_is_read_as_it_was_sent() {
        let sent = message();
        assert_eq!(Message::read(LIVE, b"{}".to_vec(), &sent.properties(Uuid::nil()), 0), sent);
    }

    #[test]
    fn wait_is_no_longer_for_a_sender_whose_clock_is_ahead() {
        let (hour_ms, now_ms) = (3_600_000, 1_700_000_000_000);
        let ahead = Message { not_before_ms: now_ms + hour_ms + 5_000, ..message() }.sent(now_ms + hour_ms);
        let read = Message::read(LIVE, Vec::new(), &ahead.properties(Uuid::nil()), now_ms + 4_000);
        assert_eq!(read.remaining(now_ms + 4_000), Duration::from_secs(1));
    }

    #[test]
    fn wait_is_no_longer_for_a_clock_that_is_put_back_before_it_is_sent() {
        let (hour_ms, now_ms) = (3_600_000, 1_700_000_000_000);
        let ahead = Message { not_before_ms: now_ms + hour_ms + 5_000, ..message() }.sent(now_ms + hour_ms);
        let sent = ahead.sent(now_ms + 1_000);
        assert_eq!(sent.wait(), Duration::from_secs(5));
        let after_four = Message::read(LIVE, Vec::new(), &sent.properties(Uuid::nil()), now_ms + 5_000);
        assert_eq!(after_four.remaining(now_ms + 5_000), Duration::from_secs(1));
    }

    #[test]
    fn broker_counts_the_hand_overs_that_came_to_nothing() {
        let properties = message().properties(Uuid::nil());
        let mut headers = properties.headers().clone().unwrap();
        headers.insert("x-delivery-count".into(), AMQPValue::LongLongInt(2));
        let properties = properties.with_headers(headers);
        assert_eq!(Message::read(LIVE, Vec::new(), &properties, 0).attempt, 5);
        assert_eq!(Message::read(DEAD, Vec::new(), &properties, 0).attempt, 3);
    }

    #[test]
    fn message_without_headers_is_a_first_attempt_of_now() {
        let read = Message::read(LIVE, b"x".to_vec(), &BasicProperties::default(), 77);
        assert_eq!((read.attempt, read.published_at_ms, read.remaining(77)), (0, 77, Duration::ZERO));
        assert_eq!((read.reason, read.trace_parent), (None, None));
    }

    #[test]
    fn reason_of_any_length_fits_a_frame() {
        let long = Message { reason: Some("é".repeat(9_000)), ..message() };
        let read = Message::read(LIVE, Vec::new(), &long.properties(Uuid::nil()), 0);
        assert_eq!(read.reason.unwrap(), "é".repeat(1024));
    }
}
