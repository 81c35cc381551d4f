//! What `serve` takes when there is nothing to do.

use std::path::Path;
use std::time::Duration;

use crate::fleet::Fleet;
use crate::report::Report;

const RESIDENT_MIB: f64 = 40.0;
/// Both sweeps, and the gauges a few times.
const LASTS: Duration = Duration::from_secs(25);

/// A `serve` with all its stages on a new folder, left alone.
pub(crate) async fn measure(folder: &Path, report: &mut Report) -> anyhow::Result<()> {
    report.section(&format!("callvault serve: idle for {} s on a new folder", LASTS.as_secs()));
    let mut fleet = Fleet::start(folder, "serve", &[]).await?;
    let before = fleet.cpu_secs()?;
    tokio::time::sleep(LASTS).await;
    fleet.check_alive()?;
    let (resident, cpu) = (fleet.resident_mib()?, fleet.cpu_secs()? - before);
    report.target("most resident memory, MiB", "< 40", &format!("{:.1}", resident.peak), resident.peak < RESIDENT_MIB);
    report.note("resident memory at the end, MiB", &format!("{:.1}", resident.now));
    report.note("processor time, ms a second", &format!("{:.1}", cpu * 1000.0 / LASTS.as_secs_f64()));
    Ok(())
}
