//! Who transcribes.

use std::time::Duration;

use secrecy::SecretString;
use transcriber::CommandConfig;
use url::Url;

use super::addresses::web_url;
use super::{Result, seconds, text};
use crate::settings::{SettingsError, Values};

#[derive(Clone)]
pub(crate) struct Transcription {
    pub(crate) provider: Provider,
    pub(crate) model: Option<String>,
    pub(crate) language: Option<String>,
    pub(crate) timeout: Duration,
}

#[derive(Clone)]
pub(crate) enum Provider {
    None,
    /// The key is asked for where something transcribes.
    Deepgram {
        api_key: Option<SecretString>,
        api_url: Url,
    },
    OpenAi {
        api_key: Option<SecretString>,
        base_url: Url,
    },
    Command {
        command: String,
    },
}

pub(super) fn read(values: &Values) -> Result<Transcription> {
    let url = |key: &str| -> Result<Url> {
        web_url(values, key, "an http or https URL")?.ok_or_else(|| SettingsError::required(key))
    };
    let (deepgram_url, openai_url) = (url("deepgram_api_url")?, url("openai_base_url")?);
    let timeout = seconds(values, "transcription_timeout_secs", 1, 1200)?;
    let provider = match values.text("transcription_provider").unwrap_or("none") {
        "none" => Provider::None,
        "deepgram" => Provider::Deepgram { api_key: values.secret("deepgram_api_key"), api_url: deepgram_url },
        "openai" => Provider::OpenAi { api_key: values.secret("openai_api_key"), base_url: openai_url },
        "command" => Provider::Command { command: command(values, timeout)? },
        other => {
            let problem = format!("{other:?} is not one of none, deepgram, openai, command");
            return Err(SettingsError::new("transcription_provider", problem));
        }
    };
    Ok(Transcription {
        provider,
        model: values.text("transcription_model").map(str::to_owned),
        language: values.text("transcription_language").map(str::to_owned),
        timeout,
    })
}

fn command(values: &Values, timeout: Duration) -> Result<String> {
    let key = "transcription_command";
    let command = text(values, key)?;
    match transcriber::Command::new(CommandConfig { command: command.clone(), timeout }) {
        Ok(_) => Ok(command),
        Err(error) => Err(SettingsError::said(key, &error)),
    }
}
