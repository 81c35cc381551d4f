//! A catalog on a PostgreSQL server.

use std::time::Duration;

use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, ConnectOptions, Connection};
use url::Url;

use super::pool::{Connector, Pool};
use super::{Catalog, CatalogOptions};
use crate::dialect::POSTGRES;
use crate::error::CatalogError;
use crate::session::in_time;

/// Waiting longer than this for a connection means that the server is down, or too slow for its load.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(15);
/// Connections are made anew from time to time, so that a name that moved to another server is followed.
const MAX_LIFETIME: Duration = Duration::from_secs(30 * 60);
const IDLE_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// What each session asks of the server, unless the URL says otherwise: no statement and no wait for a lock without an
/// end, and no lock left behind by a client that hangs, or is gone without a word.
const SESSION: &str = "-c statement_timeout=60s -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s \
                       -c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3";
const APPLICATION: &str = "callvault";

/// Parameters that the driver knows. Others it would pass over with no more than a log line, which shows their values.
const PARAMETERS: [&str; 18] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

pub(super) async fn open(url: &str, options: CatalogOptions) -> Result<Catalog, CatalogError> {
    let connect_options = connect_options(url)?;
    sqlx::any::install_default_drivers();
    // A pool would try for as long as it waits, and then say only that it waited.
    in_time(ACQUIRE_TIMEOUT, connect(&connect_options).await?.close()).await?;
    let pool = pool(options.max_connections.get(), &connect_options);
    Ok(Catalog { dialect: &POSTGRES, writers: pool.clone(), readers: pool, file: None })
}

pub(crate) async fn connect(options: &AnyConnectOptions) -> Result<AnyConnection, CatalogError> {
    Ok(in_time(ACQUIRE_TIMEOUT, options.connect()).await?)
}

fn connect_options(url: &str) -> Result<AnyConnectOptions, CatalogError> {
    let wrong =
        |problem: String| CatalogError::Url(format!("{problem}; known is postgres://USER:PASSWORD@HOST:PORT/NAME"));
    let mut url = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
    let given: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    for (name, _) in &given {
        if !PARAMETERS.contains(&name.as_str()) && !name.starts_with("options[") {
            return Err(CatalogError::Url(format!("its parameter {name:?} is none of {}", PARAMETERS.join(", "))));
        }
    }
    // Of two settings of the same thing the later one holds.
    let ours = [("options", SESSION), ("application_name", APPLICATION)];
    url.query_pairs_mut().clear().extend_pairs(ours).extend_pairs(&given);
    let options = AnyConnectOptions::from_url(&url)?;
    // Statements carry no secrets, but their log lines would drown ours.
    Ok(options.disable_statement_logging())
}

fn pool(connections: u32, options: &AnyConnectOptions) -> Pool {
    let connector = Connector {
        options: options.clone(),
        dialect: &POSTGRES,
        patience: ACQUIRE_TIMEOUT,
        lifetime: MAX_LIFETIME,
        idle: IDLE_TIMEOUT,
    };
    Pool::new(connector, connections)
}
