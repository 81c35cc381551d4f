//! A process of the harness's own: started, told to end, killed, and never left behind.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, getuid, kill_process_group};

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A process in a group of its own; all of the group is killed when it is dropped.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// What it says is added to `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> anyhow::Result<Process> {
        command.stdout(File::options().append(true).create(true).open(log)?);
        Process::start_heard(command, log)
    }

    /// The same, but what it says on its standard output goes where `command` has it.
    pub(crate) fn start_heard(command: &mut Command, log: &Path) -> anyhow::Result<Process> {
        command.stderr(File::options().append(true).create(true).open(log)?).process_group(0);
        let child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
        Ok(Process { child })
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// SIGKILL to it and to what it started.
    pub(crate) async fn kill(mut self) {
        self.signal(Signal::KILL);
        self.wait(Duration::from_secs(10)).await;
    }

    /// A signal that asks for an end; SIGKILL, and `None`, where that takes longer than `patience`.
    pub(crate) async fn stop(mut self, signal: Signal, patience: Duration) -> Option<ExitStatus> {
        self.signal(signal);
        self.wait(patience).await
    }

    fn signal(&self, signal: Signal) {
        let _ = kill_process_group(Pid::from_child(&self.child), signal);
    }

    async fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let began = Instant::now();
        while began.elapsed() < patience {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        None
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A group whose leader was waited for may live on, and its number is not given away before it is empty.
        self.signal(Signal::KILL);
        let _ = self.child.wait();
        // What libfaketime leaves of a process that was killed.
        for left in ["faketime_shm_", "sem.faketime_sem_"] {
            let _ = std::fs::remove_file(format!("/dev/shm/{left}{}", self.child.id()));
        }
    }
}

/// A command as `user`, where this process is root's: RabbitMQ and PostgreSQL refuse to be.
pub(crate) fn as_user(user: &str, program: &str) -> Command {
    if !getuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--init-groups", program]);
    command
}

/// Makes a folder that is `user`'s.
pub(crate) fn folder_of(user: &str, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    if getuid().is_root() {
        done(Command::new("chown").arg(user).arg(folder))?;
    }
    Ok(())
}

/// Runs a command that has to succeed; what it says.
pub(crate) fn done(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{:?} {}: {said}", command.get_program(), output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// Waits until something is so; an error when it is not within `patience`.
pub(crate) async fn until(what: &str, patience: Duration, is_so: impl AsyncFn() -> bool) -> anyhow::Result<()> {
    let began = Instant::now();
    while !is_so().await {
        ensure!(began.elapsed() < patience, "not within {patience:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
