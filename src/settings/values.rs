//! The layers, put over one another.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use secrecy::SecretString;

use super::{Documented, Environment, SettingsError, documented, find, masked, nearest};

const FILE_BYTES_MOST: u64 = 1 << 20;

/// Where a value in force was set; a later one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
    /// Layers the page, the file (`--config`, else what `CALLVAULT_CONFIG` names) and `environment`. An unknown key of the
    /// file is an error that names the nearest known one.
    pub(crate) fn load(file: Option<&Path>, environment: &Environment) -> Result<Values, SettingsError> {
        let mut values = Values::default();
        let known = documented();
        for setting in &known {
            if let Some(default) = &setting.default {
                values.set(setting.key, default, Origin::Default);
            }
        }
        let named = environment.get("CALLVAULT_CONFIG")?.map(PathBuf::from);
        if let Some(path) = file {
            values.merge(&known, Origin::File, read_file("--config", path, &known)?)?;
        } else if let Some(path) = named {
            values.merge(&known, Origin::File, read_file("CALLVAULT_CONFIG", &path, &known)?)?;
        }
        values.merge(&known, Origin::Environment, environment.settings(&known)?)?;
        Ok(values)
    }

    /// Puts a layer, by key, over what is there. An empty value counts as not set.
    fn merge(
        &mut self,
        known: &[Documented],
        origin: Origin,
        layer: BTreeMap<String, String>,
    ) -> Result<(), SettingsError> {
        let value = |key: &str| layer.get(key).filter(|value| !value.trim().is_empty());
        for setting in known {
            let key = setting.key;
            let named = value(&format!("{key}_file")).filter(|_| setting.may_be_in_file);
            match (value(key), named) {
                (None, None) => {}
                (Some(value), None) => self.set(key, value, origin),
                (None, Some(path)) => self.set(key, &read_secret(key, path)?, origin),
                (Some(_), Some(_)) => {
                    let problem = format!("is set, and so is {}_FILE: keep one of them", key.to_uppercase());
                    return Err(SettingsError::new(key, problem));
                }
            }
        }
        Ok(())
    }

    /// Without the white space around it, which clings to secrets that were piped or pasted.
    fn set(&mut self, key: &'static str, value: &str, origin: Origin) {
        self.values.insert(key, (value.trim().to_owned(), origin));
    }

    /// The value as text; `None` where unset.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        debug_assert!(documented().iter().any(|setting| setting.key == key), "{key} is not on the page");
        self.values.get(key).map(|(value, _)| value.as_str())
    }

    pub(crate) fn origin(&self, key: &str) -> Option<Origin> {
        self.values.get(key).map(|(_, origin)| *origin)
    }

    /// The value parsed, or an error that says what is `expected`, and shows the wrong value where that is no secret.
    pub(crate) fn parsed<T: FromStr>(&self, key: &str, expected: &str) -> Result<Option<T>, SettingsError> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let is_secret = find(&documented(), key).is_some_and(|setting| setting.is_secret);
        let shown = if is_secret { "its value".to_owned() } else { format!("{:?}", masked(text)) };
        let wrong = |_| SettingsError::new(key, format!("{shown} is not {expected}"));
        text.parse().map(Some).map_err(wrong)
    }

    /// As [`Values::parsed`], for whole numbers within bounds that have a default on the page.
    pub(crate) fn number<T: FromStr + PartialOrd + std::fmt::Display + Copy>(
        &self,
        key: &str,
        least: T,
        most: T,
    ) -> Result<T, SettingsError> {
        self.optional_number(key, least, most)?.ok_or_else(|| SettingsError::required(key))
    }

    /// As [`Values::number`], for those without a default.
    pub(crate) fn optional_number<T: FromStr + PartialOrd + std::fmt::Display + Copy>(
        &self,
        key: &str,
        least: T,
        most: T,
    ) -> Result<Option<T>, SettingsError> {
        let expected = format!("a whole number from {least} to {most}");
        match self.parsed(key, &expected)? {
            Some(number) if number < least || number > most => {
                Err(SettingsError::new(key, format!("{number} is not {expected}")))
            }
            number => Ok(number),
        }
    }

    pub(crate) fn secret(&self, key: &str) -> Option<SecretString> {
        self.text(key).map(SecretString::from)
    }

    pub(crate) fn path(&self, key: &str) -> Option<PathBuf> {
        self.text(key).map(PathBuf::from)
    }
}

/// The user's file as keys and texts.
fn read_file(named_by: &str, path: &Path, known: &[Documented]) -> Result<BTreeMap<String, String>, SettingsError> {
    let wrong = |problem: String| SettingsError::of_file(named_by, path, problem);
    let text = read_bounded(path).map_err(|error| wrong(error.to_string()))?;
    // A parse error quotes the line it is about, which may hold a secret: only its message is shown.
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| wrong(error.message().to_owned()))?;
    let mut layer = BTreeMap::new();
    for (key, value) in table {
        if find(known, &key).is_none() {
            return Err(wrong(format!("unknown key {key:?}; did you mean {:?}?", nearest(known, &key))));
        }
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(flag) => flag.to_string(),
            _ => return Err(wrong(format!("{key}: expected a string, a whole number, true or false"))),
        };
        layer.insert(key, text);
    }
    Ok(layer)
}

/// A file's text. Nothing that is meant is longer, and a device would have no end.
fn read_bounded(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(FILE_BYTES_MOST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MOST {
        return Err(std::io::Error::other(format!("it is longer than {} KiB", FILE_BYTES_MOST >> 10)));
    }
    Ok(text)
}

/// The secret in the file at `path`. The path is not shown: it may be the secret itself, put into the wrong variable.
fn read_secret(key: &str, path: &str) -> Result<String, SettingsError> {
    let wrong = |problem: String| SettingsError::new(&format!("{key}_file"), problem);
    let text = read_bounded(Path::new(path.trim()));
    let text = text.map_err(|error| wrong(format!("the file it names cannot be read: {error}")))?;
    if text.trim().is_empty() {
        return Err(wrong("the file it names is empty".to_owned()));
    }
    Ok(text)
}
