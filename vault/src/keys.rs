//! Keys: X25519 recipients and identities, in the forms of `age` and `age-keygen` (C2SP age specification).

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use age::x25519;
use secrecy::ExposeSecret;

use crate::error::KeyError;

/// Whom objects are sealed to: at least one.
#[derive(Clone)]
pub struct Recipients(Arc<[x25519::Recipient]>);

/// A text that is no list of recipients.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecipientsError {
    /// There is none in it.
    #[error("expected age recipients (age1…), separated by commas")]
    Empty,
    /// The n-th is none.
    #[error(
        "recipient {0} is no age recipient: expected age1… (a private key, AGE-SECRET-KEY-…, does not belong here)"
    )]
    Wrong(usize),
}

impl FromStr for Recipients {
    type Err = RecipientsError;

    fn from_str(text: &str) -> Result<Self, RecipientsError> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let parsed = names.enumerate().map(|(at, name)| name.parse().map_err(|_| RecipientsError::Wrong(at + 1)));
        let recipients: Vec<x25519::Recipient> = parsed.collect::<Result<_, _>>()?;
        if recipients.is_empty() { Err(RecipientsError::Empty) } else { Ok(Recipients(recipients.into())) }
    }
}

impl Recipients {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &dyn age::Recipient> {
        self.0.iter().map(|recipient| recipient as &dyn age::Recipient)
    }

    pub(crate) fn shares_one_with(&self, other: &Recipients) -> bool {
        self.0.iter().any(|mine| other.0.iter().any(|theirs| mine.to_string() == theirs.to_string()))
    }
}

impl fmt::Display for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&names.join(","))
    }
}

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipients({self})")
    }
}

/// What opens objects. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Identities(Arc<[x25519::Identity]>);

impl Identities {
    /// Reads a file as `age-keygen` writes it: one identity a line, comments and blank lines between.
    pub fn from_file(path: &Path) -> Result<Identities, KeyError> {
        let text = fs::read_to_string(path)?;
        let mut identities = Vec::new();
        for (at, line) in
            text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        {
            identities.push(line.parse::<x25519::Identity>().map_err(|_| KeyError::Line(at + 1))?);
        }
        if identities.is_empty() { Err(KeyError::Empty) } else { Ok(Identities(identities.into())) }
    }

    /// The public halves.
    pub fn recipients(&self) -> Recipients {
        Recipients(self.0.iter().map(x25519::Identity::to_public).collect())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.0.iter().map(|identity| identity as &dyn age::Identity)
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identities({})", self.0.len())
    }
}

/// Makes an identity in a new file that only its owner can read, on the disk before this returns. Never overwrites; a
/// crash leaves the whole file or none.
pub fn generate_identity_file(path: &Path) -> Result<Recipients, KeyError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let identity = x25519::Identity::generate();
    let recipient = identity.to_public();
    let unfinished = folder.join(format!(".{}.key", uuid::Uuid::now_v7()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    let secret = identity.to_string();
    writeln!(file, "# public key: {recipient}\n{}", secret.expose_secret())?;
    file.sync_all()?;
    // A link, unlike a rename, fails where the name is taken.
    let linked = fs::hard_link(&unfinished, path);
    fs::remove_file(&unfinished)?;
    linked.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => KeyError::Exists,
        _ => KeyError::Io(error),
    })?;
    File::open(folder)?.sync_all()?;
    Ok(Recipients([recipient].into()))
}
