//! Writing down that something was deleted, or that nothing was.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use twilio::RecordingSid;

use crate::changes::{Bound, Changes};
use crate::claims::end;
use crate::connect::Catalog;
use crate::error::CatalogError;
use crate::permit::PurgePermit;
use crate::policy::Parts;
use crate::row::RecordingRow;
use crate::words::Work;

/// In whose name the audit log says that something was deleted by a rule.
const ACTOR: &str = "callvault";

/// A purge that has come to its end: everything the permit names was seen to be gone, and how.
#[derive(Debug)]
pub struct Purged {
    /// What was to be deleted.
    pub permit: PurgePermit,
    /// How it was seen to be gone, for the audit log.
    pub evidence: String,
}

/// What the audit log says of one, as a statement takes it.
#[derive(Serialize)]
struct Entry<'a> {
    sid: &'a RecordingSid,
    detail: String,
}

impl Catalog {
    /// Takes a permit back under which nothing was deleted, with the mark, so that a hold can be placed. A mark that an
    /// earlier attempt left stays: that one may have deleted something.
    ///
    /// # Errors
    /// [`CatalogError::ClaimLost`]; what the database said. The mark stands then.
    pub async fn withdraw_purge(&self, permit: PurgePermit, now: DateTime<Utc>) -> Result<(), CatalogError> {
        let mut change = self.change_under(permit.claim(), Work::Purge).await?;
        if !permit.was_marked() {
            change.set("marked_at = NULL, marked_rule = NULL, marked_parts = NULL", now).await?;
        }
        change.commit().await
    }

    /// Writes down of each that everything its permit names was seen to be gone, with the rule and the evidence in the
    /// audit log, in one transaction. Where nothing is left the recording is `deleted`: a tombstone of SIDs, dates and
    /// numbers. Where something stays, the mark is taken off it. The claims are given up with it.
    ///
    /// Call it only when all of it is gone: this is the proof of it. Of each: [`CatalogError::ClaimLost`]; ask for a new
    /// permit then, deleting again does no harm.
    ///
    /// # Errors
    /// What the database said; the same holds for all of them then.
    pub async fn complete_purges(
        &self,
        purged: Vec<Purged>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Result<(), CatalogError>>, CatalogError> {
        let sids: Vec<_> = purged.iter().map(|purged| purged.permit.recording_sid().clone()).collect();
        let mut changes = self.changes(&sids).await?;
        let select = "SELECT recording_sid, fence FROM claims WHERE recording_sid IN ({listed}) AND work = 'purge'";
        let fences = changes.fences(select, &sids, &[]).await?;
        let is_newest =
            |purged: &Purged| fences.get(purged.permit.recording_sid()) == Some(&purged.permit.claim().fence());
        let are_valid: Vec<bool> = purged.iter().map(is_newest).collect();
        let valid: Vec<_> = purged.iter().zip(&are_valid).filter(|(_, is)| **is).map(|(purged, _)| purged).collect();
        let claims: Vec<_> = valid.iter().map(|purged| purged.permit.claim()).collect();
        let committing = async {
            changes.bury(&valid, now).await?;
            changes.commit().await
        };
        end(&claims, committing).await?;
        Ok(are_valid.into_iter().map(|is| if is { Ok(()) } else { Err(CatalogError::ClaimLost) }).collect())
    }

    /// [`Catalog::complete_purges`] of one recording, for tests.
    ///
    /// # Errors
    /// [`CatalogError::ClaimLost`]; what the database said.
    #[cfg(feature = "testing")]
    pub async fn complete_purge(
        &self,
        permit: PurgePermit,
        evidence: &str,
        now: DateTime<Utc>,
    ) -> Result<(), CatalogError> {
        let purged = Purged { permit, evidence: evidence.to_owned() };
        self.complete_purges(vec![purged], now).await?.into_iter().collect()
    }
}

impl Changes {
    async fn bury(&mut self, purged: &[&Purged], now: DateTime<Utc>) -> Result<(), CatalogError> {
        self.forget_transcripts(purged).await?;
        let mut alike: BTreeMap<String, Vec<&RecordingSid>> = BTreeMap::new();
        for Purged { permit, .. } in purged {
            if let Some(row) = self.rows.get(permit.recording_sid()) {
                alike.entry(columns(row, permit.parts())).or_default().push(permit.recording_sid());
            }
        }
        let at = [Bound::Number(now.timestamp_millis())];
        for (columns, sids) in alike {
            let update =
                format!("UPDATE recordings SET {columns}, updated_at = $2 WHERE recording_sid IN ({{listed}})");
            self.run(&update, &sids, &at).await?;
        }
        let entries: Vec<_> = purged.iter().map(|purged| purged.entry()).collect();
        let insert = "INSERT INTO audit (at, actor, action, recording_sid, detail) \
                      SELECT $2, $3, 'purge', entry.value ->> 'sid', entry.value ->> 'detail' FROM {each} AS entry";
        self.run(insert, &entries, &[Bound::Number(now.timestamp_millis()), Bound::Text(ACTOR)]).await?;
        let sids: Vec<_> = purged.iter().map(|purged| purged.permit.recording_sid()).collect();
        let give_up = "UPDATE claims SET expires_at = $2 WHERE recording_sid IN ({listed}) AND work = 'purge'";
        self.run(give_up, &sids, &at).await.map(drop)
    }

