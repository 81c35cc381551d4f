//! The command line, as `--help` tells it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use catalog::Status;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use clap::{Args, Parser, Subcommand, ValueEnum};
use queue::Stage;
use twilio::{CallSid, RecordingSid};
use workers::SweepMode;

/// Where the options stand that every subcommand takes.
const GENERAL: &str = "General options";

const AFTER_HELP: &str = "\
Settings come from environment variables or a TOML file: `callvault settings` explains each.
Exit codes: 0 done, 1 it failed (stderr says what to do), 2 usage or settings.";

/// Archives every call recording of a Twilio account, encrypted, has it transcribed, and deletes it when policy says.
#[derive(Debug, Parser)]
#[command(name = "callvault", version, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    /// Settings file (TOML); CALLVAULT_CONFIG names one too.
    #[arg(long, global = true, value_name = "FILE", help_heading = GENERAL)]
    pub(crate) config: Option<PathBuf>,
    /// Form of the log lines on stderr.
    #[arg(long, global = true, value_enum, default_value = "text", value_name = "FORM", help_heading = GENERAL)]
    pub(crate) log_format: LogFormat,
    /// Print JSON instead of text: one document, or one a line for lists.
    #[arg(long, global = true, help_heading = GENERAL)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show it all at work against a simulated Twilio, and check every stored byte. Needs no settings.
    Demo(DemoOptions),
    /// Run everything in one process: callbacks, workers, retention and reconcile.
    Serve,
    /// Run the callback service alone.
    Ingest,
    /// Run workers alone, with health and metrics at METRICS_ADDR.
    Worker(WorkerOptions),
    /// Queue the deletion of all that is past its date, clear away broken-off writes (one sweep).
    Retention(RetentionOptions),
    /// Queue what Twilio lists and the catalog lacks, and what is stuck (one pass; also the backfill).
    Reconcile(ReconcileOptions),
    /// Check that every recording is accounted for: at Twilio, in the catalog, in the vault and in the queue.
    Audit(AuditOptions),
    /// Look at recordings, hold, release, erase or transcribe them. Written to the audit log.
    #[command(subcommand)]
    Recordings(RecordingsCommand),
    /// Look at the queue, and put dead letters back.
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Make keys.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Bring the catalog's schema up to date; with --queues, make the queues too.
    Migrate(MigrateOptions),
    /// Print every setting with its documentation and the value in force (secrets masked).
    Settings,
    /// Try every configured thing, as the user that serves: ok, or what is wrong and how to mend it.
    Check,
    /// Ask a role whether it is ready, and exit 1 if not: the health check of a container. Needs no settings.
    Probe(ProbeOptions),
    /// Run the simulator alone: a Twilio REST API and a transcriber.
    Simulate(SimulateOptions),
}

