-- When a sweep last queued work for a recording, by kind of sweep: another that began before leaves it out.
ALTER TABLE recordings ADD COLUMN purge_queued_at INTEGER;
ALTER TABLE recordings ADD COLUMN steps_queued_at INTEGER;
