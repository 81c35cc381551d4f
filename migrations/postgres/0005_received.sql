-- What reconcile may find to be archived, in the order in which it looks: it reads a page of it, not all that waits. (With
-- the status in front, SQLite prefers it to recordings_by_status.)
CREATE INDEX IF NOT EXISTS recordings_received ON recordings (status, recording_sid) WHERE status = 'received';
