//! What every part measures with, and where it tells.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::engines::Engines;
use crate::side::{Programs, Side};
use crate::table::Section;

/// callvault beside what people would use instead.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Only these parts, separated by commas; default: all.
    #[arg(long, value_name = "PARTS", value_delimiter = ',')]
    pub(crate) only: Vec<Part>,
    /// Runs of each side, in turn.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) pairs: u64,
    /// How long each load on ingest lasts.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub(crate) seconds: u64,
    /// A tenth of the recordings: to see that it works.
    #[arg(long)]
    pub(crate) few: bool,
    /// The callvault to measure; default: the one that was built along.
    #[arg(long, value_name = "PATH", default_value = env!("CARGO_BIN_EXE_callvault"))]
    pub(crate) program: PathBuf,
    /// Where the tables go besides the standard output.
    #[arg(long, value_name = "PATH")]
    pub(crate) table: Option<PathBuf>,
    /// Where the plot goes; default: docs/performance.svg, and nowhere with --only.
    #[arg(long, value_name = "PATH")]
    pub(crate) plot: Option<PathBuf>,
    /// Said by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What is measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Callbacks.
    Ingest,
    /// Recordings of 1 MB.
    Archive,
    /// Recordings of 200 MB.
    Large,
    /// Recordings of 64 KB.
    Small,
    /// Memory, whatever is in flight and however long it is.
    Flat,
    /// From a callback to its object, nothing else going on.
    Latency,
    /// Start, and memory when idle.
    Start,
    /// age and SHA-256 alone.
    Limits,
    /// Retention over ever more recordings.
    Sweeps,
    /// Deletions a second.
    Purges,
}

impl Options {
    pub(crate) fn is_wanted(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    pub(crate) fn lasts(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// So many, or a tenth.
    pub(crate) fn count(&self, all: u64) -> u64 {
        if self.few { all.div_ceil(10) } else { all }
    }

    pub(crate) fn plot(&self) -> Option<PathBuf> {
        let whole = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/performance.svg");
        self.plot.clone().or_else(|| self.only.is_empty().then(|| whole.into()))
    }
}

pub(crate) struct Bench {
    pub(crate) options: Options,
    pub(crate) engines: Engines,
    pub(crate) programs: Programs,
    pub(crate) sections: Vec<Section>,
    /// What goes below the tables.
    pub(crate) notes: Vec<String>,
    next_index: u64,
}

impl Bench {
    pub(crate) fn new(options: Options, engines: Engines, programs: Programs) -> Bench {
        Bench { options, engines, programs, sections: Vec::new(), notes: Vec::new(), next_index: 0 }
    }

    /// The sides of every pair; which is first changes from pair to pair.
    pub(crate) fn alternating(&self) -> Vec<Side> {
        let [callvault, baseline] = Side::BOTH;
        let pair = |pair: u64| if pair.is_multiple_of(2) { [callvault, baseline] } else { [baseline, callvault] };
        (0..self.options.pairs).flat_map(pair).collect()
    }

    /// So many indices of calls that nobody had yet; the first of them.
    pub(crate) fn indices(&mut self, count: u64) -> u64 {
        self.next_index += count;
        self.next_index - count
    }

    /// Prints what was measured, and keeps it for the plot.
    #[expect(clippy::print_stdout, reason = "the answer of this program")]
    pub(crate) fn tell(&mut self, section: Section) {
        println!("{section}");
        self.sections.push(section);
    }
}
