//! A connection that is made anew whenever it is needed and gone: lapin's own recovery stays off, it has been seen to hang.

use std::sync::Arc;
use std::time::Duration;

use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties};
use rand::Rng;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::trouble::{Trouble, within};
use super::url::Address;

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
const REPLY_SUCCESS: u16 = 200;
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MOST: Duration = Duration::from_secs(3);

/// The way to the broker for one purpose. Publishing and consuming have one each: an alarm stops the broker from reading
/// where it was published, and acks must still get through.
#[derive(Debug)]
pub(super) struct Link {
    address: Arc<Address>,
    purpose: &'static str,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Arc<Connection>>,
    /// The last attempt's failure, and when the next one is due.
    failed: Option<(Trouble, Instant)>,
    backoff: Backoff,
}

impl Link {
    pub(super) fn new(address: Arc<Address>, purpose: &'static str) -> Link {
        Link { address, purpose, state: Mutex::default() }
    }

    /// The connection; made first where it is missing or dead. After a failed attempt its failure is told again, at once,
    /// until the next attempt is due.
    pub(super) async fn connection(&self) -> Result<Arc<Connection>, Trouble> {
        let mut state = self.state.lock().await;
        if let Some(connection) = state.connection.as_ref().filter(|connection| connection.status().connected()) {
            return Ok(Arc::clone(connection));
        }
        state.connection = None;
        if let Some((trouble, due)) = &state.failed
            && Instant::now() < *due
        {
            return Err(trouble.clone());
        }
        match connect(&self.address, self.purpose).await {
            Ok(connection) => {
                state.failed = None;
                state.backoff = Backoff::default();
                Ok(Arc::clone(state.connection.insert(Arc::new(connection))))
            }
            Err(trouble) => {
                let due = Instant::now() + state.backoff.pause();
                state.failed = Some((trouble.clone(), due));
                Err(trouble)
            }
        }
    }
}

impl Link {
    /// Ends the connection in good order: what was sent on it arrives. The next use makes a new one.
    pub(super) async fn close(&self) {
        let connection = self.state.lock().await.connection.take();
        if let Some(connection) = connection {
            // A broker that is away has nothing to be told.
            let _ = tokio::time::timeout(CLOSE_LIMIT, connection.close(REPLY_SUCCESS, "stopped".into())).await;
        }
    }
}

/// The first host that lets us in, beginning with any: a fleet spreads over the nodes.
async fn connect(address: &Address, purpose: &str) -> Result<Connection, Trouble> {
    let first = rand::rng().random_range(0..address.hosts.len());
    let (before, from) = address.hosts.split_at(first);
    let mut problems = Vec::new();
    let (mut source, mut is_refusal) = (None, false);
    for uri in from.iter().chain(before) {
        match connect_to(uri, address, purpose).await {
            Ok(connection) => return Ok(connection),
            Err(trouble) => {
                problems.push(format!("{}:{}: {}", uri.authority.host, uri.authority.port, trouble.problem));
                source = source.or(trouble.source);
                is_refusal |= trouble.is_refusal;
            }
        }
    }
    Err(Trouble { source, is_refusal, ..Trouble::new(problems.join("; ")) })
}

async fn connect_to(uri: &AMQPUri, address: &Address, purpose: &str) -> Result<Connection, Trouble> {
    let name = format!("callvault {purpose} {} ({})", address.prefix, std::process::id());
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let runtime = lapin::runtime::default_runtime()?;
    let limit = uri.query.connection_timeout.map_or(CONNECT_LIMIT, Duration::from_millis);
    within(limit, Connection::connect_uri_with_config(uri.clone(), properties, address.tls.clone(), runtime)).await
}

/// Growing pauses between attempts, each up to half shorter, so that what fell together does not rise together.
#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff(PAUSE_FIRST)
    }
}

impl Backoff {
    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.0.mul_f64(rand::rng().random_range(0.5..=1.0));
        self.0 = (self.0 * 2).min(PAUSE_MOST);
        pause
    }
}
