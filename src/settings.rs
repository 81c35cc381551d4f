//! Where settings come from: the page in `settings.toml`, then the user's file, then the environment.
//!
//! This module only layers and looks up; [`crate::config`] says what each value means.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use secrecy::SecretString;

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
    pub(crate) key: &'static str,
    pub(crate) documentation: Vec<&'static str>,
    pub(crate) default: Option<String>,
    pub(crate) is_secret: bool,
}

/// Every setting of the page, in its order.
pub(crate) fn documented() -> Vec<Documented> {
    let mut settings = Vec::new();
    let mut documentation = Vec::new();
    for line in PAGE.lines() {
        if let Some(text) = line.strip_prefix("# ") {
            documentation.push(text);
        } else if let Some((key, value)) = key_line(line) {
            // A second key under the same comment (edge and region) shares it.
            let is_secret = documentation.last().is_some_and(|text: &&str| text.ends_with("Secret."));
            let default = (!line.starts_with('#')).then(|| value.trim_matches('"').to_owned());
            settings.push(Documented { key, documentation: documentation.clone(), default, is_secret });
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

/// Where a value in force was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    File,
    Environment,
}

impl Origin {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Origin::Default => "default",
            Origin::File => "file",
            Origin::Environment => "environment",
        }
    }
}

/// All values in force, as text.
#[derive(Clone, Default)]
pub(crate) struct Values {
    values: BTreeMap<&'static str, (String, Origin)>,
}

impl Values {
    /// Layers the page, `file` and `environment`. An unknown key of the file is an error that names the nearest known one.
    pub(crate) fn load(file: Option<&Path>, environment: &BTreeMap<String, String>) -> Result<Values, SettingsError> {
        let mut values = Values::default();
        let known = documented();
        for setting in &known {
            if let Some(default) = &setting.default {
                values.set(setting.key, default.clone(), Origin::Default);
            }
        }
        if let Some(path) = file {
            values.merge_file(path, &known)?;
        }
        values.merge_environment(environment, &known)?;
        Ok(values)
    }

    fn set(&mut self, key: &'static str, value: String, origin: Origin) {
        if value.trim().is_empty() {
            self.values.remove(key);
        } else {
            self.values.insert(key, (value, origin));
        }
    }

    fn merge_file(&mut self, path: &Path, known: &[Documented]) -> Result<(), SettingsError> {
        let wrong = |problem: String| SettingsError::new("--config", format!("{}: {problem}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        // A parse error quotes the line it is about, which may hold a secret: only its message is shown.
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| wrong(error.message().to_owned()))?;
        for (key, value) in table {
            let setting = find(known, &key)
                .ok_or_else(|| wrong(format!("unknown key {key:?}; did you mean {:?}?", nearest(known, &key))))?;
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(flag) => flag.to_string(),
                _ => return Err(wrong(format!("{key}: expected a string, a whole number, true or false"))),
            };
            self.set_or_read(setting, &key, text, Origin::File)?;
        }
        Ok(())
    }

    fn merge_environment(
        &mut self,
        environment: &BTreeMap<String, String>,
        known: &[Documented],
    ) -> Result<(), SettingsError> {
        for setting in known {
            for key in [setting.key.to_owned(), format!("{}_file", setting.key)] {
                let is_setting = find(known, &key).is_some();
                if let Some(value) = environment.get(&key.to_uppercase()).filter(|_| is_setting) {
                    self.set_or_read(setting, &key, value.clone(), Origin::Environment)?;
                }
            }
        }
        Ok(())
    }

    /// Sets a value, or reads it from the file that `key_file` names.
    fn set_or_read(
        &mut self,
        setting: &Documented,
        key: &str,
        value: String,
        origin: Origin,
    ) -> Result<(), SettingsError> {
        if key == setting.key || value.trim().is_empty() {
            if key == setting.key {
                self.set(setting.key, value, origin);
            }
            return Ok(());
        }
        let text = std::fs::read_to_string(&value)
            .map_err(|error| SettingsError::new(key, format!("cannot read {value}: {error}")))?;
        self.set(setting.key, text.trim_end_matches(['\r', '\n']).to_owned(), origin);
        Ok(())
    }

    /// The value as text; `None` where unset.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        debug_assert!(documented().iter().any(|setting| setting.key == key), "{key} is not on the page");
        self.values.get(key).map(|(value, _)| value.as_str())
    }

    pub(crate) fn origin(&self, key: &str) -> Option<Origin> {
        self.values.get(key).map(|(_, origin)| *origin)
    }

    /// The value parsed, or an error that says what is `expected`. The wrong value is shown: never use it for a secret.
    pub(crate) fn parsed<T: FromStr>(&self, key: &str, expected: &str) -> Result<Option<T>, SettingsError> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let parsed = text.trim().parse();
        parsed.map(Some).map_err(|_| SettingsError::new(key, format!("{text:?} is not {expected}")))
    }

    /// As [`Values::parsed`], for keys that have a default on the page.
    pub(crate) fn number<T: FromStr + PartialOrd + std::fmt::Display + Copy>(
        &self,
        key: &str,
        least: T,
        most: T,
    ) -> Result<T, SettingsError> {
        let expected = format!("a whole number from {least} to {most}");
        let number = self.parsed(key, &expected)?.ok_or_else(|| SettingsError::required(key))?;
        if number < least || number > most {
            return Err(SettingsError::new(key, format!("{number} is not {expected}")));
        }
        Ok(number)
    }

    pub(crate) fn secret(&self, key: &str) -> Option<SecretString> {
        self.text(key).map(SecretString::from)
    }

    pub(crate) fn path(&self, key: &str) -> Option<PathBuf> {
        self.text(key).map(PathBuf::from)
    }
}

/// Variables of the environment that look like settings of ours and are none, each with the nearest that is.
pub(crate) fn suspicious(environment: &BTreeMap<String, String>) -> Vec<(String, &'static str)> {
    const PREFIXES: [&str; 6] = ["ENCRYPTION_", "RECORDINGS_", "RETENTION_", "RECONCILE_", "TRANSCRIPTION_", "WORKER_"];
    let known = documented();
    let names = environment.keys().filter(|name| PREFIXES.iter().any(|prefix| name.starts_with(prefix)));
    let unknown = names.filter(|name| find(&known, &name.to_lowercase()).is_none());
    unknown.map(|name| (name.clone(), nearest(&known, &name.to_lowercase()))).collect()
}

fn find<'a>(known: &'a [Documented], key: &str) -> Option<&'a Documented> {
    let exact = known.iter().find(|setting| setting.key == key);
    let from_file = || {
        let key = key.strip_suffix("_file")?;
        known.iter().find(|setting| setting.is_secret && setting.key == key)
    };
    exact.or_else(from_file)
}

fn nearest(known: &[Documented], key: &str) -> &'static str {
    let distance = |setting: &&Documented| strsim::damerau_levenshtein(setting.key, key);
    known.iter().min_by_key(distance).map_or("", |setting| setting.key)
}
