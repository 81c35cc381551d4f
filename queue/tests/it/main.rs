//! The contract suite on every engine, and what is each engine's own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod amqp;
mod embedded;
mod sqs;
