//! The ways Twilio may have spelled a URL before it signed it.
//!
//! Sources: `https://www.twilio.com/docs/usage/security#validating-requests` (ports, user and password), the
//! `request_validator` of twilio 9.13.0 on PyPI (a bare `?` is dropped) and the `webhooks` module of twilio 6.2.0 on npm
//! (the URL as received, then as `new URL()` normalises it: a quote becomes `%27`).

use url::Url;

/// Every other spelling of `url`, each once.
pub(super) fn others(url: &str) -> Vec<String> {
    let mut spellings = Vec::new();
    add(url, &mut spellings);
    if let Ok(normalised) = Url::parse(url) {
        add(normalised.as_str(), &mut spellings);
    }
    spellings.sort_unstable();
    spellings.dedup();
    spellings.retain(|spelling| spelling != url);
    spellings
}

/// Port left out or written out, user and password left out, a bare `?` dropped.
fn add(url: &str, spellings: &mut Vec<String>) {
    let Some((scheme, rest)) = url.split_once("://") else { return };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (user, host_port) = match authority.rfind('@') {
        Some(at) => authority.split_at(at + 1),
        None => ("", authority),
    };
    let (host, port) = split_port(host_port);
    let port = port.unwrap_or(if scheme == "https" { "443" } else { "80" });
    for path in [path, path.strip_suffix('?').unwrap_or(path)] {
        for user in [user, ""] {
            spellings.push(format!("{scheme}://{user}{host}{path}"));
            spellings.push(format!("{scheme}://{user}{host}:{port}{path}"));
        }
    }
}

/// The colons inside an IPv6 address's brackets start no port.
fn split_port(host_port: &str) -> (&str, Option<&str>) {
    match host_port.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (host_port, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_url_has_one_other_spelling() {
        assert_eq!(others("https://example.com/a?b=1"), ["https://example.com:443/a?b=1"]);
        assert_eq!(others("http://example.com:8080/a"), ["http://example.com/a"]);
    }

    #[test]
    fn ipv6_address_is_not_cut_at_its_colons() {
        assert_eq!(others("https://[2001:db8::1]/a"), ["https://[2001:db8::1]:443/a"]);
        assert_eq!(others("https://[2001:db8::1]:8443/a"), ["https://[2001:db8::1]/a"]);
    }

    #[test]
    fn user_and_password_are_left_out_with_and_without_a_port() {
        let spellings = others("https://user:p@ss@example.com/a");
        assert_eq!(
            spellings,
            [
                "https://example.com/a",
                "https://example.com:443/a",
                "https://user:p%40ss@example.com/a",
                "https://user:p%40ss@example.com:443/a",
                "https://user:p@ss@example.com:443/a"
            ]
        );
    }
}
