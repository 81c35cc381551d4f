//! Our copy of something: whether it is there, in its full length, and what was sealed.

use std::io;

use aws_lc_rs::digest;
use catalog::StoredObject;
use futures::TryStreamExt;
use vault::{ObjectKey, ObjectStore, Vault, VaultError};

use crate::fault::{Fault, chain};

/// What a look at a copy showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Copy {
    /// It is whole, and how that was seen.
    Whole(String),
    /// It is not, and what is wrong.
    Broken(String),
}

/// Looks at `object`: that it is there in its sealed length, and where `vault` is given, that it opens and, of media, that
/// it has the SHA-256 it was sealed with. Memory holds a chunk.
///
/// A copy that cannot be read today is a fault, not a broken copy.
pub(crate) async fn look(store: &dyn ObjectStore, vault: Option<&Vault>, object: &StoredObject) -> Result<Copy, Fault> {
    let key: ObjectKey = object.key.parse().map_err(|error| Fault::Rejected(format!("{}: {error}", object.key)))?;
    let broken = |what: &str| Ok(Copy::Broken(format!("{key}: the stored copy {what}")));
    let Some(head) = store.head(&key).await.map_err(VaultError::from)? else { return broken("is not there") };
    if head.bytes != object.sealed_bytes {
        return broken(&format!("has {} bytes, and {} were written", head.bytes, object.sealed_bytes));
    }
    let Some(vault) = vault else {
        return Ok(Copy::Whole(format!("{key} verified by its {} sealed bytes", head.bytes)));
    };
    let mut sha256 = digest::Context::new(&digest::SHA256);
    let mut body = match vault.open(&key).await {
        Err(error) if !error.is_transient() => return broken(&format!("cannot be opened: {}", chain(&error))),
        opened => opened?,
    };
    loop {
        match body.try_next().await {
            Ok(Some(chunk)) => sha256.update(&chunk),
            Ok(None) => break,
            Err(error) => return broken(&format!("cannot be opened: {}", unreadable(error)?)),
        }
    }
    let sha256: String = sha256.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    match object.sha256.as_str() {
        "" => Ok(Copy::Whole(format!("{key} opened"))),
        written if written == sha256 => Ok(Copy::Whole(format!("{key} opened and verified by SHA-256"))),
        _ => broken("has another SHA-256 than was written"),
    }
}

/// What is wrong with the bytes; the fault, where it is not they that are wrong.
fn unreadable(error: io::Error) -> Result<String, Fault> {
    let error = VaultError::of_body(error);
    if error.is_transient() { Err(error.into()) } else { Ok(chain(&error)) }
}

#[cfg(test)]
mod tests {
    use vault::{S3Options, StoreErrorKind, open_store};

    use super::*;

    #[tokio::test]
    async fn store_that_fails_while_a_copy_is_read_is_no_damaged_copy() {
        assert!(unreadable(io::Error::new(io::ErrorKind::InvalidData, "flipped")).is_ok());
        for (kind, is_waited_for) in [(StoreErrorKind::Unavailable, false), (StoreErrorKind::Unsupported, true)] {
            let mut failed = open_store("no store", S3Options::default()).await.unwrap_err();
            failed.kind = kind;
            let fault = unreadable(io::Error::other(failed)).unwrap_err();
            assert_eq!(matches!(fault, Fault::Unauthorized(_)), is_waited_for, "{fault:?}");
            assert_eq!(matches!(fault, Fault::Transient(_)), !is_waited_for, "{fault:?}");
        }
    }
}
