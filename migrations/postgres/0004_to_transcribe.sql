-- What reconcile may find to be transcribed. What Twilio encrypted stays archived all its life, and is not in it.
CREATE INDEX IF NOT EXISTS recordings_to_transcribe ON recordings (status, recording_sid)
    WHERE status = 'archived' AND transcripts_deleted_at IS NULL AND encryption IS NULL AND media_state = 'stored';
