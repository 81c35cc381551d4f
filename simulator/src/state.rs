//! What all parts of a running simulator share.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use twilio::AccountSid;
use url::Url;

use crate::account::Account;
use crate::counters::Tally;
use crate::faults::Injector;

/// The shared state of one simulator.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) account_sid: AccountSid,
    pub(crate) auth_token: SecretString,
    pub(crate) seed: u64,
    pub(crate) account: Mutex<Account>,
    pub(crate) injector: Mutex<Injector>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) callback: Mutex<Option<CallbackTarget>>,
    /// API keys besides the account's own credentials: SID and secret.
    pub(crate) api_keys: Mutex<Vec<(String, SecretString)>>,
    /// Other accounts: SID and token.
    pub(crate) subaccounts: Mutex<Vec<(AccountSid, SecretString)>>,
    /// The transcriber's only key; any key will do where there is none.
    pub(crate) transcriber_key: Mutex<Option<SecretString>>,
    pub(crate) http: reqwest::Client,
    pub(crate) serial: AtomicU64,
    pub(crate) clock_ahead_ms: AtomicI64,
}

/// Where callbacks go: the URL they are signed for and where they connect.
#[derive(Clone, Debug)]
pub(crate) struct CallbackTarget {
    pub(crate) public_url: Url,
    pub(crate) target: Option<SocketAddr>,
}

impl State {
    /// The account's time: the system's, or later where it was advanced.
    #[expect(clippy::disallowed_methods, reason = "the simulated world has a clock of its own, and this is it")]
    pub(crate) fn now(&self) -> DateTime<Utc> {
        Utc::now() + TimeDelta::milliseconds(self.clock_ahead_ms.load(Ordering::Relaxed))
    }

    /// The token of an account that is played here.
    pub(crate) fn token_of(&self, account_sid: &AccountSid) -> Option<SecretString> {
        if *account_sid == self.account_sid {
            return Some(self.auth_token.clone());
        }
        let subaccounts = locked(&self.subaccounts);
        subaccounts.iter().find(|(sid, _)| sid == account_sid).map(|(_, token)| token.clone())
    }

    /// A number not given before.
    pub(crate) fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }
}

/// The lock. A poisoned one is taken all the same: everything here is a plain value that a panic leaves whole.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
