//! The Recording resource as JSON: <https://www.twilio.com/docs/voice/api/recording>.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::account::Recording;
use crate::media::Media;

/// The date format of the 2010-04-01 API and of callbacks.
pub(crate) fn rfc2822(at: DateTime<Utc>) -> String {
    at.format("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// A recording's path without extension.
pub(crate) fn path(recording: &Recording) -> String {
    format!("/2010-04-01/Accounts/{}/Recordings/{}", recording.account_sid, recording.sid)
}

pub(crate) fn json(recording: &Recording) -> Value {
    let path = path(recording);
    let duration = recording.duration_secs();
    let lasted = TimeDelta::seconds(i64::try_from(duration.unwrap_or(0)).unwrap_or(0));
    let encryption = match &recording.recorded {
        Some(Media::Encrypted(encrypted)) => encrypted.resource_details(),
        _ => Value::Null,
    };
    json!({
        "account_sid": recording.account_sid.as_str(),
        "api_version": "2010-04-01",
        "call_sid": recording.call_sid.as_ref().map(|sid| sid.as_str()),
        "conference_sid": recording.conference_sid.as_ref().map(|sid| sid.as_str()),
        "date_created": rfc2822(recording.started_at),
        "date_updated": rfc2822(recording.deleted_at.unwrap_or(recording.started_at + lasted)),
        "start_time": rfc2822(recording.started_at),
        "duration": duration.map(|secs| secs.to_string()),
        "sid": recording.sid.as_str(),
        "price": recording.media().map(|_| price(duration.unwrap_or(0))),
        "price_unit": "USD",
        "status": recording.status,
        "channels": recording.channels(),
        "source": recording.source,
        "error_code": (recording.error_code != 0).then_some(recording.error_code),
        "uri": format!("{path}.json"),
        "encryption_details": encryption,
        "subresource_uris": {
            "add_on_results": format!("{path}/AddOnResults.json"),
            "transcriptions": format!("{path}/Transcriptions.json"),
        },
        "media_url": format!("https://api.twilio.com{path}"),
    })
}

/// A quarter of a cent for each minute begun.
fn price(duration_secs: u64) -> String {
    format!("-{:.5}", 0.0025 * duration_secs.div_ceil(60).max(1) as f64)
}
