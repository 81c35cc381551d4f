//! The gate that every deletion passes, and writing down that it was done.

use chrono::{DateTime, Utc};

use crate::change::Change;
use crate::claims::Claim;
use crate::connect::Catalog;
use crate::error::CatalogError;
use crate::permit::{PurgeDecision, PurgePermit};
use crate::policy::{Due, Parts, Policy};
use crate::row::RecordingRow;
use crate::words::{Status, Work};

/// In whose name the audit log says that something was deleted by a rule.
const ACTOR: &str = "callvault";

impl Catalog {
    /// Decides whether anything of the claimed recording is to be deleted at `now`, and marks it. In one transaction:
    /// a hold placed at the same time either is seen here, or is refused because of the mark.
    ///
    /// A mark stands until [`Catalog::complete_purge`] or [`Catalog::withdraw_purge`]: after a crash the same things
    /// are granted again, whatever the policy is by then. With our copy or the transcripts marked, no other work
    /// begins, and whoever still thinks to hold a claim can write nothing more.
    ///
    /// # Errors
    /// [`CatalogError::ClaimLost`]; what the database said.
    pub async fn grant_purge(
        &self,
        claim: &Claim,
        policy: &Policy,
        now: DateTime<Utc>,
    ) -> Result<PurgeDecision, CatalogError> {
        let mut change = self.change_under(claim, Work::Purge).await?;
        if matches!(change.row.status, Status::Absent | Status::Deleted) {
            return Ok(PurgeDecision::Gone);
        }
        if change.row.is_held {
            return Ok(PurgeDecision::Held);
        }
        let Some(chosen) = chosen(policy, &change.row, now) else {
            // The sweep that took it was early by its clock, or had another policy: it is to be found when it is due.
            let untake = sqlx::query("UPDATE recordings SET purge_queued_at = NULL WHERE recording_sid = $1");
            change.execute(untake.bind(claim.recording_sid().as_str())).await?;
            change.commit().await?;
            return Ok(PurgeDecision::NotDue);
        };
        if chosen.parts.has_ours() {
            if change.is_worked_on(claim.lease(), now).await? {
                return Ok(PurgeDecision::Busy);
            }
            change.take_claims_away().await?;
        }
        let mark = sqlx::query(
            "UPDATE recordings SET marked_at = COALESCE(marked_at, $1), marked_rule = $2, marked_parts = $3, \
             updated_at = $1 WHERE recording_sid = $4",
        )
        .bind(now.timestamp_millis())
        .bind(chosen.rule.as_str())
        .bind(chosen.parts.to_string())
        .bind(claim.recording_sid().as_str());
        change.execute(mark).await?;
        let transcripts = change.transcripts().await?;
        let permit = PurgePermit::new(&change.row, &transcripts, chosen.rule, chosen.parts);
        change.commit().await?;
        Ok(PurgeDecision::Granted(permit))
    }

    /// Takes a permit back under which nothing was deleted, with the mark, so that a hold can be placed. A mark that an
    /// earlier attempt left stays: that one may have deleted something.
    ///
    /// # Errors
    /// [`CatalogError::ClaimLost`]; what the database said. The mark stands then.
    pub async fn withdraw_purge(
        &self,
        claim: &Claim,
        permit: PurgePermit,
        now: DateTime<Utc>,
    ) -> Result<(), CatalogError> {
        let mut change = self.change_under_permit(claim, &permit).await?;
        if !permit.was_marked {
            change.set("marked_at = NULL, marked_rule = NULL, marked_parts = NULL", now).await?;
        }
        change.commit().await
    }

    /// The change that ends a permit: it must be of this claim, and name what is marked.
    async fn change_under_permit(&self, claim: &Claim, permit: &PurgePermit) -> Result<Change, CatalogError> {
        let change = self.change_under(claim, Work::Purge).await?;
        let is_marked_so = change.row.mark.as_ref().is_some_and(|mark| mark.parts == permit.parts);
        if permit.recording_sid() != claim.recording_sid() || !is_marked_so {
            return Err(CatalogError::ClaimLost);
        }
        Ok(change)
    }

