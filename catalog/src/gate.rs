//! The gate that every deletion passes.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::Row;
use twilio::RecordingSid;

use crate::changes::{Bound, Changes};
use crate::claims::{Claim, believed_until, expiry, is_live};
use crate::columns::Columns;
use crate::connect::Catalog;
use crate::error::CatalogError;
use crate::permit::{PurgeDecision, PurgePermit};
use crate::policy::{Due, Parts, Policy};
use crate::row::RecordingRow;
use crate::versions::TranscriptRow;
use crate::words::{Status, Work};

/// Whether anything of a recording is to be deleted.
enum Judged {
    /// No, and this is to be said.
    No(PurgeDecision),
    Yes(Due),
}

/// A recording that is to be marked, as a statement takes it.
#[derive(Serialize)]
struct Chosen<'a> {
    sid: &'a RecordingSid,
    rule: &'a str,
    parts: String,
}

/// When claims on a recording run out: of purges, and of any other work.
#[derive(Default)]
struct Expiries {
    purge: Vec<i64>,
    other: Vec<i64>,
}

impl Catalog {
    /// Decides of each recording whether anything of it is to be deleted at `now`. What is, is marked, and claimed for
    /// purge until `now + lease`. All in one transaction: a hold placed at the same time either is seen here, or is
    /// refused because of the mark.
    ///
    /// A mark stands until [`Catalog::complete_purges`] or [`Catalog::withdraw_purge`]: after a crash the same things
    /// are granted again, whatever the policy is by then. With our copy or the transcripts marked, no other work
    /// begins, and whoever still thinks to hold a claim can write nothing more.
    ///
    /// Of each: [`CatalogError::UnknownRecording`]; what is named twice is [`PurgeDecision::Claimed`] the second time.
    ///
    /// # Errors
    /// What the database said; nothing is granted then.
    pub async fn grant_purges(
        &self,
        sids: &[RecordingSid],
        policy: &Policy,
        lease: Duration,
        now: DateTime<Utc>,
    ) -> Result<Vec<Result<PurgeDecision, CatalogError>>, CatalogError> {
        let mut changes = self.changes(sids).await?;
        let expiries = changes.expiries(sids).await?;
        let (mut decisions, mut due) = (Vec::new(), HashMap::new());
        for sid in sids {
            let nobody = Expiries::default();
            let judge = |row| judge(row, expiries.get(sid).unwrap_or(&nobody), policy, lease, now);
            decisions.push(match changes.rows.get(sid).map(judge) {
                None => Err(CatalogError::UnknownRecording(sid.clone())),
                Some(Judged::No(decision)) => Ok(decision),
                // Its permit takes the place of this one at its first mention.
                Some(Judged::Yes(chosen)) => {
                    due.insert(sid.clone(), chosen);
                    Ok(PurgeDecision::Claimed)
                }
            });
        }
        let is_early = |decision: &Result<_, _>| matches!(decision, Ok(PurgeDecision::NotDue));
        let early: Vec<_> =
            sids.iter().zip(&decisions).filter(|(_, said)| is_early(said)).map(|(sid, _)| sid).collect();
        changes.untake(&early).await?;
        let mut permits = changes.permits(due, lease, now).await?;
        changes.commit().await?;
        for (sid, decision) in sids.iter().zip(&mut decisions) {
            if let Some(permit) = permits.remove(sid) {
                *decision = Ok(PurgeDecision::Granted(permit));
            }
        }
        Ok(decisions)
    }

    /// [`Catalog::grant_purges`] of one recording, for tests.
    ///
    /// # Errors
    /// [`CatalogError::UnknownRecording`]; what the database said.
    #[cfg(feature = "testing")]
    pub async fn grant_purge(
        &self,
        sid: &RecordingSid,
        policy: &Policy,
        lease: Duration,
        now: DateTime<Utc>,
    ) -> Result<PurgeDecision, CatalogError> {
        let decisions = self.grant_purges(std::slice::from_ref(sid), policy, lease, now).await?;
        decisions.into_iter().next().unwrap_or_else(|| Err(CatalogError::UnknownRecording(sid.clone())))
    }
}

