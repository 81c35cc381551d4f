//! The calls on one SQS queue.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Config;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry,
};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::batch::Outcome;
use super::client::limits;
use super::fault::Fault;
use super::message::{Incoming, Outgoing};

/// One queue. It is looked up by its name when it is first needed, so that a role needs rights on its own queues only.
#[derive(Debug)]
pub(super) struct Calls {
    pub(super) client: Client,
    pub(super) name: String,
    pub(super) account: Option<String>,
    pub(super) url: OnceCell<String>,
}

impl Calls {
    /// Asks SQS, whether known or not.
    pub(super) async fn look_up(&self) -> Result<String, Fault> {
        let asked = self.client.get_queue_url().queue_name(&self.name);
        let found = asked.set_queue_owner_aws_account_id(self.account.clone()).send().await;
        let found = found.map_err(|error| Fault::of_call(&error))?;
        found.queue_url.ok_or_else(|| Fault::unavailable("SQS names no URL for it"))
    }

    async fn url(&self) -> Result<&str, Fault> {
        self.url.get_or_try_init(|| self.look_up()).await.map(String::as_str)
    }

    pub(super) async fn send(&self, messages: Vec<Outgoing>) -> Result<Vec<Outcome>, Fault> {
        let count = messages.len();
        let entries = messages.into_iter().enumerate().map(|(id, message)| {
            SendMessageBatchRequestEntry::builder()
                .id(id.to_string())
                .set_message_attributes(Some(message.attributes.write()))
                .message_body(message.body)
                .delay_seconds(message.delay_secs)
                .build()
        });
        let entries = built(entries.collect())?;
        let sent = self.client.send_message_batch().queue_url(self.url().await?).set_entries(Some(entries)).send();
        let sent = sent.await.map_err(|error| Fault::of_call(&error))?;
        Ok(outcomes(count, sent.successful.iter().map(|entry| entry.id.as_str()), &sent.failed))
    }

    pub(super) async fn delete(&self, handles: Vec<String>) -> Result<Vec<Outcome>, Fault> {
        let count = handles.len();
        let entries = handles.into_iter().enumerate().map(|(id, handle)| {
            DeleteMessageBatchRequestEntry::builder().id(id.to_string()).receipt_handle(handle).build()
        });
        let entries = built(entries.collect())?;
        let deleted = self.client.delete_message_batch().queue_url(self.url().await?).set_entries(Some(entries)).send();
        let deleted = deleted.await.map_err(|error| Fault::of_call(&error))?;
        Ok(outcomes(count, deleted.successful.iter().map(|entry| entry.id.as_str()), &deleted.failed))
    }

    /// Makes messages visible again at once.
    pub(super) async fn put_back(&self, handles: Vec<String>) -> Result<Vec<Outcome>, Fault> {
        let count = handles.len();
        let entries = handles.into_iter().enumerate().map(|(id, handle)| {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(id.to_string()).receipt_handle(handle);
            entry.visibility_timeout(0).build()
        });
        let entries = built(entries.collect())?;
        let changed = self.client.change_message_visibility_batch().queue_url(self.url().await?);
        let changed = changed.set_entries(Some(entries)).send().await.map_err(|error| Fault::of_call(&error))?;
        Ok(outcomes(count, changed.successful.iter().map(|entry| entry.id.as_str()), &changed.failed))
    }

    /// Hides a message for `visibility_secs` from now.
    pub(super) async fn hide(&self, handle: &str, visibility_secs: i32) -> Result<(), Fault> {
        let changed = self.client.change_message_visibility().queue_url(self.url().await?).receipt_handle(handle);
        let changed = changed.visibility_timeout(visibility_secs).send().await;
        changed.map(|_| ()).map_err(|error| Fault::of_call(&error))
    }

    /// Up to `max` messages, which SQS wants to be ten at most; it waits up to `wait_secs` for the first.
    pub(super) async fn receive(
        &self,
        max: usize,
        wait_secs: u32,
        visibility_secs: i32,
    ) -> Result<Vec<Incoming>, Fault> {
        let limits = limits(Duration::from_secs(wait_secs.into()));
        let received = self
            .client
            .receive_message()
            .queue_url(self.url().await?)
            .max_number_of_messages(i32::try_from(max).unwrap_or(i32::MAX))
            .wait_time_seconds(i32::try_from(wait_secs).unwrap_or(i32::MAX))
            .visibility_timeout(visibility_secs)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .customize()
            .config_override(Config::builder().timeout_config(limits))
            .send()
            .await
            .map_err(|error| Fault::of_call(&error))?;
        let now = Instant::now();
        let messages = received.messages.unwrap_or_default().into_iter();
        Ok(messages.filter_map(|message| Incoming::read(message, now)).collect())
    }

    /// Messages to be received now, later, and in flight, as far as SQS knows.
    pub(super) async fn counts(&self) -> Result<Counts, Fault> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages as Ready, ApproximateNumberOfMessagesDelayed as Delayed,
            ApproximateNumberOfMessagesNotVisible as InFlight,
        };
        let asked = self.client.get_queue_attributes().queue_url(self.url().await?);
        let asked = asked.set_attribute_names(Some(vec![Ready, Delayed, InFlight]));
        let told = asked.send().await.map_err(|error| Fault::of_call(&error))?.attributes.unwrap_or_default();
        let count = |name| told.get(&name).and_then(|count| count.parse().ok()).unwrap_or(0);
        Ok(Counts { ready: count(Ready), delayed: count(Delayed), in_flight: count(InFlight) })
    }
}

/// What is in one queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counts {
    pub(super) ready: u64,
    pub(super) delayed: u64,
    pub(super) in_flight: u64,
}

fn built<T, E>(entries: Vec<Result<T, E>>) -> Result<Vec<T>, Fault> {
    let entries: Result<_, E> = entries.into_iter().collect();
    entries.map_err(|_| Fault::unavailable("the request could not be made"))
}

/// In the entries' order. What SQS does not mention is not done.
fn outcomes<'a>(
    count: usize,
    successful: impl Iterator<Item = &'a str>,
    failed: &[BatchResultErrorEntry],
) -> Vec<Outcome> {
    let unmentioned = Outcome::Failed(Fault::unavailable("SQS did not say what became of it"));
    let mut outcomes: HashMap<&str, Outcome> = successful.map(|id| (id, Outcome::Done)).collect();
    for entry in failed {
        let fault = Fault::of_code(&entry.code, entry.message.as_deref());
        outcomes.insert(&entry.id, if entry.sender_fault { Outcome::Refused(fault) } else { Outcome::Failed(fault) });
    }
    (0..count).map(|id| outcomes.remove(id.to_string().as_str()).unwrap_or_else(|| unmentioned.clone())).collect()
}
