//! What the service is told, and what its routes share.

use std::sync::Arc;
use std::time::Duration;

use queue::Clock;
use twilio::SigningKeys;

use crate::outlet::Outlet;
use crate::public_url::PublicUrl;

/// Renders the Prometheus page.
pub type MetricsPage = Arc<dyn Fn() -> String + Send + Sync>;

/// What the callback service is told.
#[derive(Clone, Debug)]
pub struct IngestConfig {
    /// The URL Twilio sees, without the route, as it is written there. It may have a path: then the routes are served under that path too, so
    /// that a proxy may strip it or not. Signatures are checked over it, never over `Host` or `X-Forwarded-*`.
    pub public_base_url: PublicUrl,
    /// The accounts callbacks are taken from, with the keys that sign them.
    pub signing_keys: SigningKeys,
    /// The time the queue, and a spool before it, have to confirm; after it the answer is 503. Twilio gives a callback 15 s, retries included.
    pub publish_timeout: Duration,
}

/// What the routes share.
pub(crate) struct Ingest {
    pub(crate) public_url: PublicUrl,
    pub(crate) signing_keys: SigningKeys,
    pub(crate) publish_timeout: Duration,
    pub(crate) outlet: Outlet,
    pub(crate) clock: Clock,
}

impl Ingest {
    pub(crate) fn new(config: IngestConfig, outlet: Outlet, clock: Clock) -> Self {
        Self {
            public_url: config.public_base_url,
            signing_keys: config.signing_keys,
            publish_timeout: config.publish_timeout,
            outlet,
            clock,
        }
    }
}