#[derive(Debug, Args)]
pub(crate) struct DemoOptions {
    /// Calls to place.
    #[arg(long, default_value_t = 12, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) calls: u32,
    /// Where queue, catalog and vault are, so that a further run goes on; default a temporary folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Keep serving after the check, until Ctrl-C.
    #[arg(long)]
    pub(crate) keep_running: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WorkerOptions {
    /// Stages to work on, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "archive,transcribe,deliver,purge", value_name = "STAGES")]
    pub(crate) stages: Vec<Stage>,
}

#[derive(Debug, Args)]
pub(crate) struct RetentionOptions {
    /// Again and again, at this distance (15m, 1h), until told to stop.
    #[arg(long, value_parser = parse_period, value_name = "PERIOD", conflicts_with = "dry_run")]
    pub(crate) every: Option<Duration>,
    /// Count what is due; queue and delete nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The queue was lost: queue what a sweep queued lately too, and look through the vault again.
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) again: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReconcileOptions {
    /// Again and again, at this distance (15m, 1h), until told to stop.
    #[arg(long, value_parser = parse_period, value_name = "PERIOD", conflicts_with = "dry_run")]
    pub(crate) every: Option<Duration>,
    /// Backfill from this day on (2026-01-31, RFC 3339, or 30d ago); goes on where one was broken off.
    #[arg(long, value_parser = parse_time, value_name = "TIME")]
    pub(crate) since: Option<DateTime<Utc>>,
    /// Last day to read; default today.
    #[arg(long, value_parser = parse_time, value_name = "TIME")]
    pub(crate) until: Option<DateTime<Utc>>,
    /// Count what is missing or stuck, queue nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The queue was lost: queue what a pass queued lately too. A backfill begins anew.
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) again: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AuditOptions {
    /// First day that recordings started on (2026-01-31, RFC 3339, 30d ago); default all there are.
    #[arg(long, value_parser = parse_time, value_name = "TIME")]
    pub(crate) since: Option<DateTime<Utc>>,
    /// Last day; default today.
    #[arg(long, value_parser = parse_time, value_name = "TIME")]
    pub(crate) until: Option<DateTime<Utc>>,
    /// Do what heals the exceptions, most of it by queueing a job. Written to the audit log.
    #[arg(long)]
    pub(crate) repair: bool,
    /// Open every copy with ENCRYPTION_IDENTITY_FILE too, and compare its SHA-256. Reads the whole vault.
    #[arg(long)]
    pub(crate) open: bool,
}

impl RetentionOptions {
    pub(crate) fn mode(&self) -> SweepMode {
        sweep_mode(self.dry_run, self.again)
    }
}

impl ReconcileOptions {
    pub(crate) fn mode(&self) -> SweepMode {
        sweep_mode(self.dry_run, self.again)
    }
}

fn sweep_mode(is_dry_run: bool, again: bool) -> SweepMode {
    match (is_dry_run, again) {
        (true, _) => SweepMode::DryRun,
        (false, false) => SweepMode::Regular,
        (false, true) => SweepMode::Again,
    }
}

#[derive(Debug, Args)]
pub(crate) struct MigrateOptions {
    /// Make what QUEUE_URL names where it is missing, and leave what is there as it is. Needs the rights to.
    #[arg(long)]
    pub(crate) queues: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ProbeOptions {
    /// The role's readiness route.
    #[arg(default_value = "http://127.0.0.1:3000/readyz", value_name = "URL")]
    pub(crate) url: url::Url,
}

#[derive(Debug, Args)]
pub(crate) struct SimulateOptions {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:8800", value_name = "ADDR")]
    pub(crate) listen: SocketAddr,
    /// The recording callback as it would be set at Twilio. POST /simulator/calls places calls.
    #[arg(long, value_name = "URL")]
    pub(crate) callback_url: Option<url::Url>,
    /// Same seed, same SIDs.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RecordingsCommand {
    /// List recordings, newest first.
    List(ListOptions),
    /// Print one recording.
    Show {
        /// The recording's SID.
        #[arg(value_name = "RE…")]
        recording: RecordingSid,
    },
    /// Open the archived audio, to standard output or a file.
    Audio {
        /// The recording's SID.
        #[arg(value_name = "RE…")]
        recording: RecordingSid,
        /// File to write (readable by you alone).
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Print the newest transcript.
    Transcript {
        /// The recording's SID.
        #[arg(value_name = "RE…")]
        recording: RecordingSid,
        /// Form of the transcript.
        #[arg(long, value_enum, default_value = "txt", value_name = "FORM")]
        format: TranscriptFormat,
    },
    /// Place a legal hold: nothing of the recording is deleted until it is released.
    Hold(WithReason),
    /// Release a legal hold.
    Release(WithReason),
    /// Delete everything of the recording now, whatever its date (a legal hold defers it).
    Erase(WithReason),
    /// Transcribe again, as a further version; the earlier ones stay.
    Transcribe {
        /// The recording's SID.
        #[arg(value_name = "RE…")]
        recording: RecordingSid,
        /// The provider's model; default TRANSCRIPTION_MODEL.
        #[arg(long, value_name = "NAME")]
        model: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ListOptions {
    /// Of this status: received, archived, transcribed, absent, failed or deleted.
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<Status>,
    /// Started at or after (2026-01-31, RFC 3339, or 30d ago).
    #[arg(long, value_parser = parse_time, value_name = "TIME")]
    pub(crate) since: Option<DateTime<Utc>>,
    /// Started before.
    #[arg(long, value_parser = parse_time, value_name = "TIME")]
    pub(crate) until: Option<DateTime<Utc>>,
    /// Of this call.
    #[arg(long, value_name = "CA…")]
    pub(crate) call: Option<CallSid>,
    /// Most rows.
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub(crate) limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct WithReason {
    /// The recording's SID.
    #[arg(value_name = "RE…")]
    pub(crate) recording: RecordingSid,
    /// Why, for the audit log.
    #[arg(long, value_name = "WHY", value_parser = parse_reason)]
    pub(crate) reason: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum TranscriptFormat {
    Txt,
    Json,
    Srt,
    Vtt,
}

#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// Depth of each stage.
    Status,
    /// The dead letters with their reasons.
    Dead {
        /// Of one stage only: archive, transcribe, deliver or purge.
        #[arg(long, value_name = "STAGE")]
        stage: Option<Stage>,
    },
    /// Put dead letters back into the queue.
    Redrive {
        /// Of one stage only: archive, transcribe, deliver or purge.
        #[arg(long, value_name = "STAGE")]
        stage: Option<Stage>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make an age identity: the private part goes to a file only you can read, the recipient to stdout.
    Generate {
        /// File to make; never overwritten.
        #[arg(short, long, default_value = "identity.txt", value_name = "FILE")]
        output: PathBuf,
        /// Keep a file that is there, and print its recipient.
        #[arg(long)]
        if_missing: bool,
    },
}

fn parse_reason(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() { Err("say why: it is all an auditor will find") } else { Ok(text.to_owned()) }
}

/// A period such as 30s, 15m, 1h or 1d; not none at all.
fn parse_period(text: &str) -> Result<Duration, String> {
    let count = text.get(..text.len().saturating_sub(1)).and_then(|count| count.parse::<u32>().ok());
    let unit_secs = match text.chars().next_back() {
        Some('s') => Some(1),
        Some('m') => Some(60),
        Some('h') => Some(3600),
        Some('d') => Some(24 * 3600),
        _ => None,
    };
    let period = count.zip(unit_secs).filter(|(count, _)| *count > 0);
    let period = period.map(|(count, unit_secs)| Duration::from_secs(u64::from(count) * unit_secs));
    period.ok_or_else(|| "expected a period such as 30s, 15m, 1h, 1d".to_owned())
}

/// A point in time: RFC 3339, a day (its start, UTC), or a time ago such as 30d, 12h, 45m.
fn parse_time(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc());
    }
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    ago(text).ok_or_else(|| "expected 2026-01-31, 2026-01-31T09:00:00Z, or a time ago such as 30d, 12h, 45m".to_owned())
}

fn ago(text: &str) -> Option<DateTime<Utc>> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number = number.parse::<i64>().ok().filter(|number| *number >= 0)?;
    let ago = match unit {
        "d" => TimeDelta::try_days(number),
        "h" => TimeDelta::try_hours(number),
        "m" => TimeDelta::try_minutes(number),
        _ => None,
    };
    queue::Clock::System.now().checked_sub_signed(ago?)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// The command and all those below it.
    fn all(command: clap::Command) -> Vec<clap::Command> {
        let below = command.get_subcommands().cloned().flat_map(all).collect();
        [vec![command], below].concat()
    }

    #[test]
    fn every_subcommand_and_every_argument_says_what_it_does() {
        let mut command = Cli::command();
        command.build();
        for command in all(command) {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name}");
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{name} {}", argument.get_id());
            }
        }
    }

