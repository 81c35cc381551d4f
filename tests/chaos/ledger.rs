//! The check of the books: what Twilio made against what there is, with nothing of the product's own in between. Objects are opened by Debian's `age`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use aws_lc_rs::digest;
use serde_json::Value;
use simulator::{PlannedRecording, SimulatedRecording};

use crate::calls::{Call, End};
use crate::calm::end;
use crate::process::until;
use crate::rows::{self, Recording, Transcript};
use crate::world::{BUCKET, World};

const COUNTED_WITHIN: Duration = Duration::from_secs(30);

/// Everything that is not as it has to be, each in a line.
pub(crate) async fn exceptions(
    world: &World,
    folder: &Path,
    calls: &[Call],
    placed: &[PlannedRecording],
) -> anyhow::Result<Vec<String>> {
    let mut ledger = Ledger {
        vault: folder.join("s3").join(BUCKET),
        identity: folder.join("identity.txt"),
        transcripts: rows::transcripts(world).await?,
        taken: world.receiver.taken(),
        owned: BTreeSet::new(),
        exceptions: Vec::new(),
    };
    let mut rows: BTreeMap<String, Recording> = BTreeMap::new();
    for row in rows::recordings(world).await? {
        rows.insert(row.recording_sid.clone(), row);
    }
    for truth in world.twilio.recordings() {
        match rows.remove(truth.recording_sid.as_str()) {
            Some(row) => ledger.check(&truth, &row, end(calls, truth.index)?),
            None => ledger.note(truth.recording_sid.as_str(), "is in no row: lost"),
        }
    }
    for sid in rows.keys() {
        ledger.note(sid, "is a row of no recording: a forged callback left it");
    }
    let mut ids = ledger.taken.keys().cloned().collect::<Vec<_>>();
    ids.retain(|id| !ledger.owned.contains(id));
    ids.iter().for_each(|id| ledger.note(id, "was delivered and should not have been"));
    ledger.check_vault()?;
    ledger.check_forged(placed);
    ledger.check_left_behind(world, folder).await?;
    Ok(ledger.exceptions)
}

struct Ledger {
    vault: PathBuf,
    identity: PathBuf,
    transcripts: Vec<Transcript>,
    taken: BTreeMap<String, u32>,
    /// The objects and deliveries that a row accounts for.
    owned: BTreeSet<String>,
    exceptions: Vec<String>,
}

impl Ledger {
    fn note(&mut self, sid: &str, what: impl std::fmt::Display) {
        self.exceptions.push(format!("{sid} {what}"));
    }

    fn require(&mut self, is_so: bool, sid: &str, what: impl std::fmt::Display) {
        if !is_so {
            self.note(sid, what);
        }
    }

    fn check(&mut self, truth: &SimulatedRecording, row: &Recording, end: End) {
        let sid = row.recording_sid.as_str();
        self.require(row.status == end.status(), sid, format!("is {}, not {}: {row:?}", row.status, end.status()));
        let has_reason = matches!(end, End::Absent | End::Failed);
        self.require(has_reason == row.error.is_some(), sid, format!("says the error {:?}", row.error));
        self.require(row.leftover_objects == "[]", sid, format!("has leftovers {}", row.leftover_objects));
        let has_media = matches!(end, End::Transcribed | End::Archived);
        self.require(has_media == row.media_object.is_some(), sid, format!("has the object {:?}", row.media_object));
        if let Some(object) = row.media_object.as_deref().filter(|_| has_media) {
            self.check_media(truth, row, object);
        }
        self.check_transcripts(truth, end);
        if end == End::Deleted {
            self.require(truth.status == "deleted", sid, format!("is deleted here and {} at Twilio", truth.status));
        } else {
            self.require(truth.status != "deleted", sid, "was deleted at Twilio before its day");
        }
    }

    fn check_media(&mut self, truth: &SimulatedRecording, row: &Recording, object: &str) {
        let sid = row.recording_sid.as_str();
        let is_flagged = row.flags.contains("shorter_than_its_header") || row.flags.contains("duration_differs");
        self.require(!is_flagged, sid, format!("is flagged {}", row.flags));
        self.require(row.media_state.as_deref() == Some("stored"), sid, format!("is {:?}", row.media_state));
        self.require(row.media_sha256 == truth.sha256, sid, "has another hash in its row than at Twilio");
        match self.opened(object) {
            Ok(media) => self.require(Some(sha256(&media)) == truth.sha256, sid, "is not Twilio's byte for byte"),
            Err(error) => self.note(sid, format!("does not open: {error:#}")),
        }
    }

