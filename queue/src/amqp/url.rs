//! The engine's URL: `amqp[s]://USER:PASSWORD@HOST[:PORT][,HOST[:PORT]…][/VHOST][?prefix=…&cacertfile=…&longest_delivery=…]`.
//! A host may have a user of its own; one that has none takes the one before it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lapin::tcp::OwnedTLSConfig;
use lapin::uri::AMQPUri;
use url::Url;

use crate::error::QueueError;

const PREFIX: &str = "callvault";
/// A dead peer is noticed after two of them. RabbitMQ's own guide warns of less than 5.
const HEARTBEAT_SECS: u16 = 10;
/// The broker closes the channel of who keeps a message for half an hour (`consumer_timeout`), and looks every minute.
const LONGEST_DELIVERY: Duration = Duration::from_secs(25 * 60);
/// lapin keeps two buffers of 32 frames a connection, and no message of ours is longer than a few KiB.
const FRAME_MAX: u32 = 16 * 1024;

/// Where the broker is and which queues of it are ours.
#[derive(Clone)]
pub(super) struct Address {
    /// One URI a host.
    pub(super) hosts: Vec<AMQPUri>,
    /// What our queues' names begin with.
    pub(super) prefix: String,
    /// How long a delivery may be kept; below the broker's `consumer_timeout`.
    pub(super) longest_delivery: Duration,
    /// Who signed the broker's certificate, besides those whom the system trusts.
    pub(super) tls: OwnedTLSConfig,
    /// The URL as it may be shown.
    pub(super) shown: Arc<str>,
}

/// Never shows the password.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Address").field(&self.shown).finish()
    }
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Address, QueueError> {
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("expected amqp://HOST"))?;
        let (before_query, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = before_query.split_once('/').map_or((before_query, None), |(a, p)| (a, Some(p)));
        // A raw one of these in a password moves its end: part of it would be taken for a host, and shown.
        let is_user_late =
            authority.split_once(',').is_some_and(|(first, rest)| !first.contains('@') && rest.contains('@'));
        if is_user_late || text.contains('#') || path.is_some_and(|path| path.contains('@')) || query.contains('@') {
            return Err(wrong("in a user's name, a password or a virtual host, write @ , / ? and # percent-encoded"));
        }
        let own = Parameters::parse(query)?;
        let (mut user, mut names, mut hosts) = (None, Vec::new(), Vec::new());
        for each in authority.split(',') {
            let (own_user, host) = each.rsplit_once('@').map_or((None, each), |(user, host)| (Some(user), host));
            user = own_user.or(user);
            hosts.push(uri(scheme, user, host, path, &own.others)?);
            names.push(host);
        }
        let address = Address {
            hosts,
            prefix: own.prefix,
            longest_delivery: own.longest_delivery,
            tls: OwnedTLSConfig { identity: None, cert_chain: own.certificates },
            shown: format!("{scheme}://{}{}", names.join(","), path.map(|path| format!("/{path}")).unwrap_or_default())
                .into(),
        };
        Ok(address)
    }
}

/// The URI of one host, as lapin takes it.
fn uri(scheme: &str, user: Option<&str>, host: &str, path: Option<&str>, query: &str) -> Result<AMQPUri, QueueError> {
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    let path = path.map(|path| format!("/{path}")).unwrap_or_default();
    let text = format!("{scheme}://{user}{host}{path}?{query}");
    // Neither error may be shown whole: it can hold the password.
    let named = Url::parse(&text).ok().and_then(|url| url.host_str().map(str::to_owned));
    let named = named
        .filter(|host| !host.is_empty())
        .ok_or_else(|| wrong("between @ and / expected HOST[:PORT], or several with commas"))?;
    let mut uri: AMQPUri = text.parse().map_err(|_| wrong("a parameter's value cannot be read"))?;
    // lapin takes an IPv6 address for none at all.
    uri.authority.host = named.trim_matches(['[', ']']).to_owned();
    uri.query.heartbeat.get_or_insert(HEARTBEAT_SECS);
    uri.query.frame_max.get_or_insert(FRAME_MAX);
    Ok(uri)
}

/// What stands behind the question mark.
struct Parameters {
    prefix: String,
    longest_delivery: Duration,
    certificates: Option<String>,
    /// Those that are lapin's.
    others: String,
}

