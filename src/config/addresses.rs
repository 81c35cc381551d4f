//! URLs, and addresses to listen on.

use std::net::SocketAddr;

use ingest::PublicUrl;
use url::{Host, Url};

use super::Result;
use crate::settings::{SettingsError, Values};

/// An http or https URL; an error says what is `expected`.
pub(super) fn web_url(values: &Values, key: &str, expected: &str) -> Result<Option<Url>> {
    match values.parsed::<Url>(key, expected)? {
        Some(url) if !matches!(url.scheme(), "http" | "https") => {
            Err(SettingsError::new(key, format!("its scheme is {}: expected {expected}", url.scheme())))
        }
        url => Ok(url),
    }
}

/// Whether what is sent to `url` can be read on the way.
pub(super) fn is_in_the_clear(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "http" && !is_loopback
}

/// As it is written: that is what Twilio signs.
pub(super) fn public_base_url(values: &Values) -> Result<Option<PublicUrl>> {
    let key = "public_base_url";
    let expected = "the URL Twilio sees, like https://voice.example.com";
    let Some(url) = web_url(values, key, expected)? else { return Ok(None) };
    if url.query().is_some() || url.fragment().is_some() {
        return Err(SettingsError::new(key, format!("has a query or a fragment: expected {expected}")));
    }
    if url.path().contains("/webhooks/") {
        return Err(SettingsError::new(key, format!("ends in a route, which callvault adds: expected {expected}")));
    }
    values.parsed(key, expected)
}

/// `PORT`, as hosting platforms set it, stands for `LISTEN_ADDR` unless that is set as near or nearer.
pub(super) fn listen_addr(values: &Values) -> Result<SocketAddr> {
    let address = address(values, "listen_addr")?;
    match values.parsed("port", "a port from 0 to 65535")? {
        Some(port) if values.origin("port") > values.origin("listen_addr") => {
            Ok(SocketAddr::from(([0, 0, 0, 0], port)))
        }
        _ => Ok(address),
    }
}

pub(super) fn metrics_addr(values: &Values) -> Result<SocketAddr> {
    address(values, "metrics_addr")
}

fn address(values: &Values, key: &str) -> Result<SocketAddr> {
    let address = values.parsed(key, "an address like 0.0.0.0:3000 or [::]:3000")?;
    address.ok_or_else(|| SettingsError::required(key))
}
