-- When the last complete pass of a sweep began: through Twilio's list of an account, through the objects of the vault.
CREATE TABLE passes (
    pass     TEXT PRIMARY KEY,
    began_at BIGINT NOT NULL
);
