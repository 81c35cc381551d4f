//! `cargo bench --bench capacity`: how far a fleet goes, worked out from what `make bench` measured. It measures
//! nothing itself, and takes some seconds.
//!
//! The way in: `costs` (measured and counted), `recording` and `prices` (assumed, or read elsewhere) → `demand` →
//! `limits`, `money`, and `days`, which simulates one.

mod costs;
mod days;
mod demand;
mod erlang;
mod limits;
mod money;
mod prices;
mod random;
mod recording;
mod report;
mod simulation;
mod sizes;

fn main() {
    sizes::print_units();
    sizes::print_first_limits();
    sizes::print_sizes();
    sizes::print_workers();
    sizes::print_limits();
    money::print();
    days::print();
}
