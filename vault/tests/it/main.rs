//! The contract suite on every store, and what Debian's `age` says of what is in one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod age;
mod deaf;
mod directory;
mod s3;
