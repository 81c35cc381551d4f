//! End-to-end tests of the `callvault` command: real processes on embedded engines and on S3, against the simulator.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod demo;
mod fleet;
mod kills;
mod operators;
mod s3;
mod s3_tls;
mod unfinished;
