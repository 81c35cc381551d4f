//! End-to-end tests of the `callvault` command: real processes against the simulator.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bucket;
mod check;
mod dead_letters;
mod deliver;
mod demo;
mod engines;
mod faults;
mod fleet;
mod full_disk;
mod keys;
mod kills;
mod many_calls;
mod missed;
mod operators;
mod policy;
mod postgres;
mod purge;
mod queue_file;
mod rabbitmq;
mod reading;
mod receiver;
mod recogniser;
mod retention;
mod roles;
mod s3;
mod s3_tls;
mod secrecy;
mod secrets;
mod settings;
mod sqs;
mod strays;
mod traces;
mod vault_away;
mod whole;
mod worker;
