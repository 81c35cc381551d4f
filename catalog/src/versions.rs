//! Reading the versions of a recording's transcript.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::Any;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use twilio::RecordingSid;

use crate::change::Change;
use crate::columns::Columns;
use crate::connect::Catalog;
use crate::error::CatalogError;
use crate::permit::StoredObject;
use crate::session::Transaction;
use crate::words::TranscriptState;

macro_rules! transcript_columns {
    () => {
        "version, state, provider, model, language, words, object, sealed_bytes, transcribed_at, delivered_at"
    };
}

/// A version of a transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranscriptRow {
    /// Which, from 1.
    pub version: u32,
    /// How far it is.
    pub state: TranscriptState,
    /// Who made it, or is making it.
    pub provider: Option<String>,
    /// The model asked for; once it is stored, the model used.
    pub model: Option<String>,
    /// The language spoken.
    pub language: Option<String>,
    /// How many words.
    pub words: Option<u64>,
    /// Its object key. `None` of a stored one: it was deleted since.
    pub object: Option<String>,
    /// Length of the sealed object; 0 until it is stored.
    pub sealed_bytes: u64,
    /// When it was stored.
    pub transcribed_at: Option<DateTime<Utc>>,
    /// When it was handed on.
    pub delivered_at: Option<DateTime<Utc>>,
}

impl Catalog {
    /// One version, as far as it is; a deleted one too.
    ///
    /// # Errors
    /// What the database said.
    pub async fn transcript(&self, sid: &RecordingSid, version: u32) -> Result<Option<TranscriptRow>, CatalogError> {
        let row = self.read_optional(select_version(sid.as_str(), version)).await?;
        Ok(row.as_ref().map(TranscriptRow::read).transpose()?)
    }

    /// The newest stored version that is still there.
    ///
    /// # Errors
    /// What the database said.
    pub async fn latest_transcript(&self, sid: &RecordingSid) -> Result<Option<TranscriptRow>, CatalogError> {
        let select = concat!(
            "SELECT ",
            transcript_columns!(),
            " FROM transcripts WHERE recording_sid = $1 AND state = 'stored' AND object IS NOT NULL \
             ORDER BY version DESC LIMIT 1"
        );
        let row = self.read_optional(sqlx::query(select).bind(sid.as_str())).await?;
        Ok(row.as_ref().map(TranscriptRow::read).transpose()?)
    }

    /// The same of many recordings at once; those without one are not in it.
    ///
    /// # Errors
    /// What the database said.
    pub async fn latest_transcripts(
        &self,
        sids: &[RecordingSid],
    ) -> Result<HashMap<RecordingSid, TranscriptRow>, CatalogError> {
        let select = concat!(
            "SELECT recording_sid, ",
            transcript_columns!(),
            " FROM transcripts WHERE state = 'stored' AND object IS NOT NULL AND recording_sid IN"
        );
        let mut latest: HashMap<RecordingSid, TranscriptRow> = HashMap::new();
        for row in self.read_all_of(select, sids).await? {
            let (sid, transcript) = (Columns(&row).parsed("recording_sid")?, TranscriptRow::read(&row)?);
            if latest.get(&sid).is_none_or(|other| other.version < transcript.version) {
                latest.insert(sid, transcript);
            }
        }
        Ok(latest)
    }

    /// Every version, oldest first.
    pub(crate) async fn transcripts(&self, sid: &RecordingSid) -> Result<Vec<TranscriptRow>, CatalogError> {
        let rows = self.read_all(select_versions(sid.as_str())).await?;
        Ok(rows.iter().map(TranscriptRow::read).collect::<Result<_, _>>()?)
    }
}

impl Transaction {
    /// As [`Catalog::transcripts`], within the transaction.
    pub(crate) async fn transcripts(&mut self, sid: &RecordingSid) -> Result<Vec<TranscriptRow>, CatalogError> {
        let rows = self.fetch_all(select_versions(sid.as_str())).await?;
        Ok(rows.iter().map(TranscriptRow::read).collect::<Result<_, _>>()?)
    }
}

impl Change {
    pub(crate) async fn transcript(&mut self, version: u32) -> Result<Option<TranscriptRow>, CatalogError> {
        let sid = self.sid().to_owned();
        let row = self.transaction().fetch_optional(select_version(&sid, version)).await?;
        Ok(row.as_ref().map(TranscriptRow::read).transpose()?)
    }

    /// Every version, oldest first.
    pub(crate) async fn transcripts(&mut self) -> Result<Vec<TranscriptRow>, CatalogError> {
        let sid = self.row.recording_sid.clone();
        self.transaction().transcripts(&sid).await
    }
}

fn select_version(sid: &str, version: u32) -> Query<'static, Any, AnyArguments> {
    sqlx::query(concat!(
        "SELECT ",
        transcript_columns!(),
        " FROM transcripts WHERE recording_sid = $1 AND version = $2"
    ))
    .bind(sid.to_owned())
    .bind(i64::from(version))
}

fn select_versions(sid: &str) -> Query<'static, Any, AnyArguments> {
    sqlx::query(concat!(
        "SELECT ",
        transcript_columns!(),
        " FROM transcripts WHERE recording_sid = $1 ORDER BY version"
    ))
    .bind(sid.to_owned())
}

impl TranscriptRow {
    /// Begins a statement that ends in `IN` and names recordings.
    pub(crate) const SELECT_OF: &str =
        concat!("SELECT recording_sid, ", transcript_columns!(), " FROM transcripts WHERE recording_sid IN");

    /// As the vault has it; `None` where it was deleted, or never begun.
    pub fn stored_object(&self) -> Option<StoredObject> {
        let key = self.object.clone()?;
        Some(StoredObject { key, sealed_bytes: self.sealed_bytes, sha256: String::new(), bytes: 0 })
    }

    /// Whether it was made and not deleted since.
    pub fn is_readable(&self) -> bool {
        self.state == TranscriptState::Stored && self.object.is_some()
    }

    pub(crate) fn read(row: &AnyRow) -> Result<Self, sqlx::Error> {
        let columns = Columns(row);
        Ok(TranscriptRow {
            version: columns.number("version")?,
            state: columns.parsed("state")?,
            provider: columns.text_or_null("provider")?,
            model: columns.text_or_null("model")?,
            language: columns.text_or_null("language")?,
            words: columns.number_or_null("words")?,
            object: columns.text_or_null("object")?,
            sealed_bytes: columns.number_or_null("sealed_bytes")?.unwrap_or_default(),
            transcribed_at: columns.time_or_null("transcribed_at")?,
            delivered_at: columns.time_or_null("delivered_at")?,
        })
    }
}
