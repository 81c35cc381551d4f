//! What the tests of several stages begin with.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use twilio::{AccountSid, Client, ClientConfig, Credentials, Recording, RecordingSid, RecordingStatus};

/// A client of a simulated Twilio, for `account`, whose token is `token`.
pub(crate) fn client(account: &str, api_url: url::Url) -> Client {
    let config = ClientConfig {
        api_url,
        credentials: Credentials { user: account.to_owned(), secret: "token".into() },
        account_credentials: Default::default(),
        max_concurrency: 4,
        requests_per_second: 1000,
        request_timeout: Duration::from_secs(30),
    };
    Client::new(config).unwrap()
}

/// A recording of which Twilio says that it is complete, and nothing else.
pub(crate) fn completed() -> Recording {
    let account_sid: AccountSid = format!("AC{}", "5".repeat(32)).parse().unwrap();
    let recording_sid: RecordingSid = format!("RE{}", "5".repeat(32)).parse().unwrap();
    Recording {
        account_sid,
        recording_sid,
        call_sid: None,
        conference_sid: None,
        status: RecordingStatus::Completed,
        source: None,
        channels: None,
        duration_secs: None,
        started_at: None,
        error_code: None,
        encryption: None,
    }
}
