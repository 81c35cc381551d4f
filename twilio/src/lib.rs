//! Twilio's protocol and nothing of ours: SIDs, callbacks, signatures, the REST client, error codes.
