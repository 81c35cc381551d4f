//! `callvault settings`: every setting, explained, with the value in force.

use std::process::ExitCode;

use serde::Serialize;

use crate::config::Config;
use crate::output::Output;
use crate::settings::{Documented, documented, masked};

#[derive(Serialize)]
struct Setting {
    name: String,
    section: &'static str,
    documentation: String,
    is_secret: bool,
    default: Option<String>,
    /// Never a secret's.
    value: Option<String>,
    origin: Option<&'static str>,
    #[serde(skip)]
    documented: Documented,
}

pub(crate) fn run(config: &Config, output: Output) -> anyhow::Result<ExitCode> {
    let settings: Vec<Setting> = documented().into_iter().map(|setting| in_force(config, setting)).collect();
    if output.is_json {
        output.list(&settings, &[], |_| Vec::new())?;
    } else {
        output.document(&settings, |settings| page(settings))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn in_force(config: &Config, documented: Documented) -> Setting {
    let value = config.values.text(documented.key);
    Setting {
        name: documented.key.to_uppercase(),
        section: documented.section,
        documentation: documented.documentation.join(" "),
        is_secret: documented.is_secret,
        default: documented.default.clone(),
        value: value.map(|value| if documented.is_secret { "(set, not shown)".to_owned() } else { masked(value) }),
        origin: config.values.origin(documented.key).map(|origin| origin.as_str()),
        documented,
    }
}

/// A settings file that says what is in force, but for the secrets.
fn page(settings: &[Setting]) -> String {
    let mut text = String::new();
    let (mut section, mut documentation) = ("", &Vec::new());
    for setting in settings {
        if setting.section != section {
            section = setting.section;
            text += &format!("\n## {section}\n");
        }
        // Keys that share their documentation stand together.
        if &setting.documented.documentation != documentation {
            documentation = &setting.documented.documentation;
            text.push('\n');
            for line in documentation {
                text += &format!("# {line}\n");
            }
        }
        text += &line(setting);
    }
    text.trim_start().to_owned()
}

fn line(setting: &Setting) -> String {
    let key = setting.documented.key;
    match (&setting.value, setting.origin) {
        (Some(_), Some(origin)) if setting.is_secret => format!("#{key} = (not shown)  # {origin}\n"),
        (Some(value), Some(origin)) => format!("{key} = {}  # {origin}\n", quoted(value)),
        _ => format!("#{key} =  # not set\n"),
    }
}

/// As TOML writes it (its basic strings take JSON's escapes); numbers and flags go without quotes.
fn quoted(value: &str) -> String {
    let is_number = value.parse::<u32>().is_ok_and(|number| number.to_string() == value);
    if is_number || value.parse::<bool>().is_ok() {
        return value.to_owned();
    }
    serde_json::Value::from(value).to_string()
}
