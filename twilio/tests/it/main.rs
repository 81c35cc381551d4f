//! The REST client at the wire. Its peer is the simulator, whose likeness to Twilio is proven by Twilio's own libraries;
//! what a simulator cannot play (other hosts, torn and contradictory answers) is written out as plain HTTP.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod delete;
mod errors;
mod harness;
mod limits;
mod list;
mod media;
mod peer;
mod redirects;
mod resume;
mod secrets;
