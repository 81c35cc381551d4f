//! Nothing secret is in the logs, however much is logged.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use simulator::{CallPlan, CallbackPlan, Faults, MediaPlan, clips};
use twilio::Algorithm;

use crate::fleet::{ACCOUNT, Fleet, TOKEN, call, until};
use crate::receiver::{Receiver, SECRET};

const API_KEY: &str = "SKcccccccccccccccccccccccccccccccc";
const API_SECRET: &str = "api-key-secret-0123456789";
const DEEPGRAM_KEY: &str = "deepgram-key-0123456789";
const URL_TOKEN: &str = "token-in-the-delivery-url";
const FROM: &str = "+14155551234";
const TO: &str = "+442079460123";

/// A call-progress callback, which has both numbers in it, signed with `token`; the status it is answered with.
async fn call_progress(fleet: &Fleet, recording_sid: &str, token: &str) -> u16 {
    let form: Vec<(String, String)> = [
        ("AccountSid", ACCOUNT),
        ("CallSid", "CAbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"),
        ("CallStatus", "completed"),
        ("Caller", FROM),
        ("From", FROM),
        ("To", TO),
        ("RecordingSid", recording_sid),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let url = "https://voice.example.com/webhooks/voice/status";
    let signature = twilio::sign(url, &form, &SecretString::from(token), Algorithm::HmacSha1);
    let request = reqwest::Client::new().post(fleet.ingest_url("/webhooks/voice/status")).form(&form);
    request.header("X-Twilio-Signature", signature).send().await.unwrap().status().as_u16()
}

/// All that can be said, said: the main job with a delivery, refused callbacks, and failures of every peer.
async fn log_of_everything(settings: &[(&'static str, &str)]) -> String {
    let mut fleet = Fleet::new().await;
    let receiver = Receiver::start(&mut fleet, &["500", "200"]).await;
    fleet.set("DELIVERY_WEBHOOK_URL", format!("http://127.0.0.1:{}/hook?token={URL_TOKEN}", receiver.port()));
    fleet.twilio.add_api_key(API_KEY, API_SECRET.into());
    fleet.twilio.set_transcriber_key(DEEPGRAM_KEY.into());
    for (name, value) in
        [("TWILIO_API_KEY_SID", API_KEY), ("TWILIO_API_KEY_SECRET", API_SECRET), ("DEEPGRAM_API_KEY", DEEPGRAM_KEY)]
            .iter()
            .chain(settings)
    {
        fleet.set(name, *value);
    }
    let serving = fleet.serve(true).await;
    fleet.twilio.set_faults(Faults { transcriber_error_every: Some(1), ..Faults::default() });
    let callbacks = CallbackPlan { forged: true, ..CallbackPlan::default() };
    for index in 0..2 {
        fleet
            .place(CallPlan { callbacks: callbacks.clone(), media: MediaPlan::Clip(index as usize), ..call(index) })
            .await;
    }
    until("the transcriber failed", async || fleet.logged(&["stage=transcribe", "retry"])).await;
    fleet.twilio.set_faults(Faults { server_error_every: Some(1), ..Faults::default() });
    let sid = fleet.twilio.add_recording(call(2)).recording_sid;
    assert_eq!(call_progress(&fleet, sid.as_str(), "another token").await, 403);
    assert_eq!(call_progress(&fleet, sid.as_str(), TOKEN).await, 200);
    until("Twilio failed", async || fleet.logged(&["stage=archive", "retry"])).await;
    fleet.twilio.set_faults(Faults::default());
    fleet.settled(3, &["transcribed"]).await;
    until("all are delivered", async || receiver.posts().len() == 4).await;
    fleet.idle().await;
    assert_eq!(serving.stop(), Some(0));
    fleet.log()
}

fn assert_keeps_secrets(log: &str) {
    assert!(log.contains("+1415****234") && log.contains("+4420****123"), "numbers are shown masked");
    let basic = STANDARD.encode(format!("{API_KEY}:{API_SECRET}"));
    let key = SECRET.trim_start_matches("whsec_");
    let secrets = [TOKEN, API_SECRET, DEEPGRAM_KEY, URL_TOKEN, FROM, TO, key, &basic, "AGE-SECRET-KEY"];
    let words = clips()[..3].iter().flat_map(|clip| clip.text.split(|c: char| !c.is_alphabetic()));
    // Servers that fail say please too.
    let words = words.filter(|word| word.len() > 5 && *word != "Please");
    let told = words.chain(secrets).find(|secret| log.contains(secret));
    let line = told.map(|told| log.lines().find(|line| line.contains(told)).unwrap());
    assert_eq!(told, None, "{line:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn log_at_level_debug_keeps_secrets_numbers_and_what_was_said() {
    assert_keeps_secrets(&log_of_everything(&[("LOG_LEVEL", "debug")]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn log_at_level_trace_keeps_secrets_numbers_and_what_was_said() {
    assert_keeps_secrets(&log_of_everything(&[("LOG_LEVEL", "trace")]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn log_of_every_library_keeps_secrets_numbers_and_what_was_said() {
    let log = log_of_everything(&[("RUST_LOG", "trace")]).await;
    assert!(log.contains(" TRACE "), "the level is in force");
    assert_keeps_secrets(&log);
}
