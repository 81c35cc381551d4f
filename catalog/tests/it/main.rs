//! The catalog on SQLite and PostgreSQL: the contract suite, and what a file or a server can do to it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod files;
mod gone;
mod harness;
mod locking;
mod postgres;
mod schema;
mod sqlite;
mod tls;
mod trouble;
