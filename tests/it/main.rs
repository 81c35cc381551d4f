//! End-to-end tests of the `callvault` command: real processes on embedded engines, against the simulator.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod check;
mod deliver;
mod demo;
mod faults;
mod fleet;
mod kills;
mod operators;
mod receiver;
mod recogniser;
mod retention;
mod secrets;
mod settings;
mod traces;
mod whole;
mod worker;
