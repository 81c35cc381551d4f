//! kill -9 at any moment, and what is there afterwards.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_lc_rs::digest;
use chrono::{TimeDelta, Utc};
use rand::{Rng, SeedableRng};
use simulator::{CallPlan, CallbackPlan};

use crate::fleet::Fleet;

const CALLS: u64 = 60;
const KILLS: u32 = 20;

fn plan(index: u64) -> CallPlan {
    #[expect(clippy::disallowed_methods, reason = "recent calls, as seen by processes with the system's clock")]
    let now = Utc::now();
    let plan = CallPlan::nth(index, now - TimeDelta::minutes(10));
    let callbacks = CallbackPlan { duplicates: u32::from(index.is_multiple_of(10)), ..CallbackPlan::default() };
    CallPlan { callbacks, ..plan }
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_killed_at_twenty_moments_loses_and_doubles_nothing() {
    let fleet = Fleet::new().await;
    let mut random = rand::rngs::StdRng::seed_from_u64(20);
    for kill in 0..KILLS {
        let serving = fleet.serve(false).await;
        let calls = (0..CALLS).filter(|index| index % u64::from(KILLS) == u64::from(kill)).map(|index| {
            let twilio = fleet.twilio.clone();
            tokio::spawn(async move { twilio.place_call(plan(index)).await })
        });
        let calls: Vec<_> = calls.collect();
        // The moment is what is random here, not something that is waited for.
        tokio::time::sleep(Duration::from_millis(random.random_range(20..700))).await;
        serving.kill();
        drop(calls);
    }
    let serving = fleet.serve(true).await;
    fleet.settled(CALLS as usize, &["transcribed"]).await;
    check_everything(&fleet);
    drop(serving);
}

fn check_everything(fleet: &Fleet) {
    let mut expected = BTreeSet::new();
    for truth in fleet.twilio.recordings() {
        let sid = truth.recording_sid.as_str();
        let shown = fleet.show(sid);
        let audio = fleet.run(&["recordings", "audio", sid]);
        let hash = digest::digest(&digest::SHA256, &audio.stdout);
        let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(Some(hash.as_str()), truth.sha256.as_deref(), "{sid}");
        assert_eq!(shown["media"]["sha256"], hash.as_str());
        assert_eq!(shown["transcript"]["version"], 1, "{sid}");
        assert_eq!(shown["error"], serde_json::Value::Null, "{sid}");
        expected.insert(shown["media"]["object"].as_str().unwrap().to_owned());
        expected.insert(shown["transcript"]["object"].as_str().unwrap().to_owned());
    }
    let stored = fleet.objects().into_iter().map(|path| path.display().to_string());
    let stored: BTreeSet<_> = stored.filter(|key| !key.starts_with(".unfinished")).collect();
    assert_eq!(stored, expected, "one object of each kind a recording, and nothing else");
    for depth in fleet.json(&["queue", "status"]) {
        assert_eq!(depth["dead"], 0, "{depth}");
    }
}
