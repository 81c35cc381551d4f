//! The look at every row: that it ended, or is on its way, and that the objects it names are there.

use catalog::{MediaRow, RecordingRow, TranscriptRow};
use futures::stream::{self, StreamExt};
use vault::ObjectStore;

use super::finding::{AuditEntry, Exception, Finding, Heal};
use super::late::{Stood, of};
use super::standing::{Seen, Standing};
use super::{Audit, LOOKS, OPENS, PAGE, Run, progress};
use crate::archive_again::{AtTwilio, at_twilio};
use crate::copy::{self, Copy};
use crate::fault::Fault;
use crate::stuck::BackfillLanes;

/// A row that was looked at, and what is wrong with the objects it names.
struct Judged {
    stood: Stood,
    broken: Vec<Finding>,
}

impl Run<'_> {
    pub(super) async fn look_at_rows(&mut self) -> Result<(), Fault> {
        let audit = self.audit;
        let now = audit.clock.now();
        let mut stuck = audit.stuck(now);
        let mut overdue = audit.overdue(now);
        let at_once = if audit.vault.is_some() { OPENS } else { LOOKS };
        let mut last = None;
        loop {
            let page = audit.catalog.page(audit.window.span(), last.as_ref(), PAGE as u32).await?;
            let Some(newest) = page.last() else { return Ok(()) };
            last = Some(newest.recording_sid.clone());
            let sids: Vec<_> = page.iter().map(|row| row.recording_sid.clone()).collect();
            let mut transcripts = audit.catalog.transcripts_of(&sids).await?;
            let mut rows = Vec::new();
            for row in page {
                let sid = &row.recording_sid;
                let transcripts = transcripts.remove(sid).unwrap_or_default();
                let is_overdue = !of(&mut overdue, sid).await?.is_empty();
                rows.push(Seen { stuck: of(&mut stuck, sid).await?, is_overdue, transcripts, row });
            }
            let more = rows.len() as u64;
            let lanes = &BackfillLanes::of(audit.queue.as_ref());
            let mut judged = stream::iter(rows).map(|seen| audit.judge(seen, lanes)).buffered(at_once);
            while let Some(judged) = judged.next().await {
                self.count(judged?, lanes).await?;
            }
            progress("rows of the catalog looked at", self.summary.recordings, more);
        }
    }

    async fn count(&mut self, judged: Judged, lanes: &BackfillLanes<'_>) -> Result<(), Fault> {
        let Judged { mut stood, broken } = judged;
        if !stood.findings.is_empty() {
            stood = self.audit.stand(self.audit.see_again(stood.seen).await?, lanes).await?;
        }
        let Stood { seen: Seen { row, .. }, standing, mut findings } = stood;
        findings.extend(broken);
        self.summary.recordings += 1;
        *self.summary.by_status.entry(row.status).or_default() += 1;
        match standing {
            Standing::Final => {}
            Standing::InMotion => self.summary.in_motion += u64::from(findings.is_empty()),
            Standing::Failed(reason) => {
                let media = if row.stored_media().is_some() { "its media is ours" } else { "its media is NOT ours" };
                let what = format!("{reason}; {media}");
                (self.tell)(&AuditEntry::Failed { failed: row.recording_sid.clone(), what });
            }
        }
        for finding in findings {
            self.found(finding).await?;
        }
        Ok(())
    }
}

impl Audit {
    async fn judge(&self, seen: Seen, lanes: &BackfillLanes<'_>) -> Result<Judged, Fault> {
        let broken = match self.store.as_deref().filter(|_| !seen.row.is_marked) {
            Some(store) => self.look_at_copies(store, &seen).await?,
            None => Vec::new(),
        };
        Ok(Judged { stood: self.stand(seen, lanes).await?, broken })
    }

    async fn look_at_copies(&self, store: &dyn ObjectStore, seen: &Seen) -> Result<Vec<Finding>, Fault> {
        let mut findings = Vec::new();
        if let Some(media) = seen.row.stored_media()
            && let Copy::Broken(what) = copy::look(store, self.vault.as_ref(), &media.stored_object()).await?
            && self.is_still_stored(&seen.row, media).await?
        {
            findings.push(self.broken_media(seen, media, &what).await?);
        }
        let is_media_whole = findings.is_empty();
        for version in seen.transcripts.iter().filter(|version| version.is_readable()) {
            if let Some(object) = version.stored_object()
                && let Copy::Broken(what) = copy::look(store, self.vault.as_ref(), &object).await?
                && self.is_still_readable(&seen.row, version).await?
            {
                findings.push(self.broken_transcript(seen, version, is_media_whole, &what));
            }
        }
        Ok(findings)
    }

    /// A purge, or an archive that is done again, may have been at it since the row was read.
    async fn is_still_stored(&self, row: &RecordingRow, media: &MediaRow) -> Result<bool, Fault> {
        let fresh = self.catalog.recording(&row.recording_sid).await?;
        Ok(fresh.is_some_and(|fresh| !fresh.is_marked && fresh.stored_media() == Some(media)))
    }

    async fn is_still_readable(&self, row: &RecordingRow, version: &TranscriptRow) -> Result<bool, Fault> {
        let fresh = self.catalog.recording(&row.recording_sid).await?;
        let made = self.catalog.transcript(&row.recording_sid, version.version).await?;
        let is_marked = fresh.is_none_or(|fresh| fresh.is_marked);
        Ok(!is_marked && made.is_some_and(|made| made.stored_object() == version.stored_object()))
    }

    async fn broken_media(&self, seen: &Seen, media: &MediaRow, what: &str) -> Result<Finding, Fault> {
        let gone = match seen.row.twilio_deleted_at {
            Some(at) => Some(format!("Twilio's copy was deleted at {}", at.format("%F %T"))),
            None => match at_twilio(&self.twilio, &seen.row).await? {
                AtTwilio::Has(_) => None,
                AtTwilio::HasNot(said) => Some(said),
            },
        };
        Ok(match gone {
            None => {
                let heals = "archiving it again from Twilio, which still has it (--repair)";
                seen.finding(Exception::MediaBroken, what, (Heal::ArchiveAgain(media.clone().into()), heals))
            }
            Some(said) => {
                let what = format!("LOST: {what}, and {said}");
                let heals = "nothing here: put the object back from a backup of the vault";
                seen.finding(Exception::MediaLost, &what, (Heal::None, heals))
            }
        })
    }

    fn broken_transcript(&self, seen: &Seen, version: &TranscriptRow, is_media_whole: bool, what: &str) -> Finding {
        let row = &seen.row;
        let hindrance = if !is_media_whole {
            Some("its media first, then this audit once more")
        } else if row.stored_media().is_none() || row.encryption.is_some() {
            Some("nothing here, for there is no media to make it from: put the object back from a backup of the vault")
        } else if !self.expects.transcribe {
            Some("a transcriber: none is configured here (TRANSCRIPTION_PROVIDER)")
        } else {
            None
        };
        match hindrance {
            None => {
                let heal = Heal::TranscribeAgain { version: version.version };
                let heals = "a further version in its place (--repair)";
                seen.finding(Exception::TranscriptBroken, what, (heal, heals))
            }
            Some(heals) => seen.finding(Exception::TranscriptLost, what, (Heal::None, heals)),
        }
    }
}
