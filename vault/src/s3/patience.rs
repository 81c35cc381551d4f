//! How long a server is waited for.

use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Builder, StalledStreamProtectionConfig};

use super::buffers::PART_BYTES;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A request that carries a part has so many times as long as one that carries nothing: 5 MiB in it need 26 kB/s.
const TRANSFER_FACTOR: u32 = 10;
/// All attempts of a request together have so many times as long as one.
const OVERALL_FACTOR: u32 = 4;

/// The time limits of requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Until the server answers a request that carries nothing, and until it takes more of a body that is there.
    pub(super) answer: Duration,
    /// Until it answers a request that carries a part, and one whose body it was given whole.
    pub(super) transfer: Duration,
}

impl Patience {
    pub(super) fn new(answer: Duration) -> Patience {
        Patience { answer, transfer: answer * TRANSFER_FACTOR }
    }

    /// Of requests that carry no object.
    pub(super) fn without_object(self) -> TimeoutConfig {
        timeouts(self.answer, OVERALL_FACTOR)
    }

    /// Of requests that carry up to a part, from memory.
    pub(super) fn with_part(self) -> Builder {
        Builder::new().timeout_config(timeouts(self.transfer, OVERALL_FACTOR))
    }

    /// Of a request whose `bytes` come as they are sent, and so but once: as much time as they have in parts. A body that
    /// is slow to come is for the SDK a server that takes none of it; what stalls is watched elsewhere.
    pub(super) fn streamed(self, bytes: u64) -> Builder {
        Builder::new()
            .timeout_config(timeouts(self.stream(bytes), 1))
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::enabled().upload_enabled(false).build())
    }

    fn stream(self, bytes: u64) -> Duration {
        let parts = u32::try_from(bytes / PART_BYTES as u64).unwrap_or(u32::MAX);
        self.transfer.saturating_mul(parts.saturating_add(1))
    }
}

fn timeouts(attempt: Duration, overall_factor: u32) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(attempt)
        .operation_timeout(attempt.saturating_mul(overall_factor))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_that_streams_has_the_time_of_its_parts() {
        let patience = Patience::new(Duration::from_secs(20));
        let secs = |bytes| patience.stream(bytes).as_secs();
        assert_eq!((secs(600_000), secs(460_000_000), secs(u64::MAX)), (200, 17_600, 200 * u64::from(u32::MAX)));
    }
}
