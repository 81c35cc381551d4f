-- The catalog: what is known of each recording. The queue only points here; wiped, it is rebuilt from these tables and
-- Twilio's list.
--
-- Times are UTC milliseconds since 1970, booleans 0 or 1, JSON is text. There is no phone number and no transcript text
-- anywhere in it. The same tables for SQLite are in ../sqlite; the statements over them are the same for both.

-- A call, from the first recording that named it. A call may have several recordings.
CREATE TABLE calls (
    call_sid       TEXT   PRIMARY KEY,
    account_sid    TEXT   NOT NULL,
    first_heard_at BIGINT NOT NULL
);

-- One row for each recording anyone told us of. It is never removed: what was deleted stays as a tombstone.
CREATE TABLE recordings (
    recording_sid  TEXT PRIMARY KEY,
    account_sid    TEXT NOT NULL,
    call_sid       TEXT REFERENCES calls (call_sid),
    conference_sid TEXT,

    -- Where it stands, and why it stands still (a dead letter's reason, or Twilio's).
    status TEXT NOT NULL CHECK (status IN ('received', 'archived', 'transcribed', 'absent', 'failed', 'deleted')),
    error  TEXT,

    -- What Twilio said, in whatever order it came. `deleted` is kept apart from the other words, because it may be
    -- said after any of them and takes none of them back.
    twilio_status       TEXT   NOT NULL,
    twilio_says_deleted BIGINT NOT NULL DEFAULT 0,
    twilio_error_code   BIGINT,
    source              TEXT,
    channels            BIGINT,
    duration_secs       BIGINT,
    started_at          BIGINT,
    encryption          TEXT,

    -- When it was first heard of, and the time its retention is counted from.
    received_at    BIGINT NOT NULL,
    retention_from BIGINT NOT NULL GENERATED ALWAYS AS (COALESCE(started_at, received_at)) STORED,

    -- Our copy: staged (it may or may not be there), then stored (every byte was verified). Empty once it is deleted,
    -- except for archived_at.
    media_state         TEXT CHECK (media_state IN ('staged', 'stored')),
    media_format        TEXT,
    media_object        TEXT,
    media_bytes         BIGINT,
    media_sha256        TEXT,
    media_sealed_bytes  BIGINT,
    media_channels      BIGINT,
    media_duration_secs DOUBLE PRECISION,
    archived_at         BIGINT,
    flags               TEXT NOT NULL DEFAULT '[]',

    -- Object keys of attempts that were given up for another key. They may hold bytes: a purge deletes them too.
    leftover_objects TEXT NOT NULL DEFAULT '[]',

    -- Whether any version of the transcript has an object, staged or stored.
    has_transcripts BIGINT NOT NULL DEFAULT 0,

    -- What decides over deletion: a hold against it, an erasure request for it, and the mark of the gate that let it
    -- pass, with the rule that chose it and what it chose (of `twilio`, `audio`, `transcripts`).
    is_held            BIGINT NOT NULL DEFAULT 0,
    erase_requested_at BIGINT,
    erase_reason       TEXT,
    marked_at          BIGINT,
    marked_rule        TEXT,
    marked_parts       TEXT,

    -- What was seen to be gone, and when. `audio` is every copy of it, ours and Twilio's.
    twilio_deleted_at      BIGINT,
    audio_deleted_at       BIGINT,
    transcripts_deleted_at BIGINT,
    deleted_at             BIGINT,

    -- The last time anything of the row moved.
    updated_at BIGINT NOT NULL,

    -- Nothing under a legal hold is ever marked, and nothing marked is ever held.
    CHECK (is_held = 0 OR marked_at IS NULL),
    -- A tombstone holds nothing that could be opened.
    CHECK (status <> 'deleted' OR (media_object IS NULL AND has_transcripts = 0 AND encryption IS NULL))
);

-- Lists: by status, by start, by call.
CREATE INDEX recordings_by_status ON recordings (status, retention_from);
CREATE INDEX recordings_by_start ON recordings (retention_from);
CREATE INDEX recordings_by_call ON recordings (call_sid) WHERE call_sid IS NOT NULL;

-- What may fall due, one index for each way it can, so that a sweep reads what is due and little else.
CREATE INDEX recordings_audio_to_purge ON recordings (retention_from)
    WHERE status NOT IN ('absent', 'deleted') AND audio_deleted_at IS NULL AND is_held = 0;
CREATE INDEX recordings_transcripts_to_purge ON recordings (retention_from)
    WHERE has_transcripts = 1 AND is_held = 0;
CREATE INDEX recordings_twilio_to_purge ON recordings (archived_at)
    WHERE media_state = 'stored' AND twilio_deleted_at IS NULL AND is_held = 0;
CREATE INDEX recordings_to_erase ON recordings (recording_sid)
    WHERE erase_requested_at IS NOT NULL AND status NOT IN ('absent', 'deleted') AND is_held = 0;
CREATE INDEX recordings_marked ON recordings (recording_sid)
    WHERE marked_at IS NOT NULL AND status <> 'deleted';

-- The versions of a recording's transcript: requested (by an operator), staged (its object may or may not be there),
-- stored. A deleted one keeps its row, without object, language and length.
CREATE TABLE transcripts (
    recording_sid  TEXT   NOT NULL REFERENCES recordings (recording_sid),
    version        BIGINT NOT NULL CHECK (version > 0),
    state          TEXT   NOT NULL CHECK (state IN ('requested', 'staged', 'stored')),
    provider       TEXT,
    model          TEXT,
    language       TEXT,
    words          BIGINT,
    object         TEXT,
    sealed_bytes   BIGINT,
    requested_at   BIGINT NOT NULL,
    transcribed_at BIGINT,
    delivered_at   BIGINT,
    PRIMARY KEY (recording_sid, version)
);

-- What reconcile may find unfinished.
CREATE INDEX transcripts_unfinished ON transcripts (recording_sid)
    WHERE state <> 'stored';
CREATE INDEX transcripts_undelivered ON transcripts (recording_sid)
    WHERE state = 'stored' AND delivered_at IS NULL AND object IS NOT NULL;

-- Legal holds, past ones too. One at a time on a recording.
CREATE TABLE holds (
    hold_id        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recording_sid  TEXT   NOT NULL REFERENCES recordings (recording_sid),
    reason         TEXT   NOT NULL,
    placed_by      TEXT   NOT NULL,
    placed_at      BIGINT NOT NULL,
    release_reason TEXT,
    released_by    TEXT,
    released_at    BIGINT
);

CREATE UNIQUE INDEX holds_active ON holds (recording_sid) WHERE released_at IS NULL;

-- The exclusive right to do one kind of work on one recording, until it expires. A new holder gets a higher fence, and
-- only the highest fence may commit. A released claim keeps its row, so that fences never repeat.
CREATE TABLE claims (
    recording_sid TEXT   NOT NULL REFERENCES recordings (recording_sid),
    work          TEXT   NOT NULL CHECK (work IN ('archive', 'transcribe', 'deliver', 'purge')),
    fence         BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    PRIMARY KEY (recording_sid, work)
);

-- Who did what, when and why. Rows are only ever added.
CREATE TABLE audit (
    audit_id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at            BIGINT NOT NULL,
    actor         TEXT   NOT NULL,
    action        TEXT   NOT NULL,
    recording_sid TEXT,
    detail        TEXT   NOT NULL
);

CREATE INDEX audit_by_recording ON audit (recording_sid, audit_id);
