//! The URL of a request as Twilio sees it.

use url::Url;

/// The public base URL, ready to have what was requested appended.
pub(crate) struct PublicUrl {
    base: String,
    base_shown: String,
    path: String,
}

impl PublicUrl {
    pub(crate) fn new(base: &Url) -> Self {
        let mut base = base.clone();
        base.set_query(None);
        base.set_fragment(None);
        let mut shown = base.clone();
        // Fails for URLs without a host, which have no credentials either.
        let _ = shown.set_username("");
        let _ = shown.set_password(None);
        Self { base: trimmed(base.as_str()), base_shown: trimmed(shown.as_str()), path: trimmed(base.path()) }
    }

    /// The path of the base URL, empty where it has none.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// What Twilio signs. `requested` is the raw path and query, below the base URL's path.
    pub(crate) fn signed(&self, requested: &str) -> String {
        format!("{}{requested}", self.base)
    }

    /// The same for people to read: without credentials, and without the query, which may hold secrets.
    pub(crate) fn shown(&self, requested: &str) -> String {
        match requested.split_once('?') {
            Some((path, _)) => format!("{}{path}?…", self.base_shown),
            None => format!("{}{requested}", self.base_shown),
        }
    }
}

fn trimmed(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(base: &str) -> PublicUrl {
        PublicUrl::new(&base.parse().unwrap())
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
