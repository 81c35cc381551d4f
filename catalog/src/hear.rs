//! Hearing of a recording: what Twilio says becomes one row, whatever is said how often and in which order.

use chrono::{DateTime, Utc};
use twilio::Recording;

use crate::connect::Catalog;
use crate::error::CatalogError;
use crate::facts::Facts;
use crate::row::{RecordingRow, recording_columns};
use crate::session::Transaction;
use crate::words::Status;

/// How often a message is taken in that two transactions kept each other from. Only here may that happen: a new
/// recording is written after its call, a known one before. All other changes wait for one recording and hold nothing
/// then, and sweeps wait for none.
const TRIES: u32 = 5;

/// What became of something heard.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// The row as it is now.
    pub row: RecordingRow,
    /// Nobody had told us of the recording before.
    pub is_new: bool,
}

impl Catalog {
    /// Takes in what Twilio said of a recording, by callback, list or fetch. Any number of times, in any order, from
    /// several processes at once: the same messages make the same row, and one that brings nothing new writes nothing.
    ///
    /// What is known is never blanked, and where messages differ the greater value stands, so that a later start moves
    /// the retention date too. The status only moves forward: `absent` and `failed` are taken on while nothing is
    /// archived, and `completed` takes them back, for what Twilio once said to have is never given up. A dead letter
    /// becomes `received` again when Twilio's word has moved. A tombstone stays as it is.
    ///
    /// `received_at` is when it was heard; the first one counts.
    ///
    /// # Errors
    /// What the database said; nothing was taken in then.
    pub async fn hear(&self, recording: &Recording, received_at: DateTime<Utc>) -> Result<Heard, CatalogError> {
        let mut tries = 1;
        loop {
            match self.try_hear(recording, received_at).await {
                Err(error) if error.is_conflict() && tries < TRIES => tries += 1,
                heard => return heard,
            }
        }
    }

    async fn try_hear(&self, recording: &Recording, received_at: DateTime<Utc>) -> Result<Heard, CatalogError> {
        let said = Facts::of(recording, received_at)?;
        let mut transaction = self.begin().await?;
        let mut known = self.lock(&mut transaction, &recording.recording_sid).await?;
        if known.is_none() {
            insert_call(&mut transaction, recording, &said).await?;
            if let Some(row) = insert(&mut transaction, recording, &said).await? {
                transaction.commit().await?;
                return Ok(Heard { row, is_new: true });
            }
            // Somebody else inserted it between our two statements.
            known = self.lock(&mut transaction, &recording.recording_sid).await?;
        }
        let row = known.ok_or_else(|| CatalogError::UnknownRecording(recording.recording_sid.clone()))?;
        let facts = row.facts.clone().join(said);
        if row.status == Status::Deleted || facts == row.facts {
            return Ok(Heard { row, is_new: false });
        }
        insert_call(&mut transaction, recording, &facts).await?;
        let row = update(&mut transaction, &row, &facts, received_at).await?;
        transaction.commit().await?;
        Ok(Heard { row, is_new: false })
    }
}

async fn insert(
    transaction: &mut Transaction,
    recording: &Recording,
    facts: &Facts,
) -> Result<Option<RecordingRow>, CatalogError> {
    let insert = sqlx::query(concat!(
        "INSERT INTO recordings (call_sid, conference_sid, twilio_status, twilio_says_deleted, twilio_error_code, \
         source, channels, duration_secs, started_at, encryption, received_at, updated_at, status, error, \
         recording_sid, account_sid) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12, $13, $14, $15) \
         ON CONFLICT (recording_sid) DO NOTHING RETURNING ",
        recording_columns!()
    ));
    let (status, error) = facts.standing();
    let insert = facts
        .bind(insert)
        .bind(facts.received_at.timestamp_millis())
        .bind(status.as_str())
        .bind(error)
        .bind(recording.recording_sid.as_str())
        .bind(recording.account_sid.as_str());
    let row = transaction.fetch_optional(insert).await?;
    Ok(row.as_ref().map(RecordingRow::read).transpose()?)
}

async fn update(
    transaction: &mut Transaction,
    row: &RecordingRow,
    facts: &Facts,
    heard_at: DateTime<Utc>,
) -> Result<RecordingRow, CatalogError> {
    let update = sqlx::query(concat!(
        "UPDATE recordings SET call_sid = $1, conference_sid = $2, twilio_status = $3, twilio_says_deleted = $4, \
         twilio_error_code = $5, source = $6, channels = $7, duration_secs = $8, started_at = $9, encryption = $10, \
         received_at = $11, status = $12, error = $13, \
         updated_at = CASE WHEN updated_at < $14 THEN $14 ELSE updated_at END \
         WHERE recording_sid = $15 RETURNING ",
        recording_columns!()
    ));
    let (status, error) = standing(row, facts);
    let update = facts
        .bind(update)
        .bind(facts.received_at.timestamp_millis())
        .bind(status.as_str())
        .bind(error)
        .bind(heard_at.timestamp_millis())
        .bind(row.recording_sid.as_str());
    Ok(RecordingRow::read(&transaction.fetch_one(update).await?)?)
}

/// What is archived stands where our own work brought it, and what is being deleted stays as it is until that is done;
/// otherwise Twilio's word decides whenever it moves.
fn standing(row: &RecordingRow, facts: &Facts) -> (Status, Option<String>) {
    let has_moved = facts.word != row.facts.word || facts.error_code != row.facts.error_code;
    let is_ours = row.is_archived() || row.mark.is_some();
    if has_moved && !is_ours { facts.standing() } else { (row.status, row.error.clone()) }
}

async fn insert_call(transaction: &mut Transaction, recording: &Recording, facts: &Facts) -> Result<(), CatalogError> {
    let Some(call_sid) = &facts.call_sid else { return Ok(()) };
    let upsert = sqlx::query(
        "INSERT INTO calls (call_sid, account_sid, first_heard_at) VALUES ($1, $2, $3) \
         ON CONFLICT (call_sid) DO UPDATE SET first_heard_at = excluded.first_heard_at \
         WHERE excluded.first_heard_at < calls.first_heard_at",
    )
    .bind(call_sid.as_str())
    .bind(recording.account_sid.as_str())
    .bind(facts.received_at.timestamp_millis());
    transaction.execute(upsert).await.map(|_| ())
}
