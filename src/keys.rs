//! `callvault keys`: age identities.

use std::process::ExitCode;

use serde_json::json;
use vault::{Identities, KeyError};

use crate::cli::KeysCommand;
use crate::output::Output;

pub(crate) fn run(command: &KeysCommand, output: Output) -> anyhow::Result<ExitCode> {
    let KeysCommand::Generate { output: path, if_missing } = command;
    let recipient = match vault::generate_identity_file(path) {
        Err(KeyError::Exists) if *if_missing => Identities::from_file(path)?.recipients(),
        made => made?,
    };
    let recipient = recipient.to_string();
    let file = path.display().to_string();
    output.document(&json!({ "recipient": recipient, "identity_file": file }), |_| recipient.clone())?;
    Ok(ExitCode::SUCCESS)
}
