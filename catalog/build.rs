//! Builds the crate again when a migration is added: the compiler itself only notices changed ones.

#[allow(clippy::print_stdout, reason = "cargo reads a build script's instructions from its output")]
fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
