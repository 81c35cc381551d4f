//! Transcribe: the vault's media through the transcriber, the transcript sealed beside it.

use std::sync::Arc;
use std::time::Instant;

use catalog::{Catalog, RecordingRow, StoredTranscript, TranscriptState, Work};
use futures::StreamExt;
use futures::stream;
use queue::{Clock, Job, Queue};
use tokio_util::sync::CancellationToken;
use transcriber::{FaultKind, Media, TranscribeOptions, Transcriber, TranscriberError, Transcript, Transcription};
use twilio::RecordingSid;
use vault::{ObjectKey, Vault};

use crate::breaker::{Allowance, Breaker, Down};
use crate::budget::MemoryBudget;
use crate::claimed::{Claims, Held};
use crate::fault::{Fault, Handled, chain};
use crate::observe::name_call;
use crate::stray::remove_stray;

/// The transcribe stage.
#[derive(Debug, Clone)]
pub struct Transcribe {
    /// Where the next job is published.
    pub queue: Arc<dyn Queue>,
    /// The truth about each recording.
    pub catalog: Catalog,
    /// Where media is read and transcripts go; it must hold the identity that opens them.
    pub vault: Vault,
    /// Who transcribes.
    pub transcriber: Arc<dyn Transcriber>,
    /// Model and language asked for, unless a version asks for its own model.
    pub options: TranscribeOptions,
    /// The one clock.
    pub clock: Clock,
    /// The bound on media in memory.
    pub budget: MemoryBudget,
    /// Whether finished transcripts are posted somewhere.
    pub delivers: bool,
    /// Closed while the transcriber works. Clones share it.
    pub breaker: Breaker,
    /// Whether what it transcribes is of a backfill, and so its next job.
    pub is_backfill: bool,
}

impl Transcribe {
    /// The same for old recordings.
    pub(crate) fn of_backfill(&self) -> Transcribe {
        Transcribe { is_backfill: true, ..self.clone() }
    }

    /// Makes `version` of the recording's transcript unless it is made. Safe to run again: a version once stored is
    /// never made anew, and a crash before that costs the transcriber's work a second time, never a second version.
    pub async fn handle(&self, sid: &RecordingSid, version: u32, stop: &CancellationToken) -> Handled {
        let row = self.row(sid).await?;
        name_call(&row);
        if let Some(nothing_to_do) = self.settled(&row, version).await? {
            return Ok(nothing_to_do);
        }
        let claims = Claims { catalog: self.catalog.clone(), clock: self.clock.clone(), lease: self.queue.lease() };
        claims.with(sid, Work::Transcribe, stop, |held| self.transcribe(sid, version, held)).await
    }

    /// How many jobs to receive, as far as the transcriber is concerned.
    pub(crate) fn allowance(&self) -> Allowance {
        self.breaker.allowance(Instant::now())
    }

    /// A job was received that may show whether the transcriber is back.
    pub(crate) fn tried(&self) {
        self.breaker.tried(Instant::now());
    }

