//! The callback service over real sockets and the real embedded queue.

#![allow(clippy::unwrap_used)]

mod accepted;
mod connections;
mod harness;
mod observed;
mod official;
mod probes;
mod proxies;
mod queue_down;
mod raw_http;
mod refused;
mod spool;
