//! Twilio's copy of a recording: deleting it, and what proves that it is gone.

use catalog::PurgePermit;
use chrono::{DateTime, TimeDelta, Utc};
use twilio::{Client, Deletion, RecordingStatus, TwilioError, TwilioErrorKind};

use crate::fault::{Fault, chain};

/// How long a recording that was deleted can still be read as `deleted`.
const TOMBSTONE: TimeDelta = TimeDelta::days(40);
/// Twilio's own word for a 404; a proxy or another server has none.
const NO_SUCH_RESOURCE: u32 = 20404;
/// The recording's state does not allow it.
const CONFLICTS: [u32; 2] = [20409, 20009];

/// Why Twilio's copy is not seen to be gone.
#[derive(Debug)]
pub(crate) struct NotGone {
    /// What is to become of the job: where Twilio may yet say otherwise, it is tried for a day and then parked.
    pub(crate) fault: Fault,
    /// Twilio refused the deletion: it still has all it had.
    pub(crate) is_refused: bool,
}

/// Deletes Twilio's copy and returns the evidence that it is gone. Safe to run again.
///
/// Whatever Twilio answers to the deletion, the recording's own resource is asked: it stays readable as `deleted` for 40
/// days, and one that is `absent` or `failed`, which Twilio refuses to delete, never had media or has lost it.
pub(crate) async fn delete(twilio: &Client, permit: &PurgePermit, now: DateTime<Utc>) -> Result<String, NotGone> {
    let (account, sid) = (permit.account_sid(), permit.recording_sid());
    let answer = match twilio.delete_recording(account, sid).await {
        Ok(Deletion::Deleted) => Answer::Deleted,
        Ok(Deletion::NotFound) => Answer::NotFound,
        Err(error) if is_conflict(&error) => Answer::Refused(chain(&error)),
        Err(error) => return Err(NotGone { is_refused: is_refused(&error), fault: error.into() }),
    };
    let is_refused = matches!(answer, Answer::Refused(_));
    let not_gone = |fault| NotGone { fault, is_refused };
    match twilio.recording(account, sid).await {
        Ok(recording) => match recording.status {
            RecordingStatus::Deleted => Ok("Twilio says: deleted".to_owned()),
            status @ (RecordingStatus::Absent | RecordingStatus::Failed) => {
                Ok(format!("Twilio says: {status}, it has no media"))
            }
            status => Err(not_gone(Fault::Transient(format!("Twilio {answer} and still says {status}")))),
        },
        Err(error) if error.kind == TwilioErrorKind::NotFound => {
            if matches!(answer, Answer::Deleted) {
                return Ok("deleted at Twilio, which no longer lists it".to_owned());
            }
            let was_deleted = permit.twilio_said_deleted();
            is_long_gone(&error, was_deleted, now - permit.retention_from())
                .map(|()| "Twilio knows no such recording (404 to delete and to fetch)".to_owned())
                .map_err(|why| not_gone(Fault::Transient(why.to_owned())))
        }
        Err(error) => Err(not_gone(error.into())),
    }
}

/// What Twilio answered to the deletion.
enum Answer {
    Deleted,
    NotFound,
    Refused(String),
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Answer::Deleted => f.write_str("accepted the deletion"),
            Answer::NotFound => f.write_str("answered 404 to the deletion"),
            Answer::Refused(why) => write!(f, "will not delete it yet ({why})"),
        }
    }
}

fn is_conflict(error: &TwilioError) -> bool {
    error.status == Some(409) || error.code.is_some_and(|code| CONFLICTS.contains(&code))
}

/// A request that was turned away did nothing; one that failed on the way may have.
fn is_refused(error: &TwilioError) -> bool {
    matches!(error.kind, TwilioErrorKind::Unauthorized | TwilioErrorKind::Throttled | TwilioErrorKind::Rejected)
}

/// A wrong account, region or URL answers 404 to everything: that is proof only of Twilio itself, and of a recording
/// that it may have forgotten by now, or once called deleted. Any other is tried until it is parked, and taken up again
/// by every sweep: once it is 40 days old it ends here in any case.
fn is_long_gone(not_found: &TwilioError, was_deleted: bool, age: TimeDelta) -> Result<(), &'static str> {
    if not_found.code != Some(NO_SUCH_RESOURCE) {
        return Err("a 404 that is not Twilio's to the deletion of its copy: see that TWILIO_API_URL leads to Twilio");
    }
    if was_deleted || age >= TOMBSTONE {
        return Ok(());
    }
    Err("Twilio knows no such recording, and would still list one that was deleted: see that TWILIO_API_URL is of the \
         region, and TWILIO_ACCOUNT_SID of the account, that recorded it")
}
