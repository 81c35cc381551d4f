//! age's X25519 keys: recipients seal, identities open.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use age::x25519::{Identity, Recipient};
use secrecy::{ExposeSecret, SecretString};

/// The header must stay well under what the opening side reads of one, some 100 bytes a recipient.
const RECIPIENTS_MAX: usize = 64;
const IDENTITY_FILE_BYTES_MAX: u64 = 64 * 1024;
const SECRET_KEY_PREFIX: &str = "AGE-SECRET-KEY-";

/// Keys or their file can't be used. Nothing that might be a secret is repeated.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No recipient at all.
    #[error("no recipient given: expected one age1… or more, separated by commas")]
    NoRecipient,
    /// More recipients than a header takes.
    #[error("{0} recipients given: at most {RECIPIENTS_MAX} are taken")]
    TooManyRecipients(usize),
    /// One of the recipients isn't one.
    #[error("recipient {position} ({beginning}) is not an age X25519 recipient: {problem}")]
    Recipient {
        /// Which one, from 1.
        position: usize,
        /// How it begins, where that can't be secret.
        beginning: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A secret key stands where a recipient should.
    #[error("recipient {position} is a secret key: give its public age1… (see age-keygen -y), and replace the key")]
    SecretAsRecipient {
        /// Which one, from 1.
        position: usize,
    },
    /// A line of an identity file is no identity.
    #[error("{file}: line {line} is not an age X25519 identity (AGE-SECRET-KEY-1…)")]
    Identity {
        /// The file.
        file: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// An identity file holds none.
    #[error("{file}: holds no identity (AGE-SECRET-KEY-1…)")]
    NoIdentity {
        /// The file.
        file: PathBuf,
    },
    /// An identity file can't be read.
    #[error("cannot read the identity file {file}")]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is a file already, and a key is never overwritten: what is sealed to it would be lost.
    #[error("{file} exists and is not overwritten: what is sealed to its key would be lost")]
    Exists {
        /// The file.
        file: PathBuf,
    },
    /// A new identity file can't be written.
    #[error("cannot write the identity file {file}")]
    Write {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The public keys every object is sealed to; each one's identity opens all of them. At least one, none twice.
/// Written and read as `age1…,age1…`.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipients(Vec<Recipient>);

impl Recipients {
    pub(crate) fn as_age(&self) -> impl Iterator<Item = &dyn age::Recipient> {
        self.0.iter().map(|recipient| recipient as &dyn age::Recipient)
    }
}

impl From<&Identity> for Recipients {
    fn from(identity: &Identity) -> Self {
        Recipients(vec![identity.to_public()])
    }
}

impl FromStr for Recipients {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let mut recipients = Vec::new();
        for (index, entry) in entries.enumerate() {
            let recipient = parse_recipient(index + 1, entry)?;
            if !recipients.contains(&recipient) {
                recipients.push(recipient);
            }
        }
        match recipients.len() {
            0 => Err(KeyError::NoRecipient),
            count if count > RECIPIENTS_MAX => Err(KeyError::TooManyRecipients(count)),
            _ => Ok(Recipients(recipients)),
        }
    }
}

fn parse_recipient(position: usize, entry: &str) -> Result<Recipient, KeyError> {
    if entry.get(..SECRET_KEY_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(SECRET_KEY_PREFIX)) {
        return Err(KeyError::SecretAsRecipient { position });
    }
    entry.parse().map_err(|problem| {
        let is_public = entry.starts_with("age1");
        let beginning = if is_public { format!("{}…", entry.chars().take(12).collect::<String>()) } else { "?".into() };
        KeyError::Recipient { position, beginning, problem }
    })
}

impl fmt::Display for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, recipient) in self.0.iter().enumerate() {
            let separator = if index > 0 { "," } else { "" };
            write!(f, "{separator}{recipient}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipients({self})")
    }
}

/// The secret keys that open objects: any one that fits is enough. At least one.
#[derive(Clone)]
pub struct Identities(Vec<Identity>);

impl Identities {
    /// Reads a file as `age-keygen` writes it: an `AGE-SECRET-KEY-1…` a line, `#` comments and empty lines allowed.
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let file = || path.to_owned();
        let text = read_secret(path).map_err(|source| KeyError::Read { file: file(), source })?;
        let mut identities = Vec::new();
        for (index, line) in text.expose_secret().lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            identities.push(line.parse().map_err(|_| KeyError::Identity { file: file(), line: index + 1 })?);
        }
        if identities.is_empty() { Err(KeyError::NoIdentity { file: file() }) } else { Ok(Identities(identities)) }
    }

    /// The public keys that belong to them, in the file's order.
    pub fn recipients(&self) -> Recipients {
        Recipients(self.0.iter().map(Identity::to_public).collect())
    }

    pub(crate) fn as_age(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.0.iter().map(|identity| identity as &dyn age::Identity)
    }
}

fn read_secret(path: &Path) -> io::Result<SecretString> {
    let mut text = String::new();
    let length = std::fs::File::open(path)?.take(IDENTITY_FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    let text = SecretString::from(text);
    if length as u64 > IDENTITY_FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than 64 KiB: not an identity file"));
    }
    Ok(text)
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identities(of {})", self.recipients())
    }
}
