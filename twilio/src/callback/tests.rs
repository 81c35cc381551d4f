use super::*;

const ACCOUNT: &str = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const CALL: &str = "CAbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const RECORDING: &str = "REcccccccccccccccccccccccccccccccc";

/// The payload shape of twilio.com/docs/voice/tutorials/voice-recording-encryption, SIDs invented.
fn dial() -> Params {
    let form = format!(
        "AccountSid={ACCOUNT}&CallSid={CALL}&ErrorCode=0&RecordingChannels=2&RecordingDuration=13&RecordingSid={RECORDING}\
         &RecordingSource=DialVerb&RecordingStartTime=Tue%2C+24+Mar+2026+18%3A15%3A40+%2B0000&RecordingStatus=completed\
         &RecordingTrack=both&RecordingUrl=https%3A%2F%2Fapi.twilio.com%2F2010-04-01&NewField=x"
    );
    Params::from_form(form.as_bytes())
}

fn with(params: Params, name: &str, value: Option<&str>) -> Params {
    let mut params: Vec<_> = params.0.into_iter().filter(|(key, _)| key != name).collect();
    params.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    Params(params)
}

#[test]
fn completed_dial_recording_is_read_whole() {
    let recording = recording_callback(&dial()).unwrap();
    assert_eq!(recording.recording_sid.as_str(), RECORDING);
    assert_eq!(recording.call_sid.unwrap().as_str(), CALL);
    assert_eq!((recording.channels, recording.duration_secs), (Some(2), Some(13)));
    assert_eq!(recording.status, RecordingStatus::Completed);
    assert_eq!(recording.source.as_deref(), Some("DialVerb"));
    assert_eq!(recording.started_at.unwrap().to_rfc3339(), "2026-03-24T18:15:40+00:00");
    assert_eq!(recording.error_code, None);
}

#[test]
fn conference_recording_without_a_call_is_read() {
    let conference = "CFdddddddddddddddddddddddddddddddd";
    let params = with(with(dial(), "CallSid", None), "ConferenceSid", Some(conference));
    let recording = recording_callback(&params).unwrap();
    assert_eq!(recording.call_sid, None);
    assert_eq!(recording.conference_sid.unwrap().as_str(), conference);
}

#[test]
fn absent_recording_without_duration_keeps_its_error_code() {
    let params = with(
        with(with(dial(), "RecordingDuration", None), "RecordingStatus", Some("absent")),
        "ErrorCode",
        Some("16101"),
    );
    let recording = recording_callback(&params).unwrap();
    assert_eq!((recording.status, recording.error_code), (RecordingStatus::Absent, Some(16101)));
}

#[test]
fn unknown_status_and_source_are_kept_as_they_are() {
    let params = with(with(dial(), "RecordingStatus", Some("mastered")), "RecordingSource", Some("MoonVerb"));
    let recording = recording_callback(&params).unwrap();
    assert_eq!(recording.status.as_str(), "mastered");
    assert_eq!(recording.source.as_deref(), Some("MoonVerb"));
}

#[test]
fn start_time_in_gmt_is_the_same_as_in_plus_0000() {
    let params = with(dial(), "RecordingStartTime", Some("Tue, 24 Mar 2026 18:15:40 GMT"));
    assert_eq!(recording_callback(&params).unwrap().started_at, recording_callback(&dial()).unwrap().started_at);
}

#[test]
fn encryption_details_are_read_from_their_json() {
    let json = r#"{"type":"rsa-aes","public_key_sid":"CR1","encrypted_cek":"Y2Vr","iv":"aXY="}"#;
    let recording = recording_callback(&with(dial(), "EncryptionDetails", Some(json))).unwrap();
    assert_eq!(recording.encryption.unwrap().iv, "aXY=");
}

#[test]
fn missing_and_malformed_fields_are_named_and_their_values_are_not() {
    for field in ["AccountSid", "RecordingSid", "RecordingStatus"] {
        for value in [None, Some("")] {
            assert_eq!(recording_callback(&with(dial(), field, value)).unwrap_err().field, field);
        }
    }
    for (field, value) in
        [("AccountSid", "ACx"), ("RecordingSid", "../etc"), ("CallSid", "REx"), ("ConferenceSid", "CFx")]
    {
        let error = recording_callback(&with(dial(), field, Some(value))).unwrap_err();
        assert_eq!(error.field, field);
        assert!(!error.to_string().contains(value), "{error}");
    }
}

/// Twilio does not send a refused callback again, so what can be learned later is no reason to refuse one.
#[test]
fn odd_optional_fields_count_as_unknown() {
    for (field, value) in
        [("RecordingChannels", "two"), ("RecordingStartTime", "yesterday"), ("RecordingDuration", "-1")]
    {
        let missing = recording_callback(&with(dial(), field, None)).unwrap();
        assert_eq!(recording_callback(&with(dial(), field, Some(value))).unwrap(), missing, "{field}");
    }
}

#[test]
fn odd_encryption_details_still_say_that_it_is_encrypted() {
    for odd in ["{}", "rsa-aes", r#"{"public_key_sid":7}"#, "[]"] {
        let recording = recording_callback(&with(dial(), "EncryptionDetails", Some(odd))).unwrap();
        assert_eq!(recording.encryption, Some(EncryptionDetails::default()), "{odd}");
    }
    let recording = recording_callback(&with(dial(), "EncryptionDetails", Some("null"))).unwrap();
    assert_eq!(recording.encryption, None);
}

#[test]
fn error_code_of_a_call_is_not_the_recordings() {
    let params = with(with(dial(), "CallStatus", Some("completed")), "ErrorCode", Some("13224"));
    assert_eq!(call_progress_callback(&params).unwrap().recording.unwrap().error_code, None);
}

#[test]
fn completed_call_with_a_recording_names_it_and_another_call_none() {
    let progress = call_progress_callback(&with(dial(), "CallStatus", Some("completed"))).unwrap();
    assert_eq!(progress.recording.unwrap().recording_sid.as_str(), RECORDING);
    let ringing = with(with(dial(), "RecordingSid", None), "CallStatus", Some("ringing"));
    assert_eq!(call_progress_callback(&ringing).unwrap().recording, None);
}
