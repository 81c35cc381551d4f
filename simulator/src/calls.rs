//! Placing calls, and the truth about what was recorded.

use serde::Serialize;
use twilio::{AccountSid, RecordingSid};

use crate::account::Recording;
use crate::media::Media;
use crate::state::{State, locked};
use crate::{CallPlan, PlannedRecording, delivery};

/// A recording as it truly is, whatever Twilio's API says at the moment; for comparing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SimulatedRecording {
    /// The recording.
    pub recording_sid: RecordingSid,
    /// The call plan's index.
    pub index: u64,
    /// Twilio's word: `completed`, `absent`, `failed`, `deleted`…
    pub status: String,
    /// Twilio's RecordingSource.
    pub source: String,
    /// Channels of the media; 1 without.
    pub channels: u8,
    /// Lower-case hex SHA-256 of the WAV as Twilio serves it with all its channels (ciphertext where it is
    /// encrypted); `None` without media. A deleted recording still has it.
    pub sha256: Option<String>,
    /// Size of that WAV in bytes; 0 without media.
    pub bytes: u64,
    /// What is said in it, channel after channel; empty without media.
    pub text: String,
}

/// The recording of `plan` exists from now on.
pub(crate) fn add(state: &State, account_sid: &AccountSid, plan: &CallPlan) -> (Recording, PlannedRecording) {
    let recording = locked(&state.account).add(plan, state.seed, account_sid);
    let planned = PlannedRecording {
        account_sid: recording.account_sid.clone(),
        recording_sid: recording.sid.clone(),
        call_sid: recording.call_sid.clone(),
        conference_sid: recording.conference_sid.clone(),
        callbacks: Vec::new(),
    };
    (recording, planned)
}

/// Adds the recording and sends its callbacks.
pub(crate) async fn place(state: &State, account_sid: &AccountSid, plan: &CallPlan) -> PlannedRecording {
    let (recording, mut planned) = add(state, account_sid, plan);
    planned.callbacks = delivery::send_planned(state, &recording, plan).await;
    planned
}

/// Every recording by its index. Hashes what was not hashed before, without holding a lock.
pub(crate) fn truth(state: &State) -> Vec<SimulatedRecording> {
    let all = locked(&state.account).all();
    all.iter().map(describe).collect()
}

fn describe(recording: &Recording) -> SimulatedRecording {
    let media = recording.recorded.as_ref();
    SimulatedRecording {
        recording_sid: recording.sid.clone(),
        index: recording.index,
        status: recording.status.clone(),
        source: recording.source.to_owned(),
        channels: recording.channels(),
        sha256: recording.sha256().map(str::to_owned),
        bytes: media.map_or(0, |media| media.wav().len()),
        text: media.map_or("", Media::text).to_owned(),
    }
}
