//! Runs the program: feeds it, reads it, and leaves nothing of it behind.

use std::env;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use futures::future;
use futures::stream::{BoxStream, StreamExt};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};

use super::arguments::misconfigured;
use super::memory_file::media_broke_off;
use crate::error::{FaultKind, TranscriberError};

const STDOUT_BYTES_MAX: usize = 16 << 20;

/// Settings of the service that hold secrets, which the program has no use for.
const WITHHELD: [&str; 4] = ["DATABASE_URL", "QUEUE_URL", "DELIVERY_WEBHOOK_SECRET", "TRANSCRIPTION_WEBHOOK_SECRET"];
const WITHHELD_PREFIX: &str = "TWILIO_";

/// What the program finds on its standard input.
pub(super) enum Input {
    Nothing,
    Stream(BoxStream<'static, io::Result<Bytes>>),
}

/// How the program ended and what it left.
pub(super) struct Finished {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
}

/// Runs `arguments` to the end. Dropping the future kills the program and all it started.
pub(super) async fn run(arguments: &[String], input: Input) -> Result<Finished, TranscriberError> {
    let mut child = spawn(arguments, &input)?;
    let mut group = ProcessGroup::of(&child);
    let stdin = child.stdin.take();
    let stdout = child.stdout.take().expect("stdout is piped by spawn");
    let ((), stdout) = future::try_join(feed(stdin, input), read_bounded(stdout)).await?;
    let status = child.wait().await.map_err(lost)?;
    group.is_over();
    Ok(Finished { status, stdout })
}

fn spawn(arguments: &[String], input: &Input) -> Result<Child, TranscriberError> {
    let (program, arguments) = arguments.split_first().expect("a command line has a program");
    let stdin = if matches!(input, Input::Nothing) { Stdio::null() } else { Stdio::piped() };
    Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(env::vars_os().filter(|(name, _)| !name.to_str().is_some_and(is_withheld)))
        .stdin(stdin)
        .stdout(Stdio::piped())
        // Recognisers say there what they hear: none of it may come into errors and logs.
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| not_started(program, error))
}

fn is_withheld(name: &str) -> bool {
    let name = name.strip_suffix("_FILE").unwrap_or(name);
    name.starts_with(WITHHELD_PREFIX) || WITHHELD.contains(&name)
}

/// Writes the media; a program that has heard enough may close its end.
async fn feed(stdin: Option<ChildStdin>, input: Input) -> Result<(), TranscriberError> {
    let (Some(mut stdin), Input::Stream(mut body)) = (stdin, input) else {
        return Ok(());
    };
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(media_broke_off)?;
        match stdin.write_all(&chunk).await {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written.map_err(lost)?,
        }
    }
    Ok(())
}

async fn read_bounded(mut pipe: impl AsyncRead + Unpin) -> Result<Vec<u8>, TranscriberError> {
    let mut bytes = Vec::new();
    let most = STDOUT_BYTES_MAX as u64 + 1;
    (&mut pipe).take(most).read_to_end(&mut bytes).await.map_err(lost)?;
    if bytes.len() > STDOUT_BYTES_MAX {
        let message = format!("the transcription command printed more than {} MiB", STDOUT_BYTES_MAX >> 20);
        return Err(TranscriberError::new(FaultKind::Rejected, message));
    }
    Ok(bytes)
}

fn not_started(program: &str, error: io::Error) -> TranscriberError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory | io::ErrorKind::ResourceBusy => lost(error),
        _ => misconfigured(format!("names {program}, which can't be run")).with_source(error),
    }
}

fn lost(error: io::Error) -> TranscriberError {
    TranscriberError::new(FaultKind::Transient, "the transcription command could not be run to its end")
        .with_source(error)
}

/// The error of a run that was given up after `limit`.
pub(super) fn timed_out(limit: Duration) -> TranscriberError {
    let message = format!("the transcription command did not end within {} s", limit.as_secs());
    TranscriberError::new(FaultKind::Transient, message)
}

/// Kills the program's process group when dropped, unless it is over.
struct ProcessGroup(Option<Pid>);

impl ProcessGroup {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(id.cast_signed())))
    }

    fn is_over(&mut self) {
        self.0 = None;
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may be gone already, which is as good.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
