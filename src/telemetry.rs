//! Logs on stderr and metrics for Prometheus.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use catalog::{Catalog, Policy};
use ingest::MetricsPage;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use queue::{Clock, Queue, Stage};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::cli::LogFormat;
use crate::settings::SettingsError;
use crate::traces::Traces;

/// Seconds; from a local answer to the patience of Twilio and the length of a transcription.
const LATENCY_BUCKETS: [f64; 14] =
    [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 3600.0];
const GAUGES_EVERY: Duration = Duration::from_secs(10);

/// Log lines go to stderr from here on, and spans to the collector at `collector` or where OpenTelemetry's variables say,
/// until what is returned is dropped. `RUST_LOG` wins over `level`.
pub(crate) fn start_logging(
    format: &LogFormat,
    level: &str,
    collector: Option<&str>,
) -> anyhow::Result<Option<Traces>> {
    let filter = filter(level, std::env::var("RUST_LOG").ok().as_deref())?;
    let traces = Traces::start(collector)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let spans = traces.as_ref().map(Traces::layer);
    tracing_subscriber::registry().with(lines.with_filter(filter)).with(spans).init();
    Ok(traces)
}

/// Libraries speak up only where they are asked to.
fn filter(level: &str, rust_log: Option<&str>) -> Result<EnvFilter, SettingsError> {
    if let Some(filter) = rust_log.filter(|filter| !filter.trim().is_empty()) {
        return EnvFilter::try_new(filter).map_err(|error| SettingsError::new("rust_log", error.to_string()));
    }
    // EnvFilter takes a word it does not know for a module, and then shows nothing of all others.
    let is_directive = |part: &str| part.contains(['=', '[']) || part.trim().parse::<LevelFilter>().is_ok();
    let parsed = EnvFilter::try_new(format!("sqlx=warn,hyper=warn,reqwest=warn,rustls=warn,{level}")).ok();
    parsed.filter(|_| level.split(',').all(is_directive)).ok_or_else(|| {
        let expected = "error, warn, info, debug, trace or a filter like info,callvault_workers=debug";
        SettingsError::new("log_level", format!("{level:?} is not {expected}"))
    })
}

/// Collects metrics from here on; the handle renders the page.
pub(crate) fn start_metrics() -> anyhow::Result<PrometheusHandle> {
    let builder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &LATENCY_BUCKETS);
    let handle = builder.context("metrics")?.install_recorder().context("metrics")?;
    describe();
    Ok(handle)
}

/// What `/metrics` shows.
pub(crate) fn page(metrics: &PrometheusHandle) -> MetricsPage {
    let metrics = metrics.clone();
    Arc::new(move || metrics.render())
}

fn describe() {
    use metrics::{describe_counter as counter, describe_gauge as gauge, describe_histogram as histogram};
    counter!("callvault_callbacks_total", "Callbacks received, by outcome.");
    histogram!("callvault_callback_duration_seconds", "From a callback's arrival to its answer.");
    counter!("callvault_jobs_total", "Deliveries worked on, by stage and outcome.");
    histogram!("callvault_job_duration_seconds", "Time a delivery was in hand, by stage.");
    gauge!("callvault_jobs_in_flight", "Deliveries in hand now, by stage.");
    gauge!("callvault_queue_depth", "Messages of new recordings ready, delayed or in flight, by stage.");
    gauge!("callvault_backfill_depth", "The same of old recordings, by stage.");
    gauge!("callvault_dead_letters", "Dead letters, by stage.");
    gauge!("callvault_spool_depth", "Callbacks that wait in the spool for the queue.");
    gauge!("callvault_spool_oldest_age_seconds", "How long the oldest of them waits.");
    counter!("callvault_spool_accepted_total", "Callbacks that went into the spool.");
    counter!("callvault_spool_drained_total", "Callbacks that went from the spool to the queue.");
    counter!("callvault_media_bytes_total", "Bytes of plain media, by direction.");
    counter!("callvault_twilio_requests_total", "Requests to Twilio, by endpoint and status (0: no answer).");
    histogram!("callvault_callback_to_archived_seconds", "From first hearing of a new recording to its archive.");
    histogram!("callvault_callback_to_transcript_seconds", "From first hearing of a new recording to its transcript.");
    gauge!("callvault_retention_overdue", "Recordings past their date and not on hold: alert when not 0.");
}

