//! The variables of the environment.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::{Documented, SettingsError, documented, find, nearest};

/// Variables by their names. One that is not Unicode is an error only where it is a setting.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// This process's.
    pub(crate) fn of_process() -> Environment {
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect()
    }

    /// A variable's value; `None` where it is not set, or empty.
    pub(super) fn get(&self, name: &str) -> Result<Option<String>, SettingsError> {
        let Some(value) = self.0.get(name).filter(|value| !value.is_empty()) else { return Ok(None) };
        let text = value.clone().into_string();
        text.map(Some).map_err(|_| SettingsError::new(name, "its value is not Unicode text"))
    }

    /// Every setting that is set here, by its key or its key and `_file`.
    pub(super) fn settings(&self, known: &[Documented]) -> Result<BTreeMap<String, String>, SettingsError> {
        let mut settings = BTreeMap::new();
        for name in self.0.keys() {
            let key = name.to_ascii_lowercase();
            if *name == key.to_ascii_uppercase()
                && find(known, &key).is_some()
                && let Some(value) = self.get(name)?
            {
                settings.insert(key, value);
            }
        }
        Ok(settings)
    }
}

impl<N: Into<String>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Environment(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// Beginnings of names that only settings of ours have.
const PREFIXES: [&str; 11] = [
    "CALLVAULT_",
    "DEEPGRAM_",
    "DELIVERY_",
    "ENCRYPTION_",
    "INGEST_SPOOL_",
    "RECONCILE_",
    "RECORDINGS_",
    "RETENTION_",
    "TRANSCRIPTION_",
    "TWILIO_",
    "WORKER_",
];
/// Ours, and no settings.
const OTHERS: [&str; 2] = ["CALLVAULT_ACTOR", "CALLVAULT_CONFIG"];
/// A name this near to a setting's is taken for a slip, if it is not so short that anything would be near.
const SLIPS_MOST: usize = 2;
const SLIP_LENGTH_LEAST: usize = 8;

/// Variables that look like settings of ours and are none, each with the nearest that is one.
pub(crate) fn suspicious(environment: &Environment) -> Vec<(String, &'static str)> {
    let known = documented();
    let mut found = Vec::new();
    for name in environment.0.keys() {
        let key = name.to_lowercase();
        let nearest = nearest(&known, key.strip_prefix("callvault_").unwrap_or(&key));
        let is_slip = name.len() >= SLIP_LENGTH_LEAST && strsim::damerau_levenshtein(nearest, &key) <= SLIPS_MOST;
        let of_file = key.strip_suffix("_file");
        let is_file_of_none = of_file.is_some_and(|key| known.iter().any(|setting| setting.key == key));
        let looks_like_ours = PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || is_slip || is_file_of_none;
        let is_setting = find(&known, &key).is_some() && *name == key.to_uppercase();
        let is_known = is_setting || OTHERS.contains(&name.as_str());
        if looks_like_ours && !is_known && !is_of_a_service(name) {
            found.push((name.clone(), nearest));
        }
    }
    found
}

/// Kubernetes tells every container of every service, in variables that begin with the service's name.
fn is_of_a_service(name: &str) -> bool {
    ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"].iter().any(|end| name.ends_with(end))
        || name.contains("_SERVICE_PORT_")
        || name.contains("_PORT_")
}
