//! The command on SQS: with the rights that its documentation grants, and with less.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use chrono::Utc;
use serde_json::Value;
use simulator::CallPlan;

use crate::fleet::{Fleet, until};

const MESSAGE_RIGHTS: [&str; 4] = ["SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility"];

/// A policy that lacks a right.
fn without(policy: &str, right: &str) -> Value {
    let mut policy: Value = serde_json::from_str(policy).unwrap();
    policy["Statement"][0]["Action"].as_array_mut().unwrap().retain(|action| *action != format!("sqs:{right}"));
    policy
}

/// A server that checks signatures and rights; ended when dropped.
struct StrictSqs {
    process: Child,
    made: Value,
}

impl StrictSqs {
    /// With a user for each policy of `docs/engines/sqs.md`, in its order, one without rights, and one without each of a
    /// worker's rights on messages: `without-SendMessage`.
    fn start() -> StrictSqs {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let page = std::fs::read_to_string(root.join("docs/engines/sqs.md")).unwrap();
        let policies = page.split("```json").skip(1).map(|rest| rest.split("```").next().unwrap());
        let users = ["ingest", "worker", "migrate"].into_iter().zip(policies.clone());
        let users: Vec<String> = users.map(|(name, policy)| format!("{name}={policy}")).collect();
        assert_eq!(users.len(), 3);
        let worker = policies.clone().nth(1).unwrap();
        let lesser = MESSAGE_RIGHTS.map(|right| format!("without-{right}={}", without(worker, right)));
        let mut process = Command::new(root.join("target/test-tools/venv/bin/python"))
            .arg(root.join("tests/official/strict_sqs.py"))
            .args(users)
            .args(lesser)
            .arg("nobody=")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto is installed by scripts/install-test-tools: run make test");
        let mut made = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut made).unwrap();
        StrictSqs { process, made: serde_json::from_str(&made).unwrap() }
    }

    /// Sends what is no job.
    fn poison(&mut self, queue: &str) {
        writeln!(self.process.stdin.as_mut().unwrap(), "{queue}").unwrap();
    }

    /// What makes `fleet` a user's: the latest setting of a name counts.
    fn sign_in(&self, fleet: &mut Fleet, user: &str) {
        let key = &self.made["users"][user];
        fleet.settings.extend([
            ("QUEUE_URL", "sqs://calls?region=eu-west-1".to_owned()),
            ("AWS_ENDPOINT_URL", self.made["url"].as_str().unwrap().to_owned()),
            ("AWS_ACCESS_KEY_ID", key["id"].as_str().unwrap().to_owned()),
            ("AWS_SECRET_ACCESS_KEY", key["secret"].as_str().unwrap().to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]);
    }
}

impl Drop for StrictSqs {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "a recent call, as seen by processes with the system's clock")]
async fn documented_rights_are_enough_for_each_role() {
    let (mut sqs, mut fleet) = (StrictSqs::start(), Fleet::new().await);
    sqs.sign_in(&mut fleet, "migrate");
    assert_eq!(fleet.json(&["migrate", "--queues"])[0]["queues_made"].as_array().unwrap().len(), 11);
    assert!(fleet.json(&["migrate", "--queues"])[0]["queues_made"].as_array().unwrap().is_empty());
    sqs.sign_in(&mut fleet, "ingest");
    let _ingest = fleet.start(&["ingest"]);
    let status = fleet.json(&["queue", "status"]);
    assert_eq!(status.len(), 4);
    sqs.sign_in(&mut fleet, "worker");
    let _worker = fleet.start(&["worker"]);
    fleet.ready().await;
    fleet.twilio.place_call(CallPlan::nth(0, Utc::now())).await;
    fleet.settled(1, &["transcribed"]).await;
    sqs.poison("calls-purge");
    until("the poison is a dead letter", async || fleet.json(&["queue", "dead"]).len() == 1).await;
    assert_eq!(fleet.json(&["queue", "dead"])[0]["stage"], "purge", "a look moves nothing");
}

/// What `callvault check` finds of the queue.
pub(crate) fn finding(fleet: &Fleet) -> (bool, String) {
    let output = fleet.run(&["check", "--json"]);
    let lines = String::from_utf8(output.stdout).unwrap();
    let findings = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let queue = findings.into_iter().find(|finding| finding["what"] == "queue").unwrap();
    (queue["ok"].as_bool().unwrap(), queue["detail"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_apart_what_is_wrong_with_the_queue() {
    let (sqs, mut fleet) = (StrictSqs::start(), Fleet::new().await);
    // Nobody: refused at once.
    fleet.settings.push(("PUBLIC_BASE_URL", "http://127.0.0.1:1".to_owned()));
    sqs.sign_in(&mut fleet, "worker");
    assert_finding(&fleet, "migrate --queues");
    sqs.sign_in(&mut fleet, "migrate");
    fleet.json(&["migrate", "--queues"]);
    sqs.sign_in(&mut fleet, "worker");
    let (is_ok, detail) = finding(&fleet);
    assert!(is_ok, "{detail}");
    for right in MESSAGE_RIGHTS {
        sqs.sign_in(&mut fleet, &format!("without-{right}"));
        assert_finding(&fleet, "rights are missing");
    }
    sqs.sign_in(&mut fleet, "nobody");
    assert_finding(&fleet, "rights are missing");
    fleet.settings.push(("AWS_SECRET_ACCESS_KEY", "not-the-secret".to_owned()));
    assert_finding(&fleet, "AWS_SECRET_ACCESS_KEY and this machine's clock");
    fleet.settings.push(("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE".to_owned()));
    assert_finding(&fleet, "does not know the credentials");
    fleet.settings.push(("AWS_ENDPOINT_URL", "http://127.0.0.1:1".to_owned()));
    assert_finding(&fleet, "cannot be reached");
    fleet.settings.push(("QUEUE_URL", "sqs://calls".to_owned()));
    assert_finding(&fleet, "no region");
    fleet.settings.push(("QUEUE_URL", "sqs://calls?region=eu-west-1".to_owned()));
    fleet.settings.retain(|(name, _)| *name != "AWS_ACCESS_KEY_ID");
    assert_finding(&fleet, "no AWS credentials");
}

pub(crate) fn assert_finding(fleet: &Fleet, expected: &str) {
    let (is_ok, detail) = finding(fleet);
    assert!(!is_ok && detail.contains(expected) && !detail.contains("not-the-secret"), "{expected}: {detail}");
}
