//! What the program printed, as a transcription or as the reason there is none.

use std::os::unix::process::ExitStatusExt;

use super::process::Finished;
use crate::TranscribeOptions;
use crate::error::{FaultKind, TranscriberError};
use crate::transcript::Transcription;

/// sysexits.h: the input was wrong.
const EX_DATAERR: i32 = 65;

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
    let message = format!("the transcription command {end}: run it by hand on a recording to see what it says");
    TranscriberError::new(kind, message)
}

fn unusable(what: &str) -> TranscriberError {
    TranscriberError::new(FaultKind::Rejected, format!("the transcription command printed {what}"))
}
