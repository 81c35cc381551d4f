//! Ports for what tests start.

use std::sync::atomic::{AtomicU16, Ordering};

/// A port that nobody listens on and that no one is given by chance: below those the system hands out (from 32768 on), and
/// no two of this process the same.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let offset = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add((std::process::id() * 199) as u16) % 20_000;
        if std::net::TcpListener::bind(("127.0.0.1", 12_000 + offset)).is_ok() {
            return 12_000 + offset;
        }
    }
}