fn judge(row: &RecordingRow, claims: &Expiries, policy: &Policy, lease: Duration, now: DateTime<Utc>) -> Judged {
    let is_held_now = |expiries: &[i64]| expiries.iter().any(|expires_at| is_live(*expires_at, lease, now));
    if is_held_now(&claims.purge) {
        return Judged::No(PurgeDecision::Claimed);
    }
    if matches!(row.status, Status::Absent | Status::Deleted) {
        return Judged::No(PurgeDecision::Gone);
    }
    if row.is_held {
        return Judged::No(PurgeDecision::Held);
    }
    match chosen(policy, row, now) {
        None => Judged::No(PurgeDecision::NotDue),
        Some(due) if due.parts.has_ours() && is_held_now(&claims.other) => Judged::No(PurgeDecision::Busy),
        Some(due) => Judged::Yes(due),
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

impl Changes {
    async fn expiries(&mut self, sids: &[RecordingSid]) -> Result<HashMap<RecordingSid, Expiries>, CatalogError> {
        let select = "SELECT recording_sid, work, expires_at FROM claims WHERE recording_sid IN ({listed})";
        let mut expiries: HashMap<RecordingSid, Expiries> = HashMap::new();
        for row in self.run(select, sids, &[]).await? {
            let of_one = expiries.entry(Columns(&row).parsed("recording_sid")?).or_default();
            let of_work = if Columns(&row).parsed("work").is_ok_and(|work: Work| work == Work::Purge) {
                &mut of_one.purge
            } else {
                &mut of_one.other
            };
            of_work.push(row.try_get("expires_at")?);
        }
        Ok(expiries)
    }

    /// The sweep that took them was early by its clock, or had another policy: they are to be found when they are due.
    async fn untake(&mut self, early: &[&RecordingSid]) -> Result<(), CatalogError> {
        let untake = "UPDATE recordings SET purge_queued_at = NULL WHERE recording_sid IN ({listed})";
        self.run(untake, early, &[]).await.map(drop)
    }

    /// Claims and marks what is due.
    async fn permits(
        &mut self,
        mut due: HashMap<RecordingSid, Due>,
        lease: Duration,
        now: DateTime<Utc>,
    ) -> Result<HashMap<RecordingSid, PurgePermit>, CatalogError> {
        let fences = self.claim_for_purge(&due.keys().collect::<Vec<_>>(), lease, now).await?;
        // A claim may have been extended since it was looked at.
        due.retain(|sid, _| fences.contains_key(sid));
        let sids: Vec<&RecordingSid> = due.keys().collect();
        let without_others: Vec<_> = due.iter().filter(|(_, due)| due.parts.has_ours()).map(|(sid, _)| sid).collect();
        self.take_claims_away(&without_others).await?;
        self.mark(&due, now).await?;
        let mut transcripts = self.transcripts(&sids).await?;
        let mut permits = HashMap::new();
        for (sid, Due { parts, rule }) in due {
            // Both were read in this transaction.
            let (Some(row), Some(fence)) = (self.rows.remove(&sid), fences.get(&sid)) else { continue };
            let transcripts = transcripts.remove(&sid).unwrap_or_default();
            let claim = Claim::new(Work::Purge, *fence, row);
            permits.insert(sid, PurgePermit::new(claim, &transcripts, rule, parts));
        }
        Ok(permits)
    }

    async fn claim_for_purge(
        &mut self,
        sids: &[&RecordingSid],
        lease: Duration,
        now: DateTime<Utc>,
    ) -> Result<HashMap<RecordingSid, i64>, CatalogError> {
        // SQLite takes an ON behind FROM for a join's without the WHERE.
        let upsert = "INSERT INTO claims (recording_sid, work, fence, expires_at) \
                      SELECT value, 'purge', 1, $2 FROM ({listed}) AS listed WHERE TRUE \
                      ON CONFLICT (recording_sid, work) DO UPDATE SET fence = claims.fence + 1, \
                      expires_at = excluded.expires_at \
                      WHERE claims.expires_at <= $3 OR claims.expires_at > $4 RETURNING recording_sid, fence";
        let bound = [expiry(lease, now), now.timestamp_millis(), believed_until(lease, now)].map(Bound::Number);
        self.fences(upsert, sids, &bound).await
    }

    /// Takes every claim to other work than purge away from whoever may still think to hold it.
    async fn take_claims_away(&mut self, sids: &[&RecordingSid]) -> Result<(), CatalogError> {
        let update = "UPDATE claims SET fence = fence + 1, expires_at = 0 \
                      WHERE recording_sid IN ({listed}) AND work <> 'purge'";
        self.run(update, sids, &[]).await.map(drop)
    }

    async fn mark(&mut self, due: &HashMap<RecordingSid, Due>, now: DateTime<Utc>) -> Result<(), CatalogError> {
        let update = "UPDATE recordings SET marked_at = COALESCE(marked_at, $2), \
                      marked_rule = chosen.value ->> 'rule', marked_parts = chosen.value ->> 'parts', updated_at = $2 \
                      FROM {each} AS chosen WHERE recording_sid = chosen.value ->> 'sid'";
        let chosen = due.iter().map(|(sid, due)| Chosen { sid, rule: &due.rule, parts: due.parts.to_string() });
        let chosen: Vec<_> = chosen.collect();
        self.run(update, &chosen, &[Bound::Number(now.timestamp_millis())]).await.map(drop)
    }

    /// Every version, of each oldest first.
    async fn transcripts(
        &mut self,
        sids: &[&RecordingSid],
    ) -> Result<HashMap<RecordingSid, Vec<TranscriptRow>>, CatalogError> {
        let select = format!("{} ({{listed}}) ORDER BY recording_sid, version", TranscriptRow::SELECT_OF);
        let mut transcripts: HashMap<_, Vec<_>> = HashMap::new();
        for row in self.run(&select, sids, &[]).await? {
            let sid = Columns(&row).parsed("recording_sid")?;
            transcripts.entry(sid).or_default().push(TranscriptRow::read(&row)?);
        }
        Ok(transcripts)
    }
}
