//! Twilio's protocol against Twilio's own test vectors, and the REST client against a server at the wire.

#![allow(clippy::unwrap_used)]

mod signatures;
