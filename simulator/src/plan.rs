//! What a simulation is told to do: the account it plays, and the calls that are placed in it.

use std::net::SocketAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use twilio::{AccountSid, CallSid, ConferenceSid, RecordingSid};
use url::Url;

/// The account a simulator plays and where it calls back.
#[derive(Clone, Debug)]
pub struct SimulatorConfig {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The one account there is.
    pub account_sid: AccountSid,
    /// Signs the callbacks and opens the REST API.
    pub auth_token: SecretString,
    /// The recording status callback URL as it would be configured at Twilio, route included. `None`: no callback is
    /// sent until [`set_callback`](crate::Simulator::set_callback).
    pub callback_url: Option<Url>,
    /// Where callbacks really connect (plain HTTP) when the public URL does not lead to this machine.
    pub callback_target: Option<SocketAddr>,
    /// Everything derives from it: the same seed and the same calls give the same SIDs and the same media.
    pub seed: u64,
}

/// One call to simulate: what was recorded and how Twilio tells of it.
#[derive(Clone, Debug)]
pub struct CallPlan {
    /// What was recorded.
    pub media: MediaPlan,
    /// Twilio's RecordingSource; one of [`SOURCES`]. `Trunking` never calls back.
    pub source: &'static str,
    /// A conference's recording: it has a ConferenceSid and no CallSid. The source `Conference` implies it.
    pub is_conference: bool,
    /// When the recording started; Twilio's `start_time` and `date_created`.
    pub started_at: DateTime<Utc>,
    /// How the callbacks go.
    pub callbacks: CallbackPlan,
    /// SIDs derive from the simulator's seed and this. Placing the same index again changes nothing in the account.
    pub index: u64,
}

impl CallPlan {
    /// The `index`-th call of a phone system with real speech: the clips in turn, each with a source that fits it
    /// (two channels are dialled calls, one channel is a voicemail), one callback each.
    pub fn nth(index: u64, started_at: DateTime<Utc>) -> Self {
        let clips = crate::clips();
        let clip = usize::try_from(index).unwrap_or(usize::MAX) % clips.len();
        let sources: &[&'static str] = match clips[clip].channels {
            1 => &["RecordVerb", "OutboundAPI"],
            _ => &["DialVerb", "StartCallRecordingTwiML"],
        };
        let round = usize::try_from(index).unwrap_or(usize::MAX) / clips.len();
        Self {
            media: MediaPlan::Clip(clip),
            source: sources[round % sources.len()],
            is_conference: false,
            started_at,
            callbacks: CallbackPlan::default(),
            index,
        }
    }
}

/// The values of RecordingSource that a [`CallPlan`] can carry: Twilio's documented ones, and
/// `StartCallRecordingTwiML`, which is only observed.
pub const SOURCES: &[&str] = &[
    "DialVerb",
    "Conference",
    "OutboundAPI",
    "Trunking",
    "RecordVerb",
    "StartCallRecordingAPI",
    "StartConferenceRecordingAPI",
    "StartCallRecordingTwiML",
];

/// What was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaPlan {
    /// Real speech: one of [`clips`](crate::clips), counted round.
    Clip(usize),
    /// A mono WAV of this size in bytes (at least the header's), made while it is sent.
    Synthetic {
        /// Size of the whole file.
        bytes: u64,
    },
    /// Twilio kept no media: 16101 (too short) or 16102 (silent).
    Absent {
        /// Twilio's error code.
        code: u32,
    },
    /// The recording was lost at Twilio, as by 16104 (encryption failed).
    Failed {
        /// Twilio's error code.
        code: u32,
    },
    /// A clip under Voice Recording Encryption: only ciphertext is to be had.
    Encrypted,
}

/// How the callbacks of a call go. The default is Twilio's: one `completed`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallbackPlan {
    /// How many more copies of the final callback go out, all at the same time.
    pub duplicates: u32,
    /// The final callback comes before `in-progress` (which this implies).
    pub out_of_order: bool,
    /// Forged callbacks go out first, one with a wrong token and one with a field changed after signing.
    pub forged: bool,
    /// No callback at all.
    pub none: bool,
    /// `in-progress` is sent too.
    pub also_in_progress: bool,
}

/// A call that was placed.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedRecording {
    /// Whose it is.
    pub account_sid: AccountSid,
    /// The recording.
    pub recording_sid: RecordingSid,
    /// The call, where it is no conference.
    pub call_sid: Option<CallSid>,
    /// The conference, where it is one.
    pub conference_sid: Option<ConferenceSid>,
    /// What became of each callback, in the order they ended. Empty after `add_recording`.
    pub callbacks: Vec<CallbackOutcome>,
}

/// What became of one callback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallbackOutcome {
    /// RecordingStatus it carried.
    pub recording_status: String,
    /// It was not Twilio's and should have been refused.
    pub is_forged: bool,
    /// The last answer's HTTP status; 0 where there was none.
    pub status: u16,
    /// How often it was sent.
    pub attempts: u32,
    /// From the first byte sent to the last answer.
    pub elapsed: Duration,
}

impl CallbackOutcome {
    pub(crate) fn unsent(status: &str) -> Self {
        Self { recording_status: status.to_owned(), is_forged: false, status: 0, attempts: 0, elapsed: Duration::ZERO }
    }

    /// The receiver took it.
    pub fn is_accepted(&self) -> bool {
        (200..300).contains(&self.status)
    }
}
