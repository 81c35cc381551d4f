//! The simulator at the wire. What is Twilio's, Deepgram's or OpenAI's is judged by their own Python libraries.
//!
//! One binary, so that the crate is linked once.

#![allow(clippy::unwrap_used)]

mod callbacks;
mod control;
mod faults;
mod harness;
mod media;
mod official_clients;
mod rest;
mod transcribers;
