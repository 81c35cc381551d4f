//! What is recorded, and when: every figure here is an assumption about your calls. Put your own.

/// Mean length of a recording, in seconds. Assumed.
pub(crate) const MEAN_SECS: f64 = 180.0;
/// Standard deviation of the length over its mean; lengths are log-normal. Assumed.
pub(crate) const SPREAD: f64 = 1.0;
/// Longest recording, in seconds: Twilio's limit where nobody raised it.
pub(crate) const MOST_SECS: f64 = 14_400.0;
/// Two parties, each in its own channel. Assumed; it doubles the bytes and what a transcriber asks for.
pub(crate) const CHANNELS: f64 = 2.0;
/// Bytes a second of one channel: 16-bit samples at 8 kHz, the 128 kbit/s of Twilio's WAV.
pub(crate) const CHANNEL_BYTES_PER_SEC: f64 = 16_000.0;

/// Share of a day's recordings that ends in each hour, in percent: an office day of one time zone. Assumed.
pub(crate) const DAY: [f64; 24] = [
    0.3, 0.2, 0.2, 0.2, 0.3, 0.6, 1.5, 4.0, 8.0, 11.0, 12.0, 10.5, 8.5, 9.5, 10.0, 8.0, 6.0, 4.0, 2.2, 1.2, 0.8, 0.5,
    0.3, 0.2,
];

/// Share of the busiest hour, as a fraction.
pub(crate) fn busy_share() -> f64 {
    DAY.iter().copied().fold(0.0, f64::max) / 100.0
}

/// Mean bytes of a recording's media.
pub(crate) fn mean_bytes() -> f64 {
    MEAN_SECS * CHANNELS * CHANNEL_BYTES_PER_SEC
}

pub(crate) fn mean_gb() -> f64 {
    mean_bytes() / 1e9
}

/// Recordings that make an hour of audio.
pub(crate) fn per_recorded_hour() -> f64 {
    3600.0 / MEAN_SECS
}
