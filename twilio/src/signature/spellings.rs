//! The ways Twilio may have spelled a URL before it signed it.
//!
//! Sources: `https://www.twilio.com/docs/usage/security#validating-requests` (ports, user and password), the
//! `request_validator` of twilio 9.13.0 on PyPI (a bare `?` is dropped) and the `webhooks` module of twilio 6.2.0 on npm
//! (the URL as received, then as `new URL()` normalises it: a quote becomes `%27`; then its query as Node's
//! `querystring` writes it: a plus becomes `%20`).

use std::collections::HashMap;

use url::Url;

/// `querystring` reads no more of a query.
const LEGACY_PAIRS_MOST: usize = 1000;

/// Every other spelling of `url`, each once.
pub(super) fn others(url: &str) -> Vec<String> {
    let mut spellings = Vec::new();
    add(url, &mut spellings);
    if let Ok(normalised) = Url::parse(url) {
        add(normalised.as_str(), &mut spellings);
        if let Some(legacy) = with_legacy_query(normalised.as_str()) {
            add(&legacy, &mut spellings);
        }
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

/// As Node's `querystring` reads and writes it: values of one name side by side, `=` after each name.
fn with_legacy_query(url: &str) -> Option<String> {
    let (before, query) = url.split_once('?').filter(|(_, query)| !query.is_empty())?;
    let mut pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).take(LEGACY_PAIRS_MOST).collect();
    let mut first_at = HashMap::new();
    for (at, (name, _)) in pairs.iter().enumerate() {
        first_at.entry(name.clone()).or_insert(at);
    }
    pairs.sort_by_key(|(name, _)| first_at[name]);
    let written: Vec<_> = pairs.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    Some(format!("{before}?{}", written.join("&")))
}

/// As `querystring.escape` does.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'!' | b'\'' | b'(' | b')' | b'*' | b'-' | b'.' | b'_' | b'~' => escaped.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
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

    /// As Node prints `querystring.stringify(querystring.parse(query))`.
    #[test]
    fn legacy_query_is_written_as_node_writes_it() {
        for (query, legacy) in [
            ("a=b+c&flag", "a=b%20c&flag="),
            ("b=1&a=%7e%27!*()&b=2&&=x", "b=1&b=2&a=~'!*()&=x"),
            ("a=%e6%9d%b1&c=x%2By%2F", "a=%E6%9D%B1&c=x%2By%2F"),
        ] {
            let url = with_legacy_query(&format!("https://example.com/r?{query}"));
            assert_eq!(url.as_deref(), Some(format!("https://example.com/r?{legacy}").as_str()));
        }
        assert_eq!(with_legacy_query("https://example.com/r?"), None);
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
