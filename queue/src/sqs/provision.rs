//! Makes the queues.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName as Name;
use serde_json::json;

use super::address::Address;
use super::client;
use super::fault::Fault;
use crate::error::QueueError;
use crate::message::Lane;
use crate::stage::Stage;

/// The longest that SQS keeps a message: 14 days. What waits longer is found again by `callvault reconcile`.
const RETENTION_SECS: u32 = 14 * 24 * 3600;
/// The most that SQS takes. Workers give a message up long before; this parks what no worker lives to give up.
const RECEIVES_MOST: u32 = 1000;

/// How long a queue that was just made is waited for.
const NEW_QUEUE_SECS_MOST: u32 = 10;

const NO_URL: Fault = Fault::unavailable("SQS names no URL for it");

type Attributes = HashMap<Name, String>;

/// Makes what is missing, and leaves what is there as it is, but for a redrive policy where there is none. Safe any
/// number of times. The names of the queues that were made.
pub(crate) async fn provision(rest: &str) -> Result<Vec<String>, QueueError> {
    let address = Address::parse(rest)?;
    let (client, region) = client::connect(&address).await?;
    let mut made = Vec::new();
    for stage in Stage::ALL {
        let dead = address.queue_name(Lane::dead(stage));
        let jobs: Vec<String> =
            Lane::all_of(stage).filter(|lane| !lane.is_dead()).map(|lane| address.queue_name(lane)).collect();
        let queues = Provision { client: &client, account: address.account.as_deref(), made: &mut made };
        queues.stage(&jobs, &dead).await.map_err(|(name, fault)| fault.at(&format!("{name} (SQS, {region})")))?;
    }
    Ok(made)
}

struct Provision<'a> {
    client: &'a Client,
    account: Option<&'a str>,
    made: &'a mut Vec<String>,
}

impl Provision<'_> {
    /// The dead letters' queue first: the others' redrive policies name it.
    async fn stage<'a>(mut self, jobs: &'a [String], dead: &'a str) -> Result<(), (&'a str, Fault)> {
        let dead_url = self.queue(dead).await.map_err(|fault| (dead, fault))?;
        let mut urls = Vec::new();
        for name in jobs {
            urls.push(self.queue(name).await.map_err(|fault| (name.as_str(), fault))?);
        }
        self.redrive(&urls, &dead_url).await.map_err(|fault| (dead, fault))
    }

    /// Finds a queue or makes it.
    async fn queue(&mut self, name: &str) -> Result<String, Fault> {
        let found = self.client.get_queue_url().queue_name(name);
        let found = found.set_queue_owner_aws_account_id(self.account.map(str::to_owned)).send().await;
        match found.map_err(|error| Fault::of_call(&error)) {
            Ok(found) => return found.queue_url.ok_or(NO_URL),
            Err(Fault::NoQueue) => {}
            Err(fault) => return Err(fault),
        }
        let attributes = Attributes::from([
            (Name::MessageRetentionPeriod, RETENTION_SECS.to_string()),
            (Name::SqsManagedSseEnabled, "true".to_owned()),
        ]);
        let created = self.client.create_queue().queue_name(name).set_attributes(Some(attributes)).send().await;
        let url = created.map_err(|error| Fault::of_call(&error))?.queue_url;
        self.made.push(name.to_owned());
        let url = url.ok_or(NO_URL)?;
        // https://sqs.REGION.amazonaws.com/ACCOUNT/NAME
        match self.account {
            Some(account) if !url.contains(&format!("/{account}/")) => Err(Fault::unavailable(
                "it was made in the credentials' own account, not in the one that the URL names: delete it, and use \
                 that account's credentials",
            )),
            _ => Ok(url),
        }
    }

    /// Joins them where they are not: what was received too often goes to the dead letters, and nothing else may.
    async fn redrive(&self, urls: &[String], dead_url: &str) -> Result<(), Fault> {
        let (mut arns, mut unjoined) = (Vec::new(), Vec::new());
        for url in urls {
            let attributes = self.attributes(url).await?;
            arns.push(arn(&attributes)?.to_owned());
            if !attributes.contains_key(&Name::RedrivePolicy) {
                unjoined.push(url);
            }
        }
        if unjoined.is_empty() {
            return Ok(());
        }
        let dead = self.attributes(dead_url).await?;
        let allow = json!({ "redrivePermission": "byQueue", "sourceQueueArns": arns });
        self.set(dead_url, Name::RedriveAllowPolicy, allow.to_string()).await?;
        let policy = json!({ "deadLetterTargetArn": arn(&dead)?, "maxReceiveCount": RECEIVES_MOST });
        for url in unjoined {
            self.set(url, Name::RedrivePolicy, policy.to_string()).await?;
        }
        Ok(())
    }

    /// A queue that was just made may not be there yet (CreateQueue in SQS's API Reference).
    async fn attributes(&self, url: &str) -> Result<Attributes, Fault> {
        let asked = || self.client.get_queue_attributes().queue_url(url).attribute_names(Name::All).send();
        for _ in 0..NEW_QUEUE_SECS_MOST {
            match asked().await.map_err(|error| Fault::of_call(&error)) {
                Err(Fault::NoQueue) => tokio::time::sleep(Duration::from_secs(1)).await,
                told => return told.map(|told| told.attributes.unwrap_or_default()),
            }
        }
        Err(Fault::unavailable("it was made and cannot be found: wait a minute, then try again"))
    }

    async fn set(&self, url: &str, name: Name, value: String) -> Result<(), Fault> {
        let set = self.client.set_queue_attributes().queue_url(url).attributes(name, value).send().await;
        set.map(|_| ()).map_err(|error| Fault::of_call(&error))
    }
}

fn arn(attributes: &Attributes) -> Result<&str, Fault> {
    attributes.get(&Name::QueueArn).map(String::as_str).ok_or_else(|| Fault::unavailable("SQS names no ARN for it"))
}
