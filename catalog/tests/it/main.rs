//! The catalog on SQLite: the contract suite, and what a file can do to it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod files;
mod sqlite;
