//! That a worker's memory is the same whatever is in flight, and however long the calls were. Callvault's alone.

use std::fmt::Write;

use crate::archive::{Load, batches, length, run};
use crate::bench::Bench;
use crate::contender::Who;
use crate::side::Side;

/// Ever more at once, and then ever longer; 460 MB are four hours of two channels.
const LOADS: [Load; 8] = [
    Load { recordings: 64, bytes: 20_000_000, concurrency: 1 },
    Load { recordings: 64, bytes: 20_000_000, concurrency: 4 },
    Load { recordings: 64, bytes: 20_000_000, concurrency: 16 },
    Load { recordings: 64, bytes: 20_000_000, concurrency: 64 },
    Load { recordings: 64, bytes: 1_000_000, concurrency: 8 },
    Load { recordings: 16, bytes: 20_000_000, concurrency: 8 },
    Load { recordings: 8, bytes: 200_000_000, concurrency: 8 },
    Load { recordings: 8, bytes: 460_000_000, concurrency: 8 },
];

#[expect(clippy::print_stdout, reason = "the answer of this program")]
pub(crate) async fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    let mut table = "### Archive: memory by what is in flight\n\n\
         | recordings | each | at once | most resident memory, MiB | MB a second | CPU seconds a GB |\n\
         |---|---|---|---|---|---|\n"
        .to_owned();
    for load in LOADS {
        // As many as are meant to be in flight there have to be.
        let recordings = bench.options.count(load.recordings).max(load.concurrency.min(load.recordings));
        let load = Load { recordings, ..load };
        let batches = batches(bench, load)?;
        let archived = run(bench, Who::Side(Side::Callvault), load, &batches).await?;
        let Load { recordings, bytes, concurrency } = load;
        writeln!(
            table,
            "| {recordings} | {} | {concurrency} | {:.1} | {:.0} | {:.2} |",
            length(bytes),
            archived.peak_mib,
            archived.mb_per_second,
            archived.cpu_per_gb
        )?;
    }
    println!("{table}");
    bench.notes.push(table);
    Ok(())
}