    async fn settled(&self, row: &RecordingRow, version: u32) -> Result<Option<&'static str>, Fault> {
        if row.is_marked || row.has_lost(Work::Transcribe) {
            self.remove_stray(row, version).await?;
            return Ok(Some("already deleted"));
        }
        if row.encryption.is_some() {
            return Ok(Some("not transcribed: encrypted by Twilio"));
        }
        let stored = self
            .catalog
            .transcript(&row.recording_sid, version)
            .await?
            .filter(|row| row.state == TranscriptState::Stored);
        if stored.is_some() {
            self.hand_on(row, version).await?;
            return Ok(Some("already transcribed"));
        }
        Ok(None)
    }

    async fn transcribe(&self, sid: &RecordingSid, version: u32, held: Held) -> Handled {
        // Another worker may have finished between the first look and the claim.
        let row = held.claim.row().clone();
        if let Some(done) = self.settled(&row, version).await? {
            return Ok(done);
        }
        let asked = self.catalog.transcript(sid, version).await?.and_then(|row| row.model);
        let options = TranscribeOptions {
            model: asked.or_else(|| self.options.model.clone()),
            language: self.options.language.clone(),
        };
        let key = transcript_key(&row, version);
        let provider = self.transcriber.provider();
        self.catalog.stage_transcript(&held.claim, version, provider, key.as_str(), self.clock.now()).await?;
        let (media, _memory) = self.media(&row).await?;
        let made = self.hear(sid, media, &options).await?;
        let transcript = Transcript::new(row.recording_sid.clone(), row.call_sid.clone(), version, provider, made);
        self.store(&row, &held, &key, &transcript).await?;
        self.hand_on(&row, version).await?;
        Ok("transcribed")
    }

    /// Has it transcribed, and learns from that whether the transcriber is up.
    async fn hear(
        &self,
        sid: &RecordingSid,
        media: Media,
        options: &TranscribeOptions,
    ) -> Result<Transcription, Fault> {
        let made = self.transcriber.transcribe(media, options).await;
        match &made {
            Err(error) if error.kind == FaultKind::Transient => return Err(self.why_not(sid, error).await),
            Err(error) if error.kind != FaultKind::Rejected => {}
            _ if self.breaker.succeeded() => {
                tracing::info!(provider = self.transcriber.provider(), "the transcriber is back");
            }
            _ => {}
        }
        Ok(made?)
    }

    async fn why_not(&self, sid: &RecordingSid, error: &TranscriberError) -> Fault {
        let why = chain(error);
        let probe = self.transcriber.check().await;
        let is_down = probe.is_err_and(|error| error.kind == FaultKind::Transient);
        match self.breaker.failed(sid, is_down, Instant::now()) {
            Down::No => return Fault::Transient(why),
            Down::Still => {}
            Down::FromNowOn => {
                let provider = self.transcriber.provider();
                tracing::warn!(
                    provider,
                    why,
                    "the transcriber is down: jobs wait in the queue, one is tried now and then"
                );
            }
        }
        Fault::Away(why)
    }

    /// The opened media, and the memory it may hold while it is read.
    async fn media(&self, row: &RecordingRow) -> Result<(Media, tokio::sync::OwnedSemaphorePermit), Fault> {
        let Some(media) = row.media.as_ref().filter(|_| row.is_archived()) else {
            return Err(Fault::Rejected("there is no archived media to transcribe".to_owned()));
        };
        let held_bytes = self.transcriber.memory_bytes(media.bytes).max(crate::budget::STREAM_BYTES);
        let Some(memory) = self.budget.hold(held_bytes).await else {
            let why = format!("{} MiB of media held in memory is over WORKER_MEMORY_MB", held_bytes >> 20);
            return Err(Fault::Rejected(why));
        };
        let key: ObjectKey = media.object.parse().map_err(|error| Fault::Rejected(format!("{error}")))?;
        let body = self.vault.open(&key).await?;
        let media = Media {
            format: media.format,
            channels: row.channels.unwrap_or(1),
            bytes: media.bytes,
            duration_secs: row.duration_secs.map(f64::from),
            body,
        };
        Ok((media, memory))
    }

    async fn store(
        &self,
        row: &RecordingRow,
        held: &Held,
        key: &ObjectKey,
        transcript: &Transcript,
    ) -> Result<(), Fault> {
        let json = serde_json::to_vec(transcript).map_err(|error| Fault::Rejected(error.to_string()))?;
        let body = held.fenced(stream::iter([Ok(json.into())]).boxed());
        // Told no length, the store tries again by itself: what fails here costs the transcriber's work once more.
        let sealed = self.vault.seal(key, body, None).await;
        let sealed = sealed.map_err(|error| held.fault().unwrap_or_else(|| error.into()))?;
        let stored = StoredTranscript {
            version: transcript.version,
            provider: transcript.provider.clone(),
            model: transcript.model.clone(),
            language: transcript.language.clone(),
            words: transcript.words() as u64,
            sealed_bytes: sealed.sealed_bytes,
        };
        let now = self.clock.now();
        if let Err(error) = self.catalog.store_transcript(&held.claim, &stored, now).await {
            self.remove_stray(row, transcript.version).await?;
            return Err(error.into());
        }
        if !self.is_backfill {
            let since_callback = (now - row.received_at).to_std().unwrap_or_default();
            metrics::histogram!("callvault_callback_to_transcript_seconds").record(since_callback);
        }
        Ok(())
    }

    /// Deletes what this or an earlier attempt put in the vault after a purge had deleted it.
    async fn remove_stray(&self, row: &RecordingRow, version: u32) -> Result<(), Fault> {
        let key = transcript_key(row, version);
        let object = (&row.recording_sid, Work::Transcribe, &key);
        remove_stray(&self.catalog, self.vault.store().as_ref(), &self.clock, object).await.map(|_| ())
    }

    async fn hand_on(&self, row: &RecordingRow, version: u32) -> Result<(), Fault> {
        if self.delivers {
            let job = Job::DeliverV1 {
                account_sid: row.account_sid.clone(),
                recording_sid: row.recording_sid.clone(),
                version,
                is_backfill: self.is_backfill,
            };
            self.queue.publish(&job, std::time::Duration::ZERO).await?;
        }
        Ok(())
    }

    async fn row(&self, sid: &RecordingSid) -> Result<RecordingRow, Fault> {
        let row = self.catalog.recording(sid).await?;
        row.ok_or_else(|| Fault::Rejected("the catalog knows no such recording".to_owned()))
    }
}

fn transcript_key(row: &RecordingRow, version: u32) -> ObjectKey {
    let started = row.started_at.unwrap_or(row.received_at).date_naive();
    ObjectKey::transcript(&row.account_sid, &row.recording_sid, started, version)
}
