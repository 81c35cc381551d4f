//! What one recording costs callvault: what `make bench` measured, and what was counted in the code.
//!
//! To bring it up to date: run `make bench`, put the medians of its rows into `COSTS`, run
//! `cargo bench --bench capacity`, and put its tables into docs/capacity.md.

/// Each field names the row of the tables of docs/performance.md that it is.
pub(crate) struct Costs {
    /// "Ingest: all that 128 connections carry", row "CPU seconds for 10,000".
    pub(crate) ingest_cpu_secs_per_10k: f64,
    /// "Archive: 12 recordings of 200 MB", row "CPU seconds a GB".
    pub(crate) archive_cpu_secs_per_gb: f64,
    /// "Archive: 2000 recordings of 64 KB", row "recordings for a CPU second".
    pub(crate) small_recordings_per_cpu_sec: f64,
    /// What opening, reading and sending on costs: the embedded row "processor time of callvault, archive and
    /// transcription together", less `archive_cpu_secs_per_gb`. It is not measured by itself.
    pub(crate) transcribe_cpu_secs_per_gb: f64,
    /// "Purge: recordings past their date", row "ours and Twilio's", column "the worker's CPU, ms each".
    pub(crate) purge_cpu_ms: f64,
    /// "Archive: 2000 recordings of 64 KB", row "RabbitMQ's and PostgreSQL's CPU seconds a GB".
    pub(crate) small_servers_cpu_secs_per_gb: f64,
    /// "Purge: recordings past their date", row "ours and Twilio's", column "RabbitMQ's and PostgreSQL's".
    pub(crate) purge_servers_cpu_ms: f64,
    /// "Archive: 12 recordings of 200 MB", row "most resident memory, MiB".
    pub(crate) worker_memory_mib: f64,
    /// "Purge: recordings past their date", column "bytes of catalog that stay of each": what a tombstone keeps, indexes
    /// included, but no transcript's line, and nothing that a vacuum would give back.
    pub(crate) catalog_bytes: f64,
    /// Publishes a second that one quorum queue confirmed, 64 at once over one channel.
    pub(crate) queue_publishes_per_sec: f64,
    /// Deliveries a second that one quorum queue handed out and had acked, with a prefetch of 256.
    pub(crate) queue_deliveries_per_sec: f64,
}

pub(crate) const COSTS: Costs = Costs {
    ingest_cpu_secs_per_10k: 0.56,
    archive_cpu_secs_per_gb: 2.22,
    small_recordings_per_cpu_sec: 522.0,
    transcribe_cpu_secs_per_gb: 3.68,
    purge_cpu_ms: 0.61,
    small_servers_cpu_secs_per_gb: 50.0,
    purge_servers_cpu_ms: 1.49,
    worker_memory_mib: 66.9,
    catalog_bytes: 1_298.0,
    // Of RabbitMQ 3.10, one node on 2 cores, a publisher or a consumer at a time: docs/capacity.md.
    queue_publishes_per_sec: 30_000.0,
    queue_deliveries_per_sec: 15_000.0,
};

/// What a stage asks of its engines for one recording, where nothing fails and nothing comes twice.
pub(crate) struct Asked {
    pub(crate) stage: &'static str,
    /// Transactions that write, each one flush of PostgreSQL's log at its commit.
    pub(crate) commits: f64,
    /// Reads outside of a transaction.
    pub(crate) reads: f64,
    /// Statements of both, BEGIN and COMMIT not counted.
    pub(crate) statements: f64,
    /// Jobs published to this stage, each confirmed, delivered and acked.
    pub(crate) messages: f64,
    /// Requests to S3 of the class PUT, COPY, POST, DELETE.
    pub(crate) s3_writes: f64,
    /// Requests to S3 of the class GET, HEAD.
    pub(crate) s3_reads: f64,
    /// Requests to Twilio.
    pub(crate) twilio: f64,
}

/// Counted for one `completed` callback in `workers/src/{archive,transcribe,purge,claimed}.rs`,
/// `catalog/src/{hear,claims,media,transcripts,gate,purge}.rs` and `vault/src/{lib.rs,s3/}`. A delivery to a receiver would be
/// one message, two commits, two reads, nine statements and two S3 reads more.
pub(crate) const ASKED: [Asked; 3] = [
    // Writes: heard 3 statements, claimed 2, staged 3, fenced 1, stored 5. S3: one PutObject, however long it is.
    Asked {
        stage: "archive",
        commits: 5.0,
        reads: 0.0,
        statements: 14.0,
        messages: 1.0,
        s3_writes: 1.0,
        s3_reads: 0.0,
        twilio: 1.0,
    },
    // Writes: claimed 2, staged 5, fenced 1, stored 5. S3: HEAD and GET of the media, one PutObject.
    Asked {
        stage: "transcribe",
        commits: 4.0,
        reads: 4.0,
        statements: 17.0,
        messages: 1.0,
        s3_writes: 1.0,
        s3_reads: 2.0,
        twilio: 0.0,
    },
    // Of one that is purged alone: up to 64 share all but the HEAD of each object and what Twilio is asked. Writes: granted
    // 6, completed 7; the sweep's page of 500 is one more for all of them. S3: a DeleteObjects, both objects seen to be
    // gone, and a HEAD before. Twilio: a DELETE, and a GET that sees it gone.
    Asked {
        stage: "purge",
        commits: 2.0,
        reads: 0.0,
        statements: 13.0,
        messages: 1.0,
        s3_writes: 1.0,
        s3_reads: 3.0,
        twilio: 2.0,
    },
];

/// Rows that one recording leaves in the catalog for good: a call, a recording, a transcript, three claims, an entry of
/// the audit log.
pub(crate) const CATALOG_ROWS: f64 = 7.0;

/// All stages together.
pub(crate) fn asked(of: impl Fn(&Asked) -> f64) -> f64 {
    ASKED.iter().map(of).sum()
}

impl Costs {
    /// The part of an archive's CPU that does not grow with its length, in seconds: from the row of small recordings.
    pub(crate) fn archive_fixed_cpu_secs(&self) -> f64 {
        const SMALL_GB: f64 = 64e3 / 1e9;
        (1.0 / self.small_recordings_per_cpu_sec - SMALL_GB * self.archive_cpu_secs_per_gb).max(0.0)
    }

    /// A worker's CPU for the archive of a recording, in seconds.
    pub(crate) fn archive_cpu_secs(&self, gb: f64) -> f64 {
        self.archive_fixed_cpu_secs() + gb * self.archive_cpu_secs_per_gb
    }

    /// A worker's CPU for all stages of a recording, in seconds. Transcribe's fixed part is taken to be archive's.
    pub(crate) fn worker_cpu_secs(&self, gb: f64) -> f64 {
        let transcribe = self.archive_fixed_cpu_secs() + gb * self.transcribe_cpu_secs_per_gb;
        self.archive_cpu_secs(gb) + transcribe + self.purge_cpu_ms / 1e3
    }

    pub(crate) fn ingest_cpu_secs(&self) -> f64 {
        self.ingest_cpu_secs_per_10k / 10e3
    }

    /// RabbitMQ's and PostgreSQL's CPU, in seconds. Of transcribe it is taken from archive's, by their commits.
    pub(crate) fn servers_cpu_secs(&self) -> f64 {
        const SMALL_GB: f64 = 64e3 / 1e9;
        let archive = self.small_servers_cpu_secs_per_gb * SMALL_GB;
        archive * (1.0 + ASKED[1].commits / ASKED[0].commits) + self.purge_servers_cpu_ms / 1e3
    }
}
