//! `callvault recordings audio`: the archived media, opened.

use std::io::{ErrorKind, IsTerminal};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, bail};
use catalog::Catalog;
use futures::TryStreamExt;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use twilio::RecordingSid;
use vault::ByteStream;

use super::{audit, find};
use crate::config::Config;
use crate::output::read_enough;
use crate::wiring;

pub(super) async fn run(
    config: &Config,
    catalog: &Catalog,
    sid: &RecordingSid,
    file: Option<&Path>,
) -> anyhow::Result<()> {
    let row = find(catalog, sid).await?;
    let Some(media) = row.media.as_ref().filter(|_| row.is_archived()) else {
        bail!("{sid} has no archived audio: its status is {}", row.status);
    };
    let body = wiring::vault(config).await?.open(&media.object.parse()?).await?;
    audit(catalog, "audio", Some(sid), file.map(|file| file.display().to_string()).unwrap_or_default()).await?;
    match file {
        Some(path) => write_file(path, body).await.with_context(|| format!("{}", path.display())),
        None if std::io::stdout().is_terminal() => bail!("this is audio: name a file with -o, or pipe it to a player"),
        None => pipe(body).await,
    }
}

/// To whoever reads standard output.
async fn pipe(mut body: ByteStream) -> anyhow::Result<()> {
    let mut stdout = tokio::io::stdout();
    while let Some(chunk) = body.try_next().await? {
        if let Err(error) = stdout.write_all(&chunk).await {
            return read_enough(Err(error));
        }
    }
    read_enough(stdout.flush().await)
}

/// A file only its owner reads; removed again when the audio turns out broken, so that no half of it is taken for all.
async fn write_file(path: &Path, body: ByteStream) -> anyhow::Result<()> {
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = opened.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => anyhow::anyhow!("the file exists: name another"),
        _ => error.into(),
    })?;
    let copied = copy(body, File::from_std(file)).await;
    if copied.is_err() {
        std::fs::remove_file(path).context("the audio is broken, and what was written of it cannot be removed")?;
    }
    copied
}

async fn copy(mut body: ByteStream, mut file: File) -> anyhow::Result<()> {
    while let Some(chunk) = body.try_next().await? {
        file.write_all(&chunk).await?;
    }
    Ok(file.flush().await?)
}
