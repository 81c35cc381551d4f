//! Signed recording status callbacks as bytes on the wire, each of another recording that Twilio has.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use simulator::{CallPlan, PlannedRecording, Simulator};
use twilio::Algorithm;
use url::form_urlencoded::Serializer;

pub(crate) const ACCOUNT: &str = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(crate) const TOKEN: &str = "bench-token";
pub(crate) const PUBLIC_BASE_URL: &str = "https://voice.example.com";
/// The URL the simulated Twilio is set to and signs.
pub(crate) const CALLBACK_URL: &str = "https://voice.example.com/webhooks/recording";

/// Where callbacks come from.
pub(crate) struct Callbacks {
    pub(crate) twilio: Simulator,
    pub(crate) started_at: DateTime<Utc>,
}

impl Callbacks {
    /// A request as Twilio sends it, of the `index`-th call. Its recording is there from now on.
    pub(crate) fn request(&self, index: u64) -> Vec<u8> {
        self.request_of(CallPlan::nth(index, self.started_at))
    }

    /// The same, of this call.
    pub(crate) fn request_of(&self, plan: CallPlan) -> Vec<u8> {
        let index = plan.index;
        let params = self.params(&self.twilio.add_recording(plan));
        let signature = twilio::sign(CALLBACK_URL, &params, &SecretString::from(TOKEN), Algorithm::HmacSha1);
        let body = Serializer::new(String::new()).extend_pairs(&params).finish();
        let head = format!(
            "POST /webhooks/recording HTTP/1.1\r\nHost: voice.example.com\r\nUser-Agent: TwilioProxy/1.1\r\n\
             Accept: */*\r\nContent-Type: application/x-www-form-urlencoded; charset=UTF-8\r\nContent-Length: {}\r\n\
             X-Twilio-Signature: {signature}\r\n\
             I-Twilio-Idempotency-Token: 6f8e7a32-0000-4000-8000-{index:012x}\r\n\r\n",
            body.len()
        );
        [head.into_bytes(), body.into_bytes()].concat()
    }

    fn params(&self, recording: &PlannedRecording) -> Vec<(String, String)> {
        let (account_sid, recording_sid) = (&recording.account_sid, &recording.recording_sid);
        let url = format!("https://api.twilio.com/2010-04-01/Accounts/{account_sid}/Recordings/{recording_sid}");
        let params = [
            ("AccountSid", account_sid.to_string()),
            ("CallSid", recording.call_sid.as_ref().map(ToString::to_string).unwrap_or_default()),
            ("ErrorCode", "0".to_owned()),
            ("RecordingChannels", "1".to_owned()),
            ("RecordingDuration", "12".to_owned()),
            ("RecordingSid", recording_sid.to_string()),
            ("RecordingSource", "RecordVerb".to_owned()),
            ("RecordingStartTime", self.started_at.format("%a, %d %b %Y %T +0000").to_string()),
            ("RecordingStatus", "completed".to_owned()),
            ("RecordingTrack", "both".to_owned()),
            ("RecordingUrl", url),
        ];
        params.map(|(name, value)| (name.to_owned(), value)).into()
    }
}
