//! The SQL of the embedded engine.

/// All of a batch's messages in one statement.
pub(super) const PUBLISH: &str = "
INSERT INTO messages (stage, is_backfill, body, published_at, visible_at, trace_parent)
SELECT value ->> 'stage', value ->> 'is_backfill', value ->> 'body', value ->> 'published_at', value ->> 'visible_at',
    value ->> 'trace_parent'
FROM json_each($1)";

/// A message that is gone again before the commit: the pages it touched are written all the same, as a publish's are.
pub(super) const PROBE: &str = "
INSERT INTO messages (stage, body, published_at, visible_at) VALUES ('check', '', 0, 0);
DELETE FROM messages WHERE id = last_insert_rowid();";

pub(super) const HAS_VISIBLE: &str =
    "SELECT 1 FROM messages WHERE stage = $1 AND is_dead = $2 AND is_backfill = $3 AND visible_at <= $4 LIMIT 1";

/// A receive leases; what another held longer than its lease goes to whoever asks next.
pub(super) const RECEIVE: &str = "
UPDATE messages SET lease_token = $6, visible_at = $5, attempt = attempt + 1
WHERE id IN (
    SELECT id FROM messages WHERE stage = $1 AND is_dead = $2 AND is_backfill = $3 AND visible_at <= $4
    ORDER BY visible_at, id LIMIT $7
)
RETURNING id, body, attempt, published_at, reason, trace_parent";

pub(super) const EXTEND: &str = "UPDATE messages SET visible_at = $3 WHERE id = $1 AND lease_token = $2";

pub(super) const ACK: &str = "DELETE FROM messages WHERE id = $1 AND lease_token = $2";

/// An uncharged attempt is given back.
pub(super) const RETRY: &str = "
UPDATE messages SET lease_token = NULL, visible_at = $3, attempt = max(attempt - $4, 0)
WHERE id = $1 AND lease_token = $2";

/// Of whichever lane: the job itself says where a redrive puts it.
pub(super) const DEAD_LETTER: &str = "
UPDATE messages SET lease_token = NULL, is_dead = 1, is_backfill = 0, visible_at = $3, died_at = $3, reason = $4
WHERE id = $1 AND lease_token = $2";

pub(super) const DEPTH: &str = "
SELECT
    coalesce(sum(is_dead = 0 AND is_backfill = 0 AND visible_at <= $2), 0) AS ready,
    coalesce(sum(is_dead = 0 AND is_backfill = 0 AND visible_at > $2 AND lease_token IS NULL), 0) AS delayed,
    coalesce(sum(is_dead = 0 AND is_backfill = 0 AND visible_at > $2 AND lease_token IS NOT NULL), 0) AS in_flight,
    coalesce(sum(is_dead = 0 AND is_backfill = 1), 0) AS backfill,
    coalesce(sum(is_dead), 0) AS dead
FROM messages WHERE stage = $1";

pub(super) const DEAD_LETTERS: &str = "
SELECT body, reason, attempt, published_at, died_at FROM messages
WHERE stage = $1 AND is_dead = 1 ORDER BY died_at, id LIMIT $2";
