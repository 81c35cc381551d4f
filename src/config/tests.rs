//! What settings come to, what is wrong with them, and what is only risky.

mod arriving;
mod risky;
mod wrong;

use super::*;

const ACCOUNT: &str = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const API_KEY: &str = "SKaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
/// 24 bytes in base64, as the specification wants at the least.
const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// An account, and these.
fn load(variables: &[(&str, &str)]) -> Result<Config> {
    let account = [("TWILIO_ACCOUNT_SID", ACCOUNT), ("TWILIO_AUTH_TOKEN", "token")];
    Config::load(None, &account.into_iter().chain(variables.iter().copied()).collect())
}

fn loaded(variables: &[(&str, &str)]) -> Config {
    load(variables).unwrap_or_else(|error| panic!("{error}"))
}

fn error(variables: &[(&str, &str)]) -> SettingsError {
    load(variables).err().unwrap_or_else(|| panic!("taken: {variables:?}"))
}
