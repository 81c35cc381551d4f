//! The `callvault` command: parses the command line, then hands over to one module a subcommand.

mod actor;
mod audit;
mod backfill_progress;
mod check;
mod cli;
mod config;
mod demo;
mod health;
mod ingest_role;
mod keys;
mod migrate;
mod output;
mod probe;
mod queue_command;
mod reconcile;
mod recordings;
mod retention;
mod schedule;
mod serve;
mod settings;
mod settings_command;
mod simulate;
mod store;
mod telemetry;
mod traces;
mod wiring;
mod worker;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::runtime::{Builder, Runtime};

use crate::cli::{Cli, Command};
use crate::config::Config;
use crate::settings::{Environment, SettingsError};

/// For threads that hang in the file system when the command is done.
const LAST_WAIT: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match runtime(&cli.command) {
        Ok(runtime) => runtime,
        Err(error) => return report(&anyhow::Error::new(error).context("cannot start")),
    };
    let done = runtime.block_on(run(cli));
    runtime.shutdown_timeout(LAST_WAIT);
    done.unwrap_or_else(|error| report(&error))
}

/// A callback is little work and many hand-overs: on one thread they wake no other that finds nothing to do. A core carries
/// far more callbacks than there are (docs/capacity.md). Everything else does more than one thing at a time.
fn runtime(command: &Command) -> std::io::Result<Runtime> {
    let mut builder = match command {
        Command::Ingest => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.enable_all().build()
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let environment = Environment::of_process();
    let output = output::Output { is_json: cli.json };
    let config = match &cli.command {
        // These need no settings, and must work where none are right yet.
        Command::Demo(options) => return demo::run(options, &cli.log_format, output).await,
        Command::Keys(options) => return keys::run(options, output),
        Command::Probe(options) => return probe::run(options).await,
        Command::Simulate(options) => return simulate::run(options, &cli.log_format, output).await,
        _ => Config::load(cli.config.as_deref(), &environment)?,
    };
    let level = config.values.text("log_level").unwrap_or("info");
    let collector = config.values.text("otel_exporter_otlp_endpoint");
    let _traces = telemetry::start_logging(&cli.log_format, level, collector)?;
    for (name, nearest) in settings::suspicious(&environment) {
        tracing::warn!("{name} is no setting of callvault: did you mean {}?", nearest.to_uppercase());
    }
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    match cli.command {
        Command::Serve => serve::run(&config).await,
        Command::Ingest => ingest_role::run(&config).await,
        Command::Worker(options) => worker::run(&config, &options).await,
        Command::Retention(options) => {
            schedule::repeat("retention", &config, options.every, || retention::run(&config, &options, output)).await
        }
        Command::Reconcile(options) => {
            schedule::repeat("reconcile", &config, options.every, || reconcile::run(&config, &options, output)).await
        }
        Command::Audit(options) => audit::run(&config, &options, output).await,
        Command::Recordings(command) => recordings::run(&config, &command, output).await,
        Command::Queue(command) => queue_command::run(&config, &command, output).await,
        Command::Migrate(options) => migrate::run(&config, &options, output).await,
        Command::Settings => settings_command::run(&config, output),
        Command::Check => check::run(&config, output).await,
        Command::Demo(_) | Command::Keys(_) | Command::Probe(_) | Command::Simulate(_) => Ok(ExitCode::SUCCESS),
    }
}

/// What went wrong and its causes, on stderr; 2 for a setting, 1 for all else.
#[expect(clippy::print_stderr, reason = "the one place that tells the user why the command failed")]
fn report(error: &anyhow::Error) -> ExitCode {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    eprintln!("callvault: {}", causes.join(": "));
    ExitCode::from(if error.is::<SettingsError>() { 2 } else { 1 })
}
