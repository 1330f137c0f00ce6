-- Who a person is at an identity provider. An e-mail address may change hands; issuer and subject never do.
CREATE TABLE identities (
    number      SERIAL_KEY,
    issuer      TEXT    NOT NULL,
    subject     TEXT    NOT NULL,
    user_number INTEGER NOT NULL REFERENCES users (number),
    created_at  INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX identities_by_subject ON identities (issuer, subject);
CREATE INDEX identities_by_user ON identities (user_number);

-- Tokens of who runs the cell. They open no workspace.
CREATE TABLE operator_tokens (
    number       SERIAL_KEY,
    id           TEXT    NOT NULL UNIQUE,
    name         TEXT    NOT NULL,
    hash         BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at   INTEGER
) STRICT;

-- After how many minutes without a page the sessions of an account's people end; nothing: after their seven days.
ALTER TABLE accounts ADD COLUMN idle_minutes INTEGER CHECK (idle_minutes > 0);

-- Where the customer says that a provider stands.
ALTER TABLE identity_providers ADD COLUMN country TEXT;
