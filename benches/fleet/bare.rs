//! The bare copy: media from Twilio into the bucket, as they are, in one put each. Nothing can be faster through the
//! same servers. A process of its own, this program started with `bare-copy`: it does what it reads on its standard
//! input.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, ensure};
use reqwest::header::CONTENT_LENGTH;
use reqwest::{Body, Client};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::Semaphore;

use crate::measure::callbacks::{ACCOUNT, TOKEN};
use crate::process::Process;

pub(crate) const COMMAND: &str = "bare-copy";

/// The process. Dropped, it ends.
pub(crate) struct BareCopy {
    pub(crate) process: Process,
}

impl BareCopy {
    /// As many at once as `concurrency` says.
    pub(crate) fn start(folder: &Path, concurrency: u64) -> anyhow::Result<BareCopy> {
        let mut command = Command::new("/proc/self/exe");
        command.arg(COMMAND).arg(concurrency.to_string()).stdin(Stdio::piped());
        Ok(BareCopy { process: Process::start(&mut command, &folder.join("bare.log"))? })
    }

    /// Lines of two URLs: where from and where to.
    pub(crate) fn copy(&mut self, lines: &str) -> anyhow::Result<()> {
        let stdin = self.process.child().stdin.as_mut().context("no pipe")?;
        stdin.write_all(lines.as_bytes())?;
        Ok(stdin.flush()?)
    }
}

/// The process's whole life.
pub(crate) fn serve(concurrency: &str) -> anyhow::Result<()> {
    let hands = Arc::new(Semaphore::new(concurrency.parse()?));
    tokio::runtime::Runtime::new()?.block_on(async {
        let client = Client::builder().no_proxy().build()?;
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Some(line) = lines.next_line().await? {
            let (hand, client) = (Arc::clone(&hands).acquire_owned().await?, client.clone());
            // A copy that fails is missed by who waits for the object.
            tokio::spawn(async move {
                let copied = copy(&client, &line).await;
                drop(hand);
                copied
            });
        }
        Ok(())
    })
}

async fn copy(client: &Client, line: &str) -> anyhow::Result<()> {
    let (from, to) = line.split_once(' ').context("two URLs are wanted")?;
    let media = client.get(from).basic_auth(ACCOUNT, Some(TOKEN)).send().await?.error_for_status()?;
    let length = media.content_length().context("no length")?;
    let put = client.put(to).header(CONTENT_LENGTH, length).body(Body::wrap_stream(media.bytes_stream()));
    let answer = put.send().await?;
    ensure!(answer.status().is_success(), "{}", answer.text().await?);
    Ok(())
}
