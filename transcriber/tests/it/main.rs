//! The transcriber's behaviour: its providers at the wire and as processes, its transcripts against outside parsers.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is what it should do")]

mod command;
mod command_output;
mod deepgram;
mod faults;
mod harness;
mod openai;
mod recogniser;
mod rendering;
mod transcript;
