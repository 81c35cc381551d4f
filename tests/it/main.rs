//! End-to-end tests of the `callvault` command: real processes on embedded engines, against the simulator.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod dead_letters;
mod deliver;
mod demo;
mod faults;
mod fleet;
mod full_disk;
mod keys;
mod kills;
mod operators;
mod policy;
mod queue_file;
mod reading;
mod receiver;
mod recogniser;
mod roles;
mod secrecy;
mod vault_away;
mod whole;
