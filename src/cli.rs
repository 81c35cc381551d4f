//! The command line, as `--help` tells it.

use std::net::SocketAddr;
use std::path::PathBuf;

use catalog::Status;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use clap::{Args, Parser, Subcommand, ValueEnum};
use queue::Stage;
use twilio::{CallSid, RecordingSid};

/// Archives every call recording of a Twilio account, encrypted, has it transcribed, and deletes it when policy says.
///
/// Settings come from environment variables or a TOML file: `callvault settings` explains each.
/// Exit codes: 0 done, 1 it failed (stderr says what to do), 2 usage or settings.
#[derive(Debug, Parser)]
#[command(name = "callvault", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// Settings file (TOML); CALLVAULT_CONFIG names one too.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Form of the log lines on stderr.
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub(crate) log_format: LogFormat,
    /// Print JSON instead of text: one document, or one a line for lists.
    #[arg(long, global = true)]
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
    /// Show it all at work against a simulated Twilio, then check every stored byte. Needs no settings.
    Demo(DemoOptions),
    /// Run everything in one process: callbacks, workers, retention and reconcile.
    Serve,
    /// Run the callback service alone.
    Ingest,
    /// Run workers alone.
    Worker(WorkerOptions),
    /// Queue the deletion of all that is past its date (one sweep).
    Retention(RetentionOptions),
    /// Queue what Twilio lists and the catalog lacks, and what is stuck; also the backfill of old recordings (one pass).
    Reconcile(ReconcileOptions),
    /// Look at recordings, hold, release, erase or transcribe them. Written to the audit log.
    #[command(subcommand)]
    Recordings(RecordingsCommand),
    /// Look at the queue, and put dead letters back.
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Make keys.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Bring the catalog's schema up to date.
    Migrate,
    /// Print every setting with its documentation and the value in force (secrets masked).
    Settings,
    /// Try every configured thing and say for each: ok, or what is wrong and how to mend it.
    Check,
    /// Run the simulator alone: a Twilio REST API and a transcriber.
    Simulate(SimulateOptions),
}

#[derive(Debug, Args)]
pub(crate) struct DemoOptions {
    /// Calls to place.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) calls: u32,
    /// Where to keep queue, catalog and vault; a run that was broken off goes on. Default: a temporary folder.
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
    /// Count what is due, queue nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReconcileOptions {
    /// First day of Twilio's list to read (2026-01-31, RFC 3339, or 30d ago); default RECONCILE_LOOKBACK_DAYS.
    #[arg(long, value_parser = parse_time, value_name = "TIME")]
    pub(crate) since: Option<DateTime<Utc>>,
    /// Last day to read; default today.
    #[arg(long, value_parser = parse_time, value_name = "TIME")]
    pub(crate) until: Option<DateTime<Utc>>,
    /// Count what is missing or stuck, queue nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SimulateOptions {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:8800", value_name = "ADDR")]
    pub(crate) listen: SocketAddr,
    /// Public URL of the recording callback, as it would be set at Twilio; calls are placed by POST /simulator/calls.
    #[arg(long, value_name = "URL")]
    pub(crate) callback_url: Option<url::Url>,
    /// Same seed, same SIDs.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RecordingsCommand {
    /// List recordings, newest first.
    List(ListOptions),
    /// Print one recording.
    Show { recording: RecordingSid },
    /// Open the archived audio, to standard output or a file.
    Audio {
        recording: RecordingSid,
        /// File to write (readable by you alone).
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Print the newest transcript.
    Transcript {
        recording: RecordingSid,
        #[arg(long, value_enum, default_value = "txt")]
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
        recording: RecordingSid,
        /// The provider's model; default TRANSCRIPTION_MODEL.
        #[arg(long)]
        model: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ListOptions {
    /// received, archived, transcribed, absent, failed or deleted.
    #[arg(long)]
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
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct WithReason {
    pub(crate) recording: RecordingSid,
    /// Why, for the audit log.
    #[arg(long, value_parser = parse_reason)]
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
        /// Of one stage only.
        #[arg(long)]
        stage: Option<Stage>,
    },
    /// Put dead letters back into the queue.
    Redrive {
        /// Of one stage only.
        #[arg(long)]
        stage: Option<Stage>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make an age identity: the private part to a file only you can read, the public recipient to standard output.
    Generate {
        /// File to make; never overwritten.
        #[arg(short, long, default_value = "identity.txt", value_name = "FILE")]
        output: PathBuf,
    },
}

fn parse_reason(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() { Err("say why: it is all an auditor will find") } else { Ok(text.to_owned()) }
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
