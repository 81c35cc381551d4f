//! A program of the operator's own that transcribes: whisper.cpp, Vosk, a script.

mod arguments;
mod memory_file;
mod output;
mod process;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::TranscriberError;
use crate::media::Media;
use crate::transcript::Transcription;
use crate::{TranscribeOptions, Transcriber};
use arguments::CommandLine;
use memory_file::MemoryFile;
use process::Input;

/// Which program, and how long it may take.
#[derive(Debug, Clone)]
pub struct CommandConfig {
    /// The command line. It is split as a POSIX shell splits words (`'…'`, `"…"` and `\` quote), but no shell runs it:
    /// no variables, pipes or redirections. Write `sh -c '…'` where they are wanted.
    ///
    /// In each argument these are replaced: `{audio}` by the path of a file with the media, `{channels}` by the number
    /// of channels, `{language}` and `{model}` by what is asked for, or nothing.
    pub command: String,
    /// Least time limit of one transcription; twice the recording's length is added to it.
    pub timeout: Duration,
}

/// The `command` provider.
///
/// The media comes on the program's standard input, or, where the command line holds `{audio}`, in a file that exists
/// in memory only and is gone afterwards. The program may stop reading early.
///
/// It prints either text, or, where the first byte that is no space is `{`, JSON with the fields of [`Transcription`]:
/// any of `text`, `language`, `model`, `duration_seconds` and `utterances` (each with `start`, `end` and `text`; any of
/// `channel`, `speaker`, `confidence`, `words`). Printing nothing means that nobody spoke. At most 16 MiB.
///
/// It ends with 0, or: 65 (`EX_DATAERR`) this recording can't be transcribed, which is [`Rejected`]; anything else, 75
/// (`EX_TEMPFAIL`) included, or a signal, is [`Transient`]. Its standard error is thrown away: recognisers say there what
/// they hear, and none of that may come into errors and logs. A program that can't be started is [`Unauthorized`]: it is the
/// configuration that is wrong, not the recording. It runs in a process group of its own, which is killed with
/// all that it started when the time is over or the transcription is dropped. It does not see the service's secrets.
///
/// [`Rejected`]: crate::FaultKind::Rejected
/// [`Transient`]: crate::FaultKind::Transient
/// [`Unauthorized`]: crate::FaultKind::Unauthorized
pub struct Command {
    line: CommandLine,
    timeout: Duration,
}

impl Command {
    /// Reads the command line; fails where it is empty or a quote is not closed. Nothing is run yet.
    pub fn new(config: CommandConfig) -> Result<Self, TranscriberError> {
        Ok(Self { line: CommandLine::parse(&config.command)?, timeout: config.timeout })
    }
}

#[async_trait]
impl Transcriber for Command {
    async fn transcribe(&self, media: Media, options: &TranscribeOptions) -> Result<Transcription, TranscriberError> {
        let (limit, seconds, channels) = (media.time_limit(self.timeout), media.seconds(), media.channels);
        let run = async {
            let (file, input) = if self.line.wants_file() {
                (Some(MemoryFile::of(media.into_exact_body()).await?), Input::Nothing)
            } else {
                (None, Input::Stream(media.into_exact_body()))
            };
            let arguments = self.line.arguments(file.as_ref().map(MemoryFile::path).as_deref(), channels, options);
            process::run(&arguments, input).await
        };
        let finished = tokio::time::timeout(limit, run).await.map_err(|_| process::timed_out(limit))??;
        output::transcription(finished, options, seconds)
    }

    fn provider(&self) -> &'static str {
        "command"
    }

    /// Sees that the program is there and may be run. It is not run.
    async fn check(&self) -> Result<(), TranscriberError> {
        self.line.find_program().map(drop)
    }

    /// The whole media where the program wants a file.
    fn memory_bytes(&self, media_bytes: u64) -> u64 {
        if self.line.wants_file() { media_bytes } else { 0 }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command").field("program", &self.line.program()).finish_non_exhaustive()
    }
}
