//! `callvault keys`: age identities.

use std::process::ExitCode;

use serde_json::json;

use crate::cli::KeysCommand;
use crate::output::Output;

pub(crate) fn run(command: &KeysCommand, output: Output) -> anyhow::Result<ExitCode> {
    let KeysCommand::Generate { output: path } = command;
    let recipient = vault::generate_identity_file(path)?.to_string();
    let file = path.display().to_string();
    output.document(&json!({ "recipient": recipient, "identity_file": file }), |_| recipient.clone())?;
    Ok(ExitCode::SUCCESS)
}
