//! What all runs came to, as a page a person can read; docs/reliability.md holds one.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::run::Report;

pub(crate) struct Summary<'a>(pub(crate) &'a [Report]);

impl Summary<'_> {
    fn sum(&self, of: impl Fn(&Report) -> u64) -> u64 {
        self.0.iter().map(of).sum()
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
        for planned in self.0.iter().flat_map(|run| &run.schedule.faults) {
            *kinds.entry(planned.fault.kind()).or_default() += 1;
        }
        let exceptions = self.sum(|run| run.exceptions.len() as u64);
        let longest = |of: fn(&Report) -> Duration| self.0.iter().map(of).max().unwrap_or_default().as_secs();
        let seeds = match (self.0.first(), self.0.last()) {
            (Some(first), Some(last)) => format!("{} to {}", first.seed, last.seed),
            _ => "none".to_owned(),
        };
        writeln!(f, "| | |\n|---|---|")?;
        for (what, count) in [
            ("schedules", self.0.len().to_string()),
            ("seeds", seeds),
            (
                "of them without reconcile until after the storm",
                self.sum(|run| u64::from(run.schedule.reconciles_late)).to_string(),
            ),
            ("calls", self.sum(|run| run.calls).to_string()),
            ("callbacks that ingest answered 200", self.sum(|run| run.callbacks).to_string()),
            ("callbacks that Twilio gave up", self.sum(|run| run.callbacks_lost).to_string()),
            ("forged callbacks", self.sum(|run| run.forged).to_string()),
            ("faults", kinds.values().sum::<u64>().to_string()),
            (
                "dead letters, each with its reason, all redriven",
                self.sum(|run| run.dead_letters.len() as u64).to_string(),
            ),
            ("longest way back to rest", format!("{} s", longest(|run| run.healed_after))),
            ("longest run", format!("{} s", longest(|run| run.took))),
            ("exceptions: lost, doubled, unexplained", exceptions.to_string()),
        ] {
            writeln!(f, "| {what} | {count} |")?;
        }
        writeln!(f, "\n| fault | times |\n|---|---|")?;
        for (kind, times) in kinds {
            writeln!(f, "| {kind} | {times} |")?;
        }
        Ok(())
    }
}