    /// Versions that were only asked for can't be made once the media is gone; of those that were made, a line each stays.
    async fn forget_transcripts(&mut self, purged: &[&Purged]) -> Result<(), CatalogError> {
        let of = |is: fn(Parts) -> bool| -> Vec<_> {
            let permits = purged.iter().map(|purged| &purged.permit);
            permits.filter(|permit| is(permit.parts())).map(PurgePermit::recording_sid).collect()
        };
        let with_transcripts = of(|parts| parts.transcripts);
        let without = of(|parts| parts.audio && !parts.transcripts);
        let unmade = "DELETE FROM transcripts WHERE recording_sid IN ({listed}) AND state <> 'stored'";
        self.run(unmade, &with_transcripts, &[]).await?;
        let made = "UPDATE transcripts SET object = NULL, language = NULL, words = NULL, sealed_bytes = NULL \
                    WHERE recording_sid IN ({listed})";
        self.run(made, &with_transcripts, &[]).await?;
        let asked_for = "DELETE FROM transcripts WHERE recording_sid IN ({listed}) AND state = 'requested'";
        self.run(asked_for, &without, &[]).await.map(drop)
    }
}

impl Purged {
    fn entry(&self) -> Entry<'_> {
        let Purged { permit, evidence } = self;
        let hash = permit.media().filter(|media| !media.sha256.is_empty());
        let hash = hash.map(|media| format!("; media of {} bytes, sha256 {}", media.bytes, media.sha256));
        let detail = format!("{}: {}; {evidence}{}", permit.rule(), permit.parts(), hash.unwrap_or_default());
        Entry { sid: permit.recording_sid(), detail }
    }
}

/// What is set of a row whose `parts` are gone; `$2` is now.
fn columns(row: &RecordingRow, parts: Parts) -> String {
    let mut columns = Vec::new();
    if parts.twilio {
        columns.push("twilio_deleted_at = $2");
    }
    if parts.audio {
        columns.push(NO_MEDIA);
    }
    if parts.transcripts {
        columns.push(NO_TRANSCRIPTS);
    }
    if parts.has_ours() {
        columns.push("leftover_objects = '[]'");
    }
    let is_audio_gone = parts.audio || row.audio_deleted_at.is_some();
    let is_all_gone = is_audio_gone && (parts.transcripts || !row.has_transcripts);
    columns.push(if is_all_gone { BURIED } else { UNMARKED });
    if parts.transcripts && !is_all_gone {
        columns.push(NOT_TRANSCRIBED);
    }
    columns.join(", ")
}

const NO_MEDIA: &str = "audio_deleted_at = $2, media_state = NULL, media_format = NULL, media_object = NULL, \
                        media_bytes = NULL, media_sha256 = NULL, media_sealed_bytes = NULL, flags = '[]'";
const NO_TRANSCRIPTS: &str = "transcripts_deleted_at = $2, has_transcripts = 0";
const NOT_TRANSCRIBED: &str = "status = CASE WHEN status = 'transcribed' THEN 'archived' ELSE status END";
/// Nothing is left. The mark stays with the tombstone: it names the rule.
const BURIED: &str = "status = 'deleted', deleted_at = $2, error = NULL, encryption = NULL";
const UNMARKED: &str = "marked_at = NULL, marked_rule = NULL, marked_parts = NULL, \
                        error = CASE WHEN status = 'failed' THEN error END";
