//! All there is, page by page, for whoever has to look at every recording once.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use twilio::RecordingSid;

use crate::columns::Columns;
use crate::connect::Catalog;
use crate::error::CatalogError;
use crate::row::{RecordingRow, recording_columns};
use crate::versions::TranscriptRow;

/// When recordings started (were heard of, where the start is unknown); what is `None` does not narrow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// At this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Before this time.
    pub until: Option<DateTime<Utc>>,
}

/// The plus signs keep planners from an index by start, whose rows would have to be sorted anew for each page.
const PAGE: &str = concat!(
    "SELECT ",
    recording_columns!(),
    " FROM recordings WHERE recording_sid > $1 AND +retention_from >= $2 AND +retention_from < $3 \
     ORDER BY recording_sid LIMIT $4"
);

impl Catalog {
    /// Recordings of every status in the order of their SIDs, those after `after`, at most `limit`. One that is there
    /// from the first page to the last is on exactly one of them.
    ///
    /// # Errors
    /// What the database said.
    pub async fn page(
        &self,
        span: Span,
        after: Option<&RecordingSid>,
        limit: u32,
    ) -> Result<Vec<RecordingRow>, CatalogError> {
        let millis = |time: Option<DateTime<Utc>>| time.map(|time| time.timestamp_millis());
        let query = sqlx::query(PAGE)
            .bind(after.map(RecordingSid::to_string).unwrap_or_default())
            .bind(millis(span.since).unwrap_or(i64::MIN))
            .bind(millis(span.until).unwrap_or(i64::MAX))
            .bind(i64::from(limit));
        let rows = self.read_all(query).await?;
        Ok(rows.iter().map(RecordingRow::read).collect::<Result<_, _>>()?)
    }

    /// Every version of the transcripts of `sids`, deleted ones too, oldest first; those without any are not in it.
    ///
    /// # Errors
    /// What the database said.
    pub async fn transcripts_of(
        &self,
        sids: &[RecordingSid],
    ) -> Result<HashMap<RecordingSid, Vec<TranscriptRow>>, CatalogError> {
        let mut versions: HashMap<RecordingSid, Vec<TranscriptRow>> = HashMap::new();
        for row in self.read_all_of(TranscriptRow::SELECT_OF, sids).await? {
            let sid = Columns(&row).parsed("recording_sid")?;
            versions.entry(sid).or_default().push(TranscriptRow::read(&row)?);
        }
        versions.values_mut().for_each(|versions| versions.sort_by_key(|version| version.version));
        Ok(versions)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use sqlx::{AssertSqlSafe, Row};

    use super::*;

    #[tokio::test]
    async fn page_costs_what_is_on_it_and_not_what_there_is() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::connect(&format!("sqlite:{}/catalog.db", folder.path().display())).await.unwrap();
        catalog.migrate().await.unwrap();
        let explain = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {PAGE}")));
        let explain = explain.bind("").bind(i64::MIN).bind(i64::MAX).bind(500);
        let steps = catalog.read_all(explain).await.unwrap();
        let plan: String = steps.iter().map(|step| step.try_get::<String, _>("detail").unwrap() + "\n").collect();
        assert!(plan.contains("(recording_sid>?)") && !plan.contains("TEMP B-TREE"), "{plan}");
    }
}
