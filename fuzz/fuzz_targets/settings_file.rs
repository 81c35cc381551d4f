//! The user's settings file.

#![no_main]
#![allow(dead_code, unused_imports)]

/// The command's own modules: it is no library.
#[path = "../../src"]
mod command {
    pub(crate) mod config;
    pub(crate) mod settings;
}

use std::io::Write;

use command::{config, settings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let mut file = tempfile::Builder::new().tempfile_in("/dev/shm").expect("memory");
    file.write_all(text).expect("memory");
    let none = settings::Environment::default();
    if let Err(error) = config::Config::load(Some(file.path()), &none) {
        assert!(!error.to_string().is_empty());
    }
});
