//! Sealed objects: age encryption over an object store.
//!
//! A [`Vault`] seals plain streams into standard age v1 files (<https://age-encryption.org/v1>) and opens them again.
//! Under it an [`ObjectStore`] keeps the sealed bytes and never sees a plain one. Nothing plain touches a disk, and
//! memory is bounded by a few 64 KiB chunks a stream, whatever the object's size.
//!
//! `object_key` says what objects are called · `store` is the trait, `directory` the store in a folder, `contract` the
//! suite that every store passes · `keys` and `identity_file` are age's keys · `sealing` and `opening` turn streams
//! around · `vault` puts them together.

#[cfg(feature = "testing")]
pub mod contract;
mod directory;
mod error;
mod identity_file;
mod keys;
mod object_key;
mod opening;
mod sealing;
mod store;
mod vault;

pub use directory::DirectoryStore;
pub use error::{StoreError, StoreErrorKind, VaultError};
pub use identity_file::generate_identity_file;
pub use keys::{Identities, KeyError, Recipients};
pub use object_key::{ObjectKey, ObjectKeyError};
pub use store::{ByteRange, ByteStream, ObjectMeta, ObjectStore, open_store};
pub use vault::{Sealed, Vault};
