//! Twilio's protocol and nothing of ours: SIDs, callbacks, request signatures, the REST client, error codes.

mod callback;
mod client;
mod error;
mod limiter;
mod list;
mod media;
mod part;
mod recording;
mod request;
mod sid;
mod signature;

pub use callback::{CallProgress, CallbackError, Params, call_progress_callback, recording_callback};
pub use client::{Client, ClientConfig, Credentials, Deletion, RequestObserver};
pub use error::{TwilioError, TwilioErrorKind};
pub use list::RecordingPages;
pub use media::Media;
pub use recording::{EncryptionDetails, MediaFormat, Recording, RecordingStatus, UnknownMediaFormat};
pub use sid::{AccountSid, CallSid, ConferenceSid, RecordingSid, SidError, mask_phone_number};
pub use signature::{Algorithm, SignatureError, SignedRequest, SigningKeys, sign, verify};
