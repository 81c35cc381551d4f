//! What the program printed, as a transcription or as the reason there is none.

use std::os::unix::process::ExitStatusExt;

use super::process::Finished;
use crate::TranscribeOptions;
use crate::error::{FaultKind, TranscriberError};
use crate::transcript::Transcription;

/// sysexits.h: the input was wrong.
const EX_DATAERR: i32 = 65;
const EXCERPT_LINES: usize = 3;
const EXCERPT_CHARS: usize = 300;

pub(super) fn transcription(
    finished: Finished,
    options: &TranscribeOptions,
    seconds: f64,
) -> Result<Transcription, TranscriberError> {
    if !finished.status.success() {
        return Err(failure(&finished));
    }
    let printed = std::str::from_utf8(&finished.stdout).map_err(|_| unusable("text that is not UTF-8"))?.trim();
    let mut made = if printed.starts_with('{') {
        // serde's words may quote what was said, so only the place is told.
        serde_json::from_str(printed).map_err(|error| {
            unusable(&format!("JSON that is no transcription (line {} column {})", error.line(), error.column()))
        })?
    } else {
        Transcription { text: printed.to_owned(), ..Transcription::default() }
    };
    if made.model.is_empty() {
        made.model = options.model.clone().unwrap_or_else(|| "command".to_owned());
    }
    if made.language.is_empty() {
        made.language = options.language.clone().unwrap_or_default();
    }
    if made.duration_seconds <= 0.0 {
        made.duration_seconds = seconds;
    }
    Ok(made.tidied())
}

fn failure(finished: &Finished) -> TranscriberError {
    let kind = match finished.status.code() {
        Some(EX_DATAERR) => FaultKind::Rejected,
        _ => FaultKind::Transient,
    };
    let end = match (finished.status.code(), finished.status.signal()) {
        (Some(code), _) => format!("ended with code {code}"),
        (None, signal) => format!("was killed by signal {}", signal.unwrap_or_default()),
    };
    let mut message = format!("the transcription command {end}");
    let excerpt = excerpt(&finished.stderr_end, &finished.stdout);
    if !excerpt.is_empty() {
        message = format!("{message}: {excerpt}");
    }
    TranscriberError::new(kind, message)
}

fn unusable(what: &str) -> TranscriberError {
    TranscriberError::new(FaultKind::Rejected, format!("the transcription command printed {what}"))
}

/// The last lines of standard error; a line that repeats one of standard output is left out.
fn excerpt(stderr_end: &[u8], stdout: &[u8]) -> String {
    let (stderr, stdout) = (String::from_utf8_lossy(stderr_end), String::from_utf8_lossy(stdout));
    let said: Vec<&str> = stdout.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let repeats = |line: &str| said.iter().any(|said| line.contains(said));
    let lines: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !line.is_empty() && !repeats(line)).collect();
    let last = lines[lines.len().saturating_sub(EXCERPT_LINES)..].join(" | ");
    let printable = last.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(EXCERPT_CHARS).collect()
}
