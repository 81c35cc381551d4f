//! What is known of each recording: the truth that the queue only points at.
//!
//! A [`Catalog`] is asked and told in words of the domain: [`hear`](Catalog::hear) what Twilio says,
//! [`stage_media`](Catalog::stage_media) before bytes are written and [`store_media`](Catalog::store_media) once they
//! are verified, [`grant_purges`](Catalog::grant_purges) before anything is deleted and
//! [`complete_purges`](Catalog::complete_purges) once it was seen to be gone. Each is one transaction: all of it is
//! written, durably, or nothing.
//!
//! Rules that hold on every path:
//! - A recording is one row, whatever is said of it, how often and in which order, and it is never removed.
//! - Work is done under a [`Claim`]; only the newest holder may write down what it did.
//! - Nothing is deleted without a [`PurgePermit`], and only the gate makes one. Nothing held is ever marked, nothing
//!   marked is ever held: the schema itself refuses it.
//! - There is no phone number and no transcript text in it.
//!
//! Times are handed in, never asked of the system, and kept to the millisecond. Dropping a future halfway rolls its
//! transaction back.

mod audit;
mod backfill;
mod broken;
mod change;
mod changes;
mod claims;
mod columns;
mod connect;
#[cfg(feature = "testing")]
pub mod contract;
mod dialect;
mod error;
mod facts;
mod gate;
mod hear;
mod holds;
mod lacks;
mod media;
mod pages;
mod passes;
mod permit;
mod policy;
mod purge;
mod recordings;
mod retention;
mod row;
mod schedule;
mod schema;
mod session;
mod stray;
mod stuck;
mod sweep;
mod take_due;
mod transcripts;
mod versions;
mod view;
mod words;

pub use audit::{AuditEntry, AuditRow};
pub use backfill::BackfillDays;
pub use claims::Claim;
pub use connect::{Catalog, CatalogOptions};
pub use error::{CatalogError, Refusal};
pub use hear::Heard;
pub use media::StoredMedia;
pub use pages::Span;
pub use passes::Pass;
pub use permit::{PurgeDecision, PurgePermit, StoredObject};
pub use policy::Policy;
pub use purge::Purged;
pub use recordings::ListFilter;
pub use row::{MediaRow, RecordingRow};
pub use schedule::ScheduleLock;
pub use stray::{StrayDecision, StrayPermit};
pub use stuck::{Expects, Stuck, StuckWork};
pub use sweep::{Sweep, Taken};
pub use take_due::DueCursor;
pub use transcripts::StoredTranscript;
pub use versions::TranscriptRow;
pub use view::{MediaView, RecordingView, TranscriptView};
pub use words::{MediaState, Schedule, Status, TranscriptState, UnknownWord, Work};
