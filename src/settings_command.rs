//! `callvault settings`: every setting, explained, with the value in force.

use std::process::ExitCode;

use serde::Serialize;

use crate::config::Config;
use crate::output::Output;
use crate::settings::{Documented, documented};

#[derive(Serialize)]
struct Setting {
    name: String,
    documentation: String,
    default: Option<String>,
    value: Option<String>,
    origin: Option<&'static str>,
    #[serde(skip)]
    key: &'static str,
}

pub(crate) fn run(config: &Config, output: Output) -> anyhow::Result<ExitCode> {
    let settings: Vec<Setting> = documented().into_iter().map(|setting| in_force(config, setting)).collect();
    if output.is_json {
        output.list(&settings, &[], |_| Vec::new())?;
    } else {
        output.document(&settings, |settings| settings.iter().map(text).collect::<Vec<_>>().join("\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn in_force(config: &Config, setting: Documented) -> Setting {
    let value = config
        .values
        .text(setting.key)
        .map(|value| if setting.is_secret { "(set, not shown)".to_owned() } else { value.to_owned() });
    Setting {
        name: setting.key.to_uppercase(),
        documentation: setting.documentation.join(" "),
        default: setting.default,
        value,
        origin: config.values.origin(setting.key).map(|origin| origin.as_str()),
        key: setting.key,
    }
}

/// A piece of a settings file: it can be pasted into one.
fn text(setting: &Setting) -> String {
    let line = match (&setting.value, setting.origin) {
        (Some(value), Some(origin)) => format!("{} = {value:?}  # {origin}", setting.key),
        _ => format!("#{} =  # not set", setting.key),
    };
    format!("# {}\n{line}\n", setting.documentation)
}
