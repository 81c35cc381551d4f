//! Callbacks in, jobs out: the HTTP service Twilio calls.
//!
//! A callback passes these steps in order; the first that fails refuses it, and nothing of it is queued:
//!
//! 1. `form`: method, size and type, and the body itself, each within bounds.
//! 2. `callback`: Twilio's signature over the [public URL](IngestConfig::public_base_url) and the request as it came,
//!    then its parameters, then the [`Outlet`]. 200 only after it confirmed: what was answered with
//!    200 is never lost. A callback that comes twice is queued twice; the archive stage does its work once.
//! 3. `refusal`: a refusal becomes an RFC 9457 problem that tells an operator what to mend.
//! 4. `outcome`: one metric and one log line for each callback, without parameters or phone numbers.
//!
//! [`router`] puts them together with the probes, which other roles show alone ([`probes_router`]); [`serve`] guards the
//! connections. The service needs the queue and nothing else: no database, no call to Twilio, and a disk only where it has
//! a [`Spool`] for the time that the queue is away.

mod callback;
mod config;
mod form;
mod outcome;
mod outlet;
mod probes;
mod problem;
mod public_url;
mod refusal;
mod routes;
mod server;
mod spool;
mod transcription;

pub use config::{IngestConfig, MetricsPage};
pub use form::{BODY_BYTES_MAX, BODY_TIMEOUT};
pub use outlet::Outlet;
pub use probes::Probes;
pub use public_url::PublicUrl;
pub use routes::{probes_router, router};
pub use server::{Limits, run, serve};
pub use spool::{Spool, SpoolError};
