//! End-to-end tests of the `callvault` command: real processes on embedded engines (and PostgreSQL), against the simulator.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod demo;
mod fleet;
mod kills;
mod operators;
mod postgres;
