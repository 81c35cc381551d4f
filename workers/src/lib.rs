//! Jobs in, effects out.
//!
//! - [`Dispatcher`] receives deliveries, runs the stage of each, and is the only place that settles them;
//! - [`Archive`], [`Transcribe`], [`Deliver`] and [`Purge`] are the stages: each asks the catalog what is already so,
//!   does its work under a claim, commits, publishes the next job, and returns what came of it;
//! - [`retention_sweep`] and [`Reconciler`] find by looking what a lost message would have told; [`sweep_unfinished`] what
//!   a put that died left, [`sweep_strays`] what one put too late;
//! - [`Audit`] checks that every recording is accounted for.
//!
//! Every stage may run any number of times for one recording: a claim (a fenced lease in the catalog) keeps two from
//! working at once, and what is done already is not done again.

mod again;
mod archive;
mod archive_again;
mod attend;
mod audit;
mod backfill;
mod breaker;
mod budget;
mod claimed;
mod copy;
mod deliver;
mod dispatcher;
mod fault;
mod hands;
mod listed;
mod media_check;
mod observe;
mod private_address;
mod purge;
mod reconcile;
mod retention;
mod settle;
mod stray;
mod strays;
mod stuck;
#[cfg(test)]
mod testing;
mod transcribe;
mod twilio_copy;
mod webhook;

pub use again::SweepMode;
pub use archive::Archive;
pub use audit::{Audit, AuditEntry, AuditSummary, AuditWindow, Exception, Finding};
pub use backfill::BackfillProgress;
pub use breaker::Breaker;
pub use budget::MemoryBudget;
pub use deliver::{Deliver, DeliveryTarget, DeliveryTargetError};
pub use dispatcher::{Dispatcher, Stages};
pub use fault::{Fault, Handled};
pub use media_check::{MediaCheck, WavHead};
pub use purge::{Purge, SharedSteps};
pub use reconcile::{ReconcileReport, ReconcileWindow, Reconciler};
pub use retention::{RetentionReport, retention_sweep, sweep_unfinished};
pub use strays::{StrayReport, sweep_strays};
pub use transcribe::Transcribe;
pub use webhook::{WebhookSecret, WebhookSecretError};