impl Parameters {
    fn parse(query: &str) -> Result<Parameters, QueueError> {
        let mut parameters = Parameters {
            prefix: PREFIX.to_owned(),
            longest_delivery: LONGEST_DELIVERY,
            certificates: None,
            others: String::new(),
        };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "prefix" => parameters.prefix = prefix(&value)?,
                "longest_delivery" => parameters.longest_delivery = longest_delivery(&value)?,
                "cacertfile" => {
                    let read = std::fs::read_to_string(value.as_ref());
                    let read = read.map_err(|error| wrong(&format!("cacertfile {value}: {error}")));
                    parameters.certificates = Some(read?);
                }
                "heartbeat" | "connection_timeout" | "channel_max" | "frame_max" | "auth_mechanism" => {
                    parameters.others.push_str(&format!("{name}={value}&"));
                }
                _ => return Err(wrong(&format!("it knows no parameter `{name}`"))),
            }
        }
        Ok(parameters)
    }
}

fn prefix(value: &str) -> Result<String, QueueError> {
    let is_plain = value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    // RabbitMQ keeps `amq.` for itself.
    if is_plain && (1..=100).contains(&value.len()) && !value.starts_with("amq.") {
        return Ok(value.to_owned());
    }
    Err(wrong("prefix takes up to 100 letters, digits, dots, hyphens and underscores, and not `amq.` first"))
}

fn longest_delivery(value: &str) -> Result<Duration, QueueError> {
    let secs = value.parse().ok().filter(|secs| (1..=43_200).contains(secs));
    secs.map(Duration::from_secs)
        .ok_or_else(|| wrong("longest_delivery takes a whole number of seconds from 1 to 43200"))
}

fn wrong(what: &str) -> QueueError {
    QueueError::Unsupported(format!("the queue's amqp URL cannot be used: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(text: &str) -> Vec<(String, u16)> {
        let address = Address::parse(text).unwrap();
        address.hosts.into_iter().map(|uri| (uri.authority.host, uri.authority.port)).collect()
    }

    #[test]
    fn every_host_gets_the_same_user_vhost_and_parameters() {
        let address = Address::parse("amqps://u:p%40ss@one,two:5679/jobs%2Flive?heartbeat=7&prefix=blue.cv").unwrap();
        assert_eq!(address.prefix, "blue.cv");
        for (uri, port) in address.hosts.iter().zip([5671, 5679]) {
            let user = &uri.authority.userinfo;
            assert_eq!((user.username.as_str(), user.password.as_str()), ("u", "p@ss"));
            assert_eq!((uri.authority.port, uri.vhost.as_str(), uri.query.heartbeat), (port, "jobs/live", Some(7)));
        }
    }

    #[test]
    fn host_may_have_a_user_of_its_own() {
        let address = Address::parse("amqp://u:one@a,b,v:tw%2Co@c").unwrap();
        let users = address.hosts.iter().map(|uri| uri.authority.userinfo.password.as_str());
        assert_eq!(users.collect::<Vec<_>>(), ["one", "one", "tw,o"]);
        assert_eq!(&*address.shown, "amqp://a,b,c");
    }

    #[test]
    fn hosts_are_names_or_addresses_of_either_kind() {
        let expected = [("rabbit-0.rabbit", 5672), ("10.0.0.7", 5673), ("::1", 5672), ("fd00::7", 5674)];
        let expected: Vec<_> = expected.map(|(host, port)| (host.to_owned(), port)).into();
        assert_eq!(hosts("amqp://rabbit-0.rabbit,10.0.0.7:5673,[::1],[fd00::7]:5674"), expected);
    }

    #[test]
    fn without_a_path_the_vhost_is_the_brokers_default() {
        assert_eq!(Address::parse("amqp://h").unwrap().hosts[0].vhost, "/");
        assert_eq!(Address::parse("amqp://h/%2f").unwrap().hosts[0].vhost, "/");
    }

    #[test]
    fn password_is_shown_nowhere() {
        let address = Address::parse("amqp://user:hunter2@one,two/v?prefix=x").unwrap();
        assert_eq!(&*address.shown, "amqp://one,two/v");
        assert!(!format!("{address:?}").contains("hunter2"));
        for text in [
            "amqp://u:hunter2@h:port",
            "amqp://u:hunter2@",
            "amqp://u:hunter2@h?heartbeat=x",
            "amqp://u:1,hunter2@h",
            "amqp://u:1/hunter2@h",
            "amqp://u:1?hunter2@h",
            "amqp://u:1#hunter2@h",
        ] {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        for (text, named) in [
            ("amqp://h?perfix=x", "`perfix`"),
            ("amqp://h?prefix=amq.x", "prefix"),
            ("amqp://h?prefix=", "prefix"),
            ("amqp://h?longest_delivery=0", "longest_delivery"),
            ("amqp://h?longest_delivery=25m", "longest_delivery"),
            ("amqp://one,,two", "HOST"),
            ("amqps://h?cacertfile=/nowhere.pem", "/nowhere.pem"),
        ] {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
