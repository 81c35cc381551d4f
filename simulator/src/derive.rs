//! Everything random here is derived, so that the same seed meets the same account again.

use aws_lc_rs::digest::{SHA256, digest};
use twilio::{CallSid, ConferenceSid, RecordingSid};

/// 32 hex digits that follow from the seed, a number and what they are for.
pub(crate) fn hex_digits(seed: u64, number: u64, purpose: &str) -> String {
    hex(&bytes(seed, number, purpose)[..16])
}

/// 32 bytes that follow from the seed, a number and what they are for.
pub(crate) fn bytes(seed: u64, number: u64, purpose: &str) -> [u8; 32] {
    let mut input = Vec::with_capacity(16 + purpose.len());
    input.extend(seed.to_be_bytes());
    input.extend(number.to_be_bytes());
    input.extend(purpose.as_bytes());
    sha256(&input)
}

pub(crate) fn recording_sid(seed: u64, index: u64) -> RecordingSid {
    format!("RE{}", hex_digits(seed, index, "recording")).parse().expect("RE and 32 hex digits are a RecordingSid")
}

pub(crate) fn call_sid(seed: u64, index: u64) -> CallSid {
    format!("CA{}", hex_digits(seed, index, "call")).parse().expect("CA and 32 hex digits are a CallSid")
}

pub(crate) fn conference_sid(seed: u64, index: u64) -> ConferenceSid {
    format!("CF{}", hex_digits(seed, index, "conference")).parse().expect("CF and 32 hex digits are a ConferenceSid")
}

/// A UUID's form for ids that nobody looks up.
pub(crate) fn uuid(seed: u64, number: u64, purpose: &str) -> String {
    let hex = hex_digits(seed, number, purpose);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// One step of SplitMix64 (Steele, Lea, Flood 2014): a well-mixed function of its input.
pub(crate) fn mix(input: u64) -> u64 {
    let mut z = input.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
