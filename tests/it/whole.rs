//! That nothing is lost, doubled or changed.

use std::collections::BTreeSet;

use aws_lc_rs::digest;
use serde_json::Value;

use crate::fleet::Fleet;

/// What opens is Twilio's audio byte for byte.
pub(crate) fn assert_opens(fleet: &Fleet, sid: &str) {
    let audio = fleet.run(&["recordings", "audio", sid]);
    assert!(audio.status.success(), "{sid}: {}", String::from_utf8_lossy(&audio.stderr));
    assert_eq!(fleet.truth(sid).sha256, Some(sha256(&audio.stdout)), "{sid}");
    assert_eq!(fleet.show(sid)["media"]["sha256"], sha256(&audio.stdout));
}

/// Lower-case hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, bytes);
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every recording Twilio has is archived byte for byte and transcribed once, the vault holds that and nothing else, and
/// there is no dead letter.
pub(crate) fn assert_whole(fleet: &Fleet) {
    let mut expected = BTreeSet::new();
    for truth in fleet.twilio.recordings() {
        let sid = truth.recording_sid.as_str();
        assert_opens(fleet, sid);
        let shown = fleet.show(sid);
        assert_eq!(shown["transcript"]["version"], 1, "{shown}");
        assert_eq!(shown["error"], Value::Null, "{shown}");
        expected.insert(shown["media"]["object"].as_str().unwrap().to_owned());
        expected.insert(shown["transcript"]["object"].as_str().unwrap().to_owned());
    }
    assert_eq!(stored(fleet), expected, "one object of each kind a recording, and nothing else");
    assert_eq!(fleet.queued("dead"), 0, "{:?}", fleet.json(&["queue", "dead"]));
}

/// The keys of all that is visible in the vault.
fn stored(fleet: &Fleet) -> BTreeSet<String> {
    let keys = fleet.objects().into_iter().map(|path| path.display().to_string());
    keys.filter(|key| !key.starts_with(".unfinished")).collect()
}