    #[test]
    fn help_fits_a_terminal() {
        let mut command = Cli::command();
        command.build();
        for mut command in all(command) {
            let help = command.render_help().to_string();
            let widest = help.lines().max_by_key(|line| line.chars().count()).unwrap_or_default();
            assert!(widest.chars().count() <= 120, "{}: {widest}", command.get_name());
        }
    }

    #[test]
    fn periods_are_read_and_none_at_all_is_refused() {
        let secs = |text: &str| parse_period(text).map(|period| period.as_secs());
        assert_eq!([secs("30s"), secs("15m"), secs("1h"), secs("2d")], [Ok(30), Ok(900), Ok(3600), Ok(172_800)]);
        for wrong in ["", "h", "0m", "1", "-1h", "1w", "1.5h", "99999999999h", "1é"] {
            assert!(parse_period(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_read_in_all_three_forms() {
        let noon = DateTime::parse_from_rfc3339("2026-01-31T12:00:00Z").unwrap();
        assert_eq!(parse_time("2026-01-31T13:00:00+01:00").unwrap(), noon);
        assert_eq!(parse_time("2026-01-31").unwrap(), noon - TimeDelta::hours(12));
        let day_ago = parse_time("24h").unwrap();
        assert_eq!((queue::Clock::System.now() - day_ago).num_hours(), 24);
        for wrong in ["", "d", "-1d", "yesterday", "99999999999999999999d", "999999999999d", "1é"] {
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
    }
}
