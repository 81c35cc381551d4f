//! Signed recording status callbacks as bytes on the wire, each of another recording.

use secrecy::SecretString;
use twilio::Algorithm;
use url::form_urlencoded::Serializer;

use crate::process::{ACCOUNT, CALLBACK_URL, TOKEN};

/// The `index`-th callback, as Twilio posts it.
pub(crate) fn request(index: u64) -> Vec<u8> {
    let params = params(index);
    let signature = twilio::sign(CALLBACK_URL, &params, &SecretString::from(TOKEN), Algorithm::HmacSha1);
    let body = Serializer::new(String::new()).extend_pairs(&params).finish();
    let head = format!(
        "POST /webhooks/recording HTTP/1.1\r\nHost: voice.example.com\r\nUser-Agent: TwilioProxy/1.1\r\nAccept: */*\r\n\
         Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\nContent-Length: {}\r\n\
         X-Twilio-Signature: {signature}\r\nI-Twilio-Idempotency-Token: 6f8e7a32-0000-4000-8000-{index:012x}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body.into_bytes()].concat()
}

fn params(index: u64) -> Vec<(String, String)> {
    let recording = format!("RE{index:032x}");
    let url = format!("https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Recordings/{recording}");
    let params = [
        ("AccountSid", ACCOUNT.to_owned()),
        ("CallSid", format!("CA{index:032x}")),
        ("ErrorCode", "0".to_owned()),
        ("RecordingChannels", "1".to_owned()),
        ("RecordingDuration", "12".to_owned()),
        ("RecordingSid", recording),
        ("RecordingSource", "RecordVerb".to_owned()),
        ("RecordingStartTime", "Fri, 20 Nov 2026 09:00:00 +0000".to_owned()),
        ("RecordingStatus", "completed".to_owned()),
        ("RecordingTrack", "both".to_owned()),
        ("RecordingUrl", url),
    ];
    params.map(|(name, value)| (name.to_owned(), value)).into()
}
