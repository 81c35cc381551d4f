//! What so many recordings a day ask for in the busiest hour.

use super::costs::{COSTS, asked};
use super::recording;

/// How much of a core, a server or a slot is planned with. Assumed; the rest is for minutes above the hour's mean.
pub(crate) const UTILISATION: f64 = 0.6;
/// Cores of a worker's pod.
pub(crate) const POD_CORES: f64 = 2.0;
/// Bytes a second of one of Twilio's media connections. Assumed: measure yours.
const TWILIO_BYTES_PER_SEC: f64 = 10e6;
/// Until the first byte of one of Twilio's answers. Assumed.
const TWILIO_LATENCY_SECS: f64 = 0.1;
/// How much faster than the call the transcriber is. Assumed; vendors say more, queues of theirs make it less.
pub(crate) const TRANSCRIBER_SPEED: f64 = 30.0;

/// In the busiest hour, where not said otherwise.
pub(crate) struct Demand {
    pub(crate) per_day: f64,
    pub(crate) per_sec: f64,
}

impl Demand {
    pub(crate) fn of(per_day: f64) -> Demand {
        Demand { per_day, per_sec: per_day * recording::busy_share() / 3600.0 }
    }

    pub(crate) fn bytes_per_sec(&self) -> f64 {
        self.per_sec * recording::mean_bytes()
    }

    /// Cores kept busy by ingest.
    pub(crate) fn ingest_cores(&self) -> f64 {
        self.per_sec * COSTS.ingest_cpu_secs()
    }

    /// Cores kept busy by workers.
    pub(crate) fn worker_cores(&self) -> f64 {
        self.per_sec * COSTS.worker_cpu_secs(recording::mean_gb())
    }

    /// Cores kept busy by RabbitMQ and PostgreSQL.
    pub(crate) fn servers_cores(&self) -> f64 {
        self.per_sec * COSTS.servers_cpu_secs()
    }

    /// Cores to have, idle part included.
    pub(crate) fn cores_to_have(&self) -> f64 {
        (self.ingest_cores() + self.worker_cores() + self.servers_cores()) / UTILISATION
    }

    pub(crate) fn pods(&self) -> f64 {
        (self.worker_cores() / UTILISATION / POD_CORES).ceil()
    }

    pub(crate) fn messages_per_sec(&self) -> f64 {
        self.per_sec * asked(|asked| asked.messages)
    }

    pub(crate) fn commits_per_sec(&self) -> f64 {
        self.per_sec * asked(|asked| asked.commits)
    }

    pub(crate) fn reads_per_sec(&self) -> f64 {
        self.per_sec * asked(|asked| asked.reads)
    }

    /// PUT and POST a second.
    pub(crate) fn s3_writes_per_sec(&self) -> f64 {
        self.per_sec * s3_writes()
    }

    pub(crate) fn s3_reads_per_sec(&self) -> f64 {
        self.per_sec * asked(|asked| asked.s3_reads)
    }

    pub(crate) fn twilio_requests_per_sec(&self) -> f64 {
        self.per_sec * asked(|asked| asked.twilio)
    }

    /// Twilio's requests in flight at a time, by Little's law.
    pub(crate) fn twilio_in_flight(&self) -> f64 {
        self.per_sec * (archive_secs() + (asked(|asked| asked.twilio) - 1.0) * TWILIO_LATENCY_SECS)
    }

    /// Transcriptions under way at a time, by Little's law.
    pub(crate) fn slots(&self) -> f64 {
        self.per_sec * transcription_secs()
    }
}

/// PUT and POST of a recording's life. All are counted as paid, though a DELETE is not: a DeleteObjects is a POST.
pub(crate) fn s3_writes() -> f64 {
    asked(|asked| asked.s3_writes)
}

/// How long one of Twilio's media requests takes.
pub(crate) fn archive_secs() -> f64 {
    recording::mean_bytes() / TWILIO_BYTES_PER_SEC + TWILIO_LATENCY_SECS
}

/// How long a transcriber's slot is taken by a mean recording.
pub(crate) fn transcription_secs() -> f64 {
    recording::MEAN_SECS / TRANSCRIBER_SPEED
}