/// Keeps the metrics' internal buffers bounded where nobody scrapes, and the gauges fresh, until `shutdown`.
pub(crate) async fn watch(
    metrics: PrometheusHandle,
    queue: Arc<dyn Queue>,
    catalog: Option<(Catalog, Policy, Duration)>,
    shutdown: CancellationToken,
) {
    loop {
        metrics.run_upkeep();
        // Each by itself: while the queue is away purges stall, which the other has to show.
        let overdue = async {
            match &catalog {
                Some(watched) => refresh_overdue(watched).await,
                None => Ok(()),
            }
        };
        let (queue, overdue) = tokio::join!(refresh_queue(queue.as_ref()), overdue);
        for error in [queue.err(), overdue.err()].into_iter().flatten() {
            tracing::warn!(error = %format!("{error:#}"), "gauges not refreshed");
        }
        if tokio::time::timeout(GAUGES_EVERY, shutdown.cancelled()).await.is_ok() {
            return;
        }
    }
}

async fn refresh_queue(queue: &dyn Queue) -> anyhow::Result<()> {
    for stage in Stage::ALL {
        let depth = queue.depth(stage).await?;
        let waiting = depth.ready + depth.delayed + depth.in_flight;
        metrics::gauge!("callvault_queue_depth", "stage" => stage.as_str()).set(waiting as f64);
        metrics::gauge!("callvault_backfill_depth", "stage" => stage.as_str()).set(depth.backfill as f64);
        metrics::gauge!("callvault_dead_letters", "stage" => stage.as_str()).set(depth.dead as f64);
    }
    Ok(())
}

/// Between two sweeps something is always just past its date: overdue is what two sweeps have not removed.
async fn refresh_overdue((catalog, policy, sweep_every): &(Catalog, Policy, Duration)) -> anyhow::Result<()> {
    let overdue = catalog.overdue(policy, Clock::System.now() - *sweep_every * 2).await?;
    metrics::gauge!("callvault_retention_overdue").set(overdue as f64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(level: &str, rust_log: Option<&str>) -> Result<Option<LevelFilter>, String> {
        filter(level, rust_log).map(|filter| filter.max_level_hint()).map_err(|error| error.to_string())
    }

    #[test]
    fn log_level_is_a_word_or_a_filter() {
        assert_eq!(level("info", None), Ok(Some(LevelFilter::INFO)));
        assert_eq!(level("WARN", Some(" ")), Ok(Some(LevelFilter::WARN)));
        assert_eq!(level("warn,callvault_workers=debug", None), Ok(Some(LevelFilter::DEBUG)));
        for wrong in ["verbose", "info,loud", "callvault=loud", "information"] {
            let told = level(wrong, None).unwrap_err();
            assert!(told.starts_with("LOG_LEVEL: ") && told.contains(wrong), "{told}");
        }
    }

    #[test]
    fn rust_log_wins_and_is_named_when_it_is_wrong() {
        assert_eq!(level("info", Some("trace")), Ok(Some(LevelFilter::TRACE)));
        assert!(level("info", Some("callvault=loud")).unwrap_err().starts_with("RUST_LOG: "));
    }

    #[test]
    fn libraries_are_quiet_until_they_are_asked_for() {
        let shown = |level: &str| filter(level, None).unwrap().to_string();
        assert!(shown("debug").contains("hyper=warn"), "{}", shown("debug"));
        assert!(shown("info,hyper=trace").contains("hyper=trace"), "{}", shown("info,hyper=trace"));
    }
}
