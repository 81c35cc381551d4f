//! An owner's system that takes deliveries, with the official `standardwebhooks` library as the judge.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command};

use serde_json::Value;

use crate::fleet::{Fleet, until};

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A receiver on a port of its own; it ends when this is dropped.
pub(crate) struct Receiver {
    child: Child,
    printed: PathBuf,
}

impl Receiver {
    /// Answers with these statuses in turn; the last one repeats. The fleet's processes deliver to it from here on.
    pub(crate) async fn start(fleet: &mut Fleet, statuses: &[&str]) -> Receiver {
        let python = concat!(env!("CARGO_MANIFEST_DIR"), "/target/test-tools/venv/bin/python");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/receiver.py");
        let printed = fleet.path("receiver.jsonl");
        let mut command = Command::new(python);
        command.args([script, SECRET]).args(statuses).stdout(File::create(&printed).unwrap());
        let receiver = Receiver { child: command.spawn().unwrap(), printed };
        until("the receiver listens", async || !receiver.lines().is_empty()).await;
        fleet.set("DELIVERY_WEBHOOK_URL", format!("http://127.0.0.1:{}/hook", receiver.port()));
        fleet.set("DELIVERY_WEBHOOK_SECRET", SECRET);
        fleet.set("DELIVERY_WEBHOOK_ALLOW_PRIVATE", "true");
        receiver
    }

    pub(crate) fn port(&self) -> String {
        self.lines().remove(0)
    }

    /// What was posted: `path`, `id`, and `body` as the library returned it; null, with `refused`, where it did not.
    pub(crate) fn posts(&self) -> Vec<Value> {
        self.lines().iter().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.printed).unwrap();
        text.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(|line| line.trim().to_owned()).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
