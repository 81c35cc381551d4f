//! What a recording lacks on its way, by its row and its transcripts alone.

use crate::row::RecordingRow;
use crate::stuck::{Expects, StuckWork};
use crate::versions::TranscriptRow;
use crate::words::{Status, TranscriptState};

impl RecordingRow {
    /// The steps on its way, deletion aside, that it lacks, whether or not anybody is at them and whatever it stands
    /// still for; `transcripts` are its versions. None where ours is being deleted.
    pub fn lacks(&self, transcripts: &[TranscriptRow], expects: Expects) -> Vec<StuckWork> {
        let mut lacks = Vec::new();
        if self.is_marked {
            return lacks;
        }
        if self.status == Status::Received {
            lacks.push(StuckWork::Archive);
        }
        let can_transcribe =
            self.stored_media().is_some() && self.encryption.is_none() && self.transcripts_deleted_at.is_none();
        if expects.transcribe && can_transcribe {
            let unmade = transcripts.iter().filter(|transcript| transcript.state != TranscriptState::Stored);
            lacks.extend(unmade.map(|transcript| StuckWork::Transcribe { version: transcript.version }));
            if transcripts.is_empty() {
                lacks.push(StuckWork::Transcribe { version: 1 });
            }
        }
        if expects.deliver {
            let undelivered = transcripts.iter().filter(|made| made.is_readable() && made.delivered_at.is_none());
            lacks.extend(undelivered.map(|transcript| StuckWork::Deliver { version: transcript.version }));
        }
        lacks
    }
}
