//! The URL of a request as Twilio sees it.

use std::str::FromStr;

use url::{ParseError, Url};

/// The public base URL. Twilio signs it as it was typed in there (the host's capitals included), so what counts is how
/// it is written, without query and fragment; parsed, it is only checked and shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    written: String,
    parsed: Url,
}

impl FromStr for PublicUrl {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let base = text.trim().split(['?', '#']).next().unwrap_or_default();
        Ok(Self { written: trimmed(base), parsed: text.parse()? })
    }
}

impl PublicUrl {
    /// As it is written, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// What was given, query and fragment included, parsed.
    pub fn as_url(&self) -> &Url {
        &self.parsed
    }

    /// The path of the base URL, empty where it has none.
    pub(crate) fn path(&self) -> &str {
        self.parsed.path().trim_end_matches('/')
    }

    /// What Twilio signs. `requested` is the raw path and query, below the base URL's path.
    pub(crate) fn signed(&self, requested: &str) -> String {
        format!("{}{requested}", self.written)
    }

    /// The same for people to read: without credentials, and without the query, which may hold secrets.
    pub(crate) fn shown(&self, requested: &str) -> String {
        let base = self.without_credentials();
        match requested.split_once('?') {
            Some((path, _)) => format!("{base}{path}?…"),
            None => format!("{base}{requested}"),
        }
    }

    fn without_credentials(&self) -> String {
        if self.parsed.username().is_empty() && self.parsed.password().is_none() {
            return self.written.clone();
        }
        let mut shown = self.parsed.clone();
        shown.set_query(None);
        shown.set_fragment(None);
        // Fails for URLs without a host, which have no credentials either.
        let _ = shown.set_username("");
        let _ = shown.set_password(None);
        trimmed(shown.as_str())
    }
}

fn trimmed(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(base: &str) -> PublicUrl {
        base.parse().unwrap()
    }

    #[test]
    fn request_is_appended_as_it_came() {
        let requested = "/webhooks/recording?a=%7e&b=x+y&";
        for base in ["https://voice.example.com", "https://voice.example.com/", "https://voice.example.com?x=1#ct=1"] {
            let signed = public(base).signed(requested);
            assert_eq!(signed, "https://voice.example.com/webhooks/recording?a=%7e&b=x+y&", "{base}");
        }
        let signed = public("https://voice.example.com:8443/tenant/").signed(requested);
        assert_eq!(signed, "https://voice.example.com:8443/tenant/webhooks/recording?a=%7e&b=x+y&");
    }

    /// Twilio signs the host as it was typed in there, and so does every official library.
    #[test]
    fn capitals_of_the_host_are_kept() {
        let public = public("https://MyCompany.com/Tenant");
        assert_eq!(public.signed("/r"), "https://MyCompany.com/Tenant/r");
        assert_eq!((public.shown("/r"), public.path()), ("https://MyCompany.com/Tenant/r".to_owned(), "/Tenant"));
    }

    #[test]
    fn shown_url_has_no_credentials_and_no_query() {
        let public = public("https://user:pass@voice.example.com/t");
        assert_eq!(public.signed("/r?token=1"), "https://user:pass@voice.example.com/t/r?token=1");
        assert_eq!(public.shown("/r?token=1"), "https://voice.example.com/t/r?…");
        assert_eq!(public.shown("/r"), "https://voice.example.com/t/r");
    }

    #[test]
    fn path_is_empty_or_starts_with_a_slash() {
        assert_eq!(public("https://voice.example.com/").path(), "");
        assert_eq!(public("https://voice.example.com/a/b/").path(), "/a/b");
    }
}
