//! A real recogniser hears real speech, from callback to transcript.

use simulator::{CallPlan, MediaPlan, clips};

use crate::fleet::{Fleet, call};

/// Debian's pocketsphinx hears "we need more information on whether the new england".
#[tokio::test(flavor = "multi_thread")]
async fn pocketsphinx_transcribes_what_espeak_said_in_a_call() {
    let mut fleet = Fleet::new().await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/transcriber/tests/it/recognise.sh");
    fleet.set("TRANSCRIPTION_PROVIDER", "command");
    fleet.set("TRANSCRIPTION_COMMAND", format!("'{script}'"));
    let _serving = fleet.serve(true).await;
    let weather = clips().iter().position(|clip| clip.name == "weather").unwrap();
    let sid = fleet.place(CallPlan { media: MediaPlan::Clip(weather), ..call(0) }).await;
    fleet.settled(1, &["transcribed"]).await;

    let transcript = fleet.json(&["recordings", "transcript", &sid]).remove(0);
    let text = transcript["text"].as_str().unwrap();
    let expected = ["need", "more", "information", "new", "england"];
    let heard = expected.iter().filter(|word| text.split_whitespace().any(|said| said == **word)).count();
    assert!(heard >= 4, "heard {text:?}");
    assert_eq!(transcript["provider"], "command");
}
