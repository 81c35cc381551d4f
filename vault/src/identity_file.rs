//! A new identity's file, as `age-keygen` would write it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use age::x25519::Identity;
use chrono::{DateTime, SecondsFormat, Utc};
use secrecy::ExposeSecret;

use crate::keys::{KeyError, Recipients};

/// Makes a new identity, writes it to `path` for the owner alone (0600), and gives its public recipient.
///
/// Returns when the file and its folder's entry are durable, so nothing is ever sealed to a key that a power cut takes
/// away. [`KeyError::Exists`] where there is anything at `path`. On any other error no file is left.
pub fn generate_identity_file(path: &Path) -> Result<Recipients, KeyError> {
    let failed = |source| KeyError::Write { file: path.to_owned(), source };
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(KeyError::Exists { file: path.to_owned() });
        }
        Err(error) => return Err(failed(error)),
    };
    let identity = Identity::generate();
    write_identity(&mut file, path, &identity).map_err(|error| {
        let _ = std::fs::remove_file(path);
        failed(error)
    })?;
    Ok(Recipients::from(&identity))
}

fn write_identity(file: &mut File, path: &Path, identity: &Identity) -> io::Result<()> {
    // The file's own time is the file system's: nothing in the vault asks the clock.
    let created: DateTime<Utc> = file.metadata()?.modified()?.into();
    writeln!(file, "# created: {}", created.to_rfc3339_opts(SecondsFormat::Secs, true))?;
    writeln!(file, "# public key: {}", identity.to_public())?;
    writeln!(file, "{}", identity.to_string().expose_secret())?;
    file.sync_all()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