    fn check_transcripts(&mut self, truth: &SimulatedRecording, end: End) {
        let sid = truth.recording_sid.as_str();
        let own = self.transcripts.iter().filter(|transcript| transcript.recording_sid == sid);
        let own: Vec<_> =
            own.map(|one| (one.version, one.state.clone(), one.object.clone(), one.delivered_at)).collect();
        let id = format!("msg_{sid}_v1");
        if end == End::Transcribed {
            self.require(self.taken.contains_key(&id), sid, "was never delivered");
        }
        if matches!(end, End::Transcribed | End::Deleted) {
            self.owned.insert(id);
        }
        match own.as_slice() {
            [(1, state, Some(object), Some(_))] if state == "stored" && end == End::Transcribed => {
                match self.opened(object) {
                    Ok(json) => {
                        self.require(says(&json, &truth.text), sid, "has a transcript that says something else")
                    }
                    Err(error) => self.note(sid, format!("has a transcript that does not open: {error:#}")),
                }
            }
            [] if end != End::Transcribed => {}
            [(1, _, None, _)] if end == End::Deleted => {}
            _ => self.note(sid, format!("has the transcripts {own:?}")),
        }
    }

    /// What `age` makes of an object, which is then accounted for.
    fn opened(&mut self, object: &str) -> anyhow::Result<Vec<u8>> {
        self.owned.insert(object.to_owned());
        let mut age = Command::new("age");
        age.args(["--decrypt", "--identity"]).arg(&self.identity).stdin(File::open(self.vault.join(object))?);
        let output = age.output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(output.stdout)
    }

    fn check_vault(&mut self) -> anyhow::Result<()> {
        for object in files(&self.vault)? {
            self.require(self.owned.contains(&object), &object, "is an object of no row");
        }
        Ok(())
    }

    fn check_forged(&mut self, placed: &[PlannedRecording]) {
        for call in placed {
            let is_taken = call.callbacks.iter().any(|callback| callback.is_forged && callback.is_accepted());
            self.require(!is_taken, call.recording_sid.as_str(), "had a forged callback that was accepted");
        }
    }

    async fn check_left_behind(&mut self, world: &World, folder: &Path) -> anyhow::Result<()> {
        for file in files(&folder.join("s3"))? {
            // What the server itself lost sight of, as it was killed, nobody else can clear away.
            let upload = file.strip_prefix(".listed-").map(|id| folder.join(format!("s3/.upload-{id}.json")));
            self.require(!upload.is_some_and(|upload| upload.exists()), &file, "is an unfinished upload");
        }
        files(&folder.join("tmp"))?.iter().for_each(|file| self.note(file, "is a file on disk that was left behind"));
        let queues = async || {
            let queues = world.servers.rabbitmq.lock().await.queues(&world.name).await?;
            let queues = queues.into_iter().filter(|queue| !queue.is_probe() && queue.messages > 0);
            anyhow::Ok(queues.collect::<Vec<_>>())
        };
        let is_empty = async || queues().await.is_ok_and(|queues| queues.is_empty());
        if until("all queues are empty", COUNTED_WITHIN, is_empty).await.is_err() {
            self.exceptions.push(format!("queues are not empty: {:?}", queues().await?));
        }
        let claims = rows::live_claims(world).await?;
        self.require(claims == 0, &claims.to_string(), "claims are still held");
        for (role, end) in world.fleet.ends() {
            // What ends for want of a server at its start is started again; what ends otherwise has a fault of its own.
            self.require(end.ends_with("exit status: 1"), &role.to_string(), end);
        }
        for file in files(folder)?.iter().filter(|file| file.ends_with(".log")) {
            let log = std::fs::read_to_string(folder.join(file))?;
            let panics = log.lines().filter(|line| line.contains("panicked at"));
            panics.for_each(|line| self.note(file, line));
        }
        Ok(())
    }
}

/// Every file below a folder, by its path from there.
fn files(root: &Path) -> anyhow::Result<Vec<String>> {
    let (mut folders, mut found) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { found.push(path.strip_prefix(root)?.display().to_string()) }
        }
    }
    Ok(found)
}

fn says(json: &[u8], text: &str) -> bool {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let said: Result<Value, _> = serde_json::from_slice(json);
    said.is_ok_and(|said| words(said["text"].as_str().unwrap_or_default()) == words(text))
}

/// Lower-case hex.
fn sha256(bytes: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, bytes);
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