    /// Writes down that everything the permit names was seen to be gone, with the rule and the evidence in the audit
    /// log. When nothing is left the recording is `deleted`: a tombstone of SIDs, dates and numbers. When something
    /// stays, the mark is taken off it. The claim is given up with it.
    ///
    /// Call it only when all of it is gone: this is the proof of it.
    ///
    /// # Errors
    /// [`CatalogError::ClaimLost`]; what the database said. Ask for a new permit then: deleting again does no harm.
    pub async fn complete_purge(
        &self,
        claim: &Claim,
        permit: PurgePermit,
        evidence: &str,
        now: DateTime<Utc>,
    ) -> Result<RecordingRow, CatalogError> {
        let mut change = self.change_under_permit(claim, &permit).await?;
        let parts = permit.parts;
        change.forget_transcripts(parts).await?;
        let mut columns = Vec::new();
        if parts.twilio {
            columns.push("twilio_deleted_at = $1");
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
        let is_audio_gone = parts.audio || change.row.audio_deleted_at.is_some();
        let is_all_gone = is_audio_gone && (parts.transcripts || !change.row.has_transcripts);
        columns.push(if is_all_gone { BURIED } else { UNMARKED });
        if parts.transcripts && !is_all_gone {
            columns.push(NOT_TRANSCRIBED);
        }
        let row = change.set_and_read(&columns.join(", "), now).await?;
        let hash = permit.media().filter(|media| !media.sha256.is_empty());
        let hash = hash.map(|media| format!("; media of {} bytes, sha256 {}", media.bytes, media.sha256));
        let detail = format!("{}: {parts}; {evidence}{}", permit.rule(), hash.unwrap_or_default());
        change.audit(ACTOR, "purge", &detail, now).await?;
        change.commit_the_end(claim, now).await?;
        Ok(row)
    }
}

/// What is marked already and what is due now. The first rule stays the reason of what it chose.
fn chosen(policy: &Policy, row: &RecordingRow, now: DateTime<Utc>) -> Option<Due> {
    let due = policy.due(row, now);
    let Some(mark) = &row.mark else { return due };
    let due = due.unwrap_or_else(|| Due { parts: Parts::default(), rule: mark.rule.clone() });
    let parts = mark.parts.and(due.parts);
    let is_more = parts != mark.parts;
    let rule = if is_more { format!("{}; {}", mark.rule, due.rule) } else { mark.rule.clone() };
    Some(Due { parts, rule })
}

/// Of what is no more, columns of the row; `$1` is now.
const NO_MEDIA: &str = "audio_deleted_at = $1, media_state = NULL, media_format = NULL, media_object = NULL, \
                        media_bytes = NULL, media_sha256 = NULL, media_sealed_bytes = NULL, flags = '[]'";
const NO_TRANSCRIPTS: &str = "transcripts_deleted_at = $1, has_transcripts = 0";
const NOT_TRANSCRIBED: &str = "status = CASE WHEN status = 'transcribed' THEN 'archived' ELSE status END";
/// Nothing is left. The mark stays with the tombstone: it names the rule.
const BURIED: &str = "status = 'deleted', deleted_at = $1, error = NULL, encryption = NULL";
const UNMARKED: &str = "marked_at = NULL, marked_rule = NULL, marked_parts = NULL, \
                        error = CASE WHEN status = 'failed' THEN error END";

impl Change {
    /// Versions that were only asked for can't be made once the media is gone; of those that were made, a line each stays.
    async fn forget_transcripts(&mut self, parts: Parts) -> Result<(), CatalogError> {
        let unmade = match (parts.audio, parts.transcripts) {
            (_, true) => "DELETE FROM transcripts WHERE recording_sid = $1 AND state <> 'stored'",
            (true, false) => "DELETE FROM transcripts WHERE recording_sid = $1 AND state = 'requested'",
            (false, false) => return Ok(()),
        };
        let sid = self.sid().to_owned();
        self.execute(sqlx::query(unmade).bind(sid.clone())).await?;
        if parts.transcripts {
            let made = "UPDATE transcripts SET object = NULL, language = NULL, words = NULL, sealed_bytes = NULL \
                        WHERE recording_sid = $1";
            self.execute(sqlx::query(made).bind(sid)).await?;
        }
        Ok(())
    }
}
