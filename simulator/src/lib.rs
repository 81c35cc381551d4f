//! A Twilio and a transcriber to run against: for the demo, the tests and the benchmarks.
//!
//! One server speaks, faithfully to the wire: Twilio's Recordings API under `/2010-04-01`, Deepgram's `/v1/listen`,
//! OpenAI's `/v1/audio/transcriptions` and `/v1/models`, and its own controls under `/simulator`. It also calls back as
//! Twilio does. Recordings are real speech ([`clips`]) or synthetic audio of any size, and every way in which Twilio and
//! a transcriber go wrong can be switched on ([`Faults`]). All of it follows from a seed.
//!
//! The way in: [`Simulator`] → `server` (connections) → `rest` (Twilio), `deepgram`, `openai`, `control`; and outwards,
//! `calls` → `delivery` → `callback`. What they share is `state`.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod account;
mod callback;
mod calls;
mod clips;
mod control;
mod counters;
mod deepgram;
mod delivery;
mod derive;
mod download;
mod encryption;
mod faults;
mod listing;
mod media;
mod openai;
mod plan;
mod problem;
mod range;
mod resource;
mod rest;
mod retry;
mod sending;
mod server;
mod simulator;
mod speech;
mod state;
mod synthetic;
mod transcription;
mod wav;

pub use calls::SimulatedRecording;
pub use clips::{Clip, clips};
pub use counters::Counters;
pub use faults::Faults;
pub use plan::{CallPlan, CallbackOutcome, CallbackPlan, MediaPlan, PlannedRecording, SOURCES, SimulatorConfig};
pub use simulator::Simulator;
