//! The audit log: who did what, when and why. It is only ever added to.

use chrono::{DateTime, Utc};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe};
use twilio::RecordingSid;

use crate::change::Change;
use crate::columns::Columns;
use crate::connect::Catalog;
use crate::error::CatalogError;

/// Something to write down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Who.
    pub actor: String,
    /// What was done, in a word: `show`, `audio`, `hold`…
    pub action: String,
    /// To which recording.
    pub recording_sid: Option<RecordingSid>,
    /// What else there is to say; no phone number, no transcript.
    pub detail: String,
}

/// Something that was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// To which recording.
    pub recording_sid: Option<RecordingSid>,
    /// What else there is to say.
    pub detail: String,
}

impl Catalog {
    /// Writes an entry down. Holds, releases, erasure requests, requested transcripts and purges write their own.
    ///
    /// # Errors
    /// What the database said; nothing is written then, and what was to be audited should not be done.
    pub async fn audit(&self, entry: &AuditEntry, now: DateTime<Utc>) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        let sid = entry.recording_sid.as_ref().map(RecordingSid::as_str);
        transaction.execute(insert(&entry.actor, &entry.action, sid, &entry.detail, now)).await?;
        transaction.commit().await
    }

    /// The newest `limit` entries, newest first: of one recording, or of everything.
    ///
    /// # Errors
    /// What the database said.
    pub async fn audit_log(&self, sid: Option<&RecordingSid>, limit: u32) -> Result<Vec<AuditRow>, CatalogError> {
        let of_one = if sid.is_some() { "WHERE recording_sid = $2" } else { "" };
        let select = "SELECT at, actor, action, recording_sid, detail FROM audit";
        let select = format!("{select} {of_one} ORDER BY audit_id DESC LIMIT $1");
        let mut query = sqlx::query(AssertSqlSafe(select)).bind(i64::from(limit));
        if let Some(sid) = sid {
            query = query.bind(sid.as_str());
        }
        let rows = self.read_all(query).await?;
        Ok(rows.iter().map(AuditRow::read).collect::<Result<_, _>>()?)
    }
}

impl Change {
    pub(crate) async fn audit(
        &mut self,
        actor: &str,
        action: &str,
        detail: &str,
        now: DateTime<Utc>,
    ) -> Result<(), CatalogError> {
        let sid = self.sid().to_owned();
        self.execute(insert(actor, action, Some(&sid), detail, now)).await.map(|_| ())
    }
}

fn insert(
    actor: &str,
    action: &str,
    sid: Option<&str>,
    detail: &str,
    now: DateTime<Utc>,
) -> Query<'static, Any, AnyArguments> {
    sqlx::query("INSERT INTO audit (at, actor, action, recording_sid, detail) VALUES ($1, $2, $3, $4, $5)")
        .bind(now.timestamp_millis())
        .bind(actor.to_owned())
        .bind(action.to_owned())
        .bind(sid.map(ToOwned::to_owned))
        .bind(detail.to_owned())
}

impl AuditRow {
    fn read(row: &AnyRow) -> Result<Self, sqlx::Error> {
        let columns = Columns(row);
        Ok(AuditRow {
            at: columns.time("at")?,
            actor: columns.text("actor")?,
            action: columns.text("action")?,
            recording_sid: columns.parsed_or_null("recording_sid")?,
            detail: columns.text("detail")?,
        })
    }
}
