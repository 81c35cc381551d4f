//! Where settings come from: the page in `settings.toml`, then the user's file, then the environment.
//!
//! This module and those below it only layer and look up; [`crate::config`] says what each value means.

mod environment;
mod masked;
mod values;

pub(crate) use environment::{Environment, suspicious};
pub(crate) use masked::masked;
pub(crate) use values::{Origin, Values};

use std::path::Path;

/// The documentation and the defaults at once.
pub(crate) const PAGE: &str = include_str!("../settings.toml");

/// A wrong or missing setting: exit code 2. Never holds a secret's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SettingsError {
    pub(crate) name: String,
    pub(crate) problem: String,
}

impl SettingsError {
    pub(crate) fn new(key: &str, problem: impl Into<String>) -> Self {
        SettingsError { name: key.to_uppercase(), problem: problem.into() }
    }

    /// As [`SettingsError::new`], from what a library says, which may begin with the setting's name itself.
    pub(crate) fn said(key: &str, error: &dyn std::error::Error) -> Self {
        let text = error.to_string();
        let problem = text.strip_prefix(&key.to_uppercase()).unwrap_or(&text);
        SettingsError::new(key, problem.trim_start())
    }

    /// About the file itself; `named_by` is the option or variable that names it.
    fn of_file(named_by: &str, path: &Path, problem: impl std::fmt::Display) -> Self {
        SettingsError { name: named_by.to_owned(), problem: format!("{}: {problem}", path.display()) }
    }

    pub(crate) fn required(key: &str) -> Self {
        let about = documented().into_iter().find(|setting| setting.key == key);
        let about = about.map(|setting| setting.documentation.join(" ")).unwrap_or_default();
        SettingsError::new(key, format!("is required. {about}"))
    }
}

impl std::fmt::Display for SettingsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.name, self.problem)
    }
}

impl std::error::Error for SettingsError {}

/// One setting as the page documents it.
#[derive(Debug, Clone)]
pub(crate) struct Documented {
    /// The heading it stands under.
    pub(crate) section: &'static str,
    pub(crate) key: &'static str,
    pub(crate) documentation: Vec<&'static str>,
    pub(crate) default: Option<String>,
    pub(crate) is_secret: bool,
    /// `NAME_FILE` may name a file that holds the value: of secrets, and of URLs that can have a password in them.
    pub(crate) may_be_in_file: bool,
}

/// Every setting of the page, in its order.
pub(crate) fn documented() -> Vec<Documented> {
    let mut settings = Vec::new();
    let mut documentation = Vec::new();
    let mut section = "";
    for line in PAGE.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading;
        } else if let Some(text) = line.strip_prefix("# ") {
            documentation.push(text);
        } else if let Some((key, value)) = key_line(line) {
            // A second key under the same comment (edge and region) shares it.
            let ends_with = |mark: &str| documentation.last().is_some_and(|text: &&str| text.ends_with(mark));
            let is_secret = ends_with("Secret.");
            let may_be_in_file = is_secret || ends_with("May hold a password.");
            let default = (!line.starts_with('#')).then(|| value.trim_matches('"').to_owned());
            let documentation = documentation.clone();
            settings.push(Documented { section, key, documentation, default, is_secret, may_be_in_file });
        } else {
            documentation.clear();
        }
    }
    settings
}

fn key_line(line: &'static str) -> Option<(&'static str, &'static str)> {
    let (key, value) = line.strip_prefix('#').unwrap_or(line).split_once(" = ")?;
    let is_key = key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    is_key.then_some((key, value))
}

fn find<'a>(known: &'a [Documented], key: &str) -> Option<&'a Documented> {
    let exact = known.iter().find(|setting| setting.key == key);
    let from_file = || {
        let key = key.strip_suffix("_file")?;
        known.iter().find(|setting| setting.may_be_in_file && setting.key == key)
    };
    exact.or_else(from_file)
}

/// What was cut short (`twilio_api_key`) is nearer than what differs in fewer letters.
fn nearest(known: &[Documented], key: &str) -> &'static str {
    let key = key.to_lowercase();
    let distance =
        |setting: &&Documented| (!setting.key.starts_with(&key), strsim::damerau_levenshtein(setting.key, &key));
    known.iter().min_by_key(distance).map_or("", |setting| setting.key)
}

#[cfg(test)]
mod tests;
