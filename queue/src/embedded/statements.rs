//! The SQL of the embedded engine.

/// All of a batch's messages in one statement.
pub(super) const PUBLISH: &str = "
INSERT INTO messages (stage, body, published_at, visible_at)
SELECT value ->> 'stage', value ->> 'body', value ->> 'published_at', value ->> 'visible_at' FROM json_each($1)";

/// A message of no stage, which nobody receives, and its end: writing shows whether the file takes one.
pub(super) const PROBE: [&str; 2] = [
    "INSERT INTO messages (stage, body, published_at, visible_at) VALUES ('probe', '', 0, 0)",
    "DELETE FROM messages WHERE stage = 'probe'",
];

pub(super) const HAS_VISIBLE: &str =
    "SELECT 1 FROM messages WHERE stage = $1 AND is_dead = $2 AND visible_at <= $3 LIMIT 1";

/// A receive leases; what another held longer than its lease goes to whoever asks next.
pub(super) const RECEIVE: &str = "
UPDATE messages SET lease_token = $5, visible_at = $4, attempt = attempt + 1
WHERE id IN (
    SELECT id FROM messages WHERE stage = $1 AND is_dead = $2 AND visible_at <= $3 ORDER BY visible_at, id LIMIT $6
)
RETURNING id, body, attempt, published_at, reason";

pub(super) const EXTEND: &str = "UPDATE messages SET visible_at = $3 WHERE id = $1 AND lease_token = $2";

pub(super) const ACK: &str = "DELETE FROM messages WHERE id = $1 AND lease_token = $2";

/// An uncharged attempt is given back.
pub(super) const RETRY: &str = "
UPDATE messages SET lease_token = NULL, visible_at = $3, attempt = max(attempt - $4, 0)
WHERE id = $1 AND lease_token = $2";

pub(super) const DEAD_LETTER: &str = "
UPDATE messages SET lease_token = NULL, is_dead = 1, visible_at = $3, died_at = $3, reason = $4
WHERE id = $1 AND lease_token = $2";

pub(super) const DEPTH: &str = "
SELECT
    coalesce(sum(is_dead = 0 AND visible_at <= $2), 0) AS ready,
    coalesce(sum(is_dead = 0 AND visible_at > $2 AND lease_token IS NULL), 0) AS delayed,
    coalesce(sum(is_dead = 0 AND visible_at > $2 AND lease_token IS NOT NULL), 0) AS in_flight,
    coalesce(sum(is_dead), 0) AS dead
FROM messages WHERE stage = $1";

pub(super) const DEAD_LETTERS: &str = "
SELECT body, reason, attempt, published_at, died_at FROM messages
WHERE stage = $1 AND is_dead = 1 ORDER BY died_at, id LIMIT $2";
