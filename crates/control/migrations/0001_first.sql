-- The control store of one cell. Times are milliseconds since 1970; yes and no are 1 and 0. `version`: the configuration
-- version of the row's last change. The words SERIAL_KEY, BLOB, INTEGER, STRICT and KEYED are written for each engine
-- (`db/dialect.rs`); what holds the rows in place stands beside this file, in `guards.rs`.

-- Whose database this is, and how often its configuration has changed.
CREATE TABLE meta (
    one            INTEGER PRIMARY KEY CHECK (one = 1),
    region         TEXT    NOT NULL,
    config_version INTEGER NOT NULL CHECK (config_version >= 0)
) STRICT;

-- Who pays for workspaces.
CREATE TABLE accounts (
    number     SERIAL_KEY,
    id         TEXT    NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    plan       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version    INTEGER NOT NULL
) STRICT;

-- Plans whose regions an operator lets an account choose.
CREATE TABLE entitlements (
    number     SERIAL_KEY,
    account    INTEGER NOT NULL REFERENCES accounts (number),
    plan       TEXT    NOT NULL,
    granted_by TEXT    NOT NULL,
    granted_at INTEGER NOT NULL,
    note       TEXT    NOT NULL,
    revoked_at INTEGER,
    version    INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX entitlements_held ON entitlements (account, plan) WHERE revoked_at IS NULL;

-- The number names the workspace's data keys: it is never given again.
CREATE TABLE workspaces (
    number     SERIAL_KEY,
    id         TEXT    NOT NULL UNIQUE,
    account    INTEGER NOT NULL REFERENCES accounts (number),
    slug       TEXT    NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    region     TEXT    NOT NULL,
    plan       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version    INTEGER NOT NULL
) STRICT;
CREATE INDEX workspaces_by_account ON workspaces (account, number);
CREATE INDEX workspaces_by_version ON workspaces (version);

-- The number stands in the frames of both logs. A deleted source keeps its row, so that its events can still be named.
-- `kind`: the catalog's slug. `sender`: what the pipeline has to know of it.
CREATE TABLE sources (
    number           SERIAL_KEY,
    id               TEXT    NOT NULL UNIQUE,
    workspace        INTEGER NOT NULL REFERENCES workspaces (number),
    slug             TEXT    NOT NULL,
    name             TEXT    NOT NULL,
    kind             TEXT    NOT NULL,
    sender           TEXT    NOT NULL,
    enabled          INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    ingestion_region TEXT    NOT NULL,
    strict           INTEGER NOT NULL CHECK (strict IN (0, 1)),
    rate_per_second  INTEGER CHECK (rate_per_second > 0),
    rate_burst       INTEGER CHECK (rate_burst > 0),
    settings         TEXT    NOT NULL,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    deleted_at       INTEGER,
    version          INTEGER NOT NULL,
    CHECK ((rate_per_second IS NULL) = (rate_burst IS NULL))
) STRICT;
CREATE UNIQUE INDEX sources_by_slug ON sources (workspace, slug) WHERE deleted_at IS NULL;
CREATE INDEX sources_in_order ON sources (workspace, number) WHERE deleted_at IS NULL;
CREATE INDEX sources_by_version ON sources (version);

-- The keys of a deleted source stay, so that nobody else is given them.
CREATE TABLE write_keys (
    key        TEXT    PRIMARY KEY,
    source     INTEGER NOT NULL REFERENCES sources (number),
    enabled    INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    created_at INTEGER NOT NULL
) KEYED;
CREATE INDEX write_keys_by_source ON write_keys (source, created_at);

-- `kind`: the catalog's slug. `settings`: a JSON object of what may be read back. `sealed`: the secrets, a JSON object under
-- the region's key.
CREATE TABLE destinations (
    number     SERIAL_KEY,
    id         TEXT    NOT NULL UNIQUE,
    workspace  INTEGER NOT NULL REFERENCES workspaces (number),
    source     INTEGER NOT NULL REFERENCES sources (number),
    name       TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    enabled    INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    settings   TEXT    NOT NULL,
    sealed     BLOB,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER,
    version    INTEGER NOT NULL
) STRICT;
CREATE INDEX destinations_by_source ON destinations (source, number) WHERE deleted_at IS NULL;
CREATE INDEX destinations_in_order ON destinations (workspace, number) WHERE deleted_at IS NULL;
CREATE INDEX destinations_by_version ON destinations (version);

-- People. `email` is lower case; `password` is a PHC string, nothing for who signs in elsewhere.
CREATE TABLE users (
    number      SERIAL_KEY,
    id          TEXT    NOT NULL UNIQUE,
    account     INTEGER NOT NULL REFERENCES accounts (number),
    email       TEXT    NOT NULL UNIQUE,
    name        TEXT    NOT NULL,
    password    TEXT,
    must_change INTEGER NOT NULL CHECK (must_change IN (0, 1)),
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    deleted_at  INTEGER,
    version     INTEGER NOT NULL
) STRICT;
CREATE INDEX users_by_account ON users (account, number) WHERE deleted_at IS NULL;

-- Who may do what in a workspace. `subject`: the id of a user, group or token. `resources`: a JSON array.
CREATE TABLE permissions (
    number       SERIAL_KEY,
    workspace    INTEGER NOT NULL REFERENCES workspaces (number),
    subject_kind TEXT    NOT NULL CHECK (subject_kind IN ('user', 'group', 'token')),
    subject      TEXT    NOT NULL,
    role         TEXT    NOT NULL,
    resources    TEXT    NOT NULL,
    version      INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX permissions_by_workspace ON permissions (workspace, subject_kind, subject, role);
CREATE INDEX permissions_by_subject ON permissions (subject_kind, subject);

-- `hash`: SHA-256 of what the browser holds. `how`: password, or the identity provider's id.
CREATE TABLE sessions (
    hash        BLOB    PRIMARY KEY CHECK (length(hash) = 32),
    user_number INTEGER NOT NULL REFERENCES users (number),
    created_at  INTEGER NOT NULL,
    seen_at     INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    how         TEXT    NOT NULL
) KEYED;
CREATE INDEX sessions_by_user ON sessions (user_number);
CREATE INDEX sessions_by_end ON sessions (expires_at);

-- API tokens. Only SHA-256 of a token is kept: 256 random bits need no salt and no slow hash.
CREATE TABLE tokens (
    number       SERIAL_KEY,
    id           TEXT    NOT NULL UNIQUE,
    workspace    INTEGER NOT NULL REFERENCES workspaces (number),
    name         TEXT    NOT NULL,
    description  TEXT    NOT NULL,
    hash         BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_by   TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER,
    revoked_at   INTEGER,
    version      INTEGER NOT NULL
) STRICT;
CREATE INDEX tokens_by_workspace ON tokens (workspace, number) WHERE revoked_at IS NULL;

-- Where people of an account sign in. `sealed`: the client's secret. `domains`: a JSON array of e-mail domains.
CREATE TABLE identity_providers (
    number     SERIAL_KEY,
    id         TEXT    NOT NULL UNIQUE,
    account    INTEGER NOT NULL REFERENCES accounts (number),
    name       TEXT    NOT NULL,
    issuer     TEXT    NOT NULL,
    client_id  TEXT    NOT NULL,
    sealed     BLOB,
    domains    TEXT    NOT NULL,
    enabled    INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER,
    version    INTEGER NOT NULL
) STRICT;
CREATE INDEX identity_providers_by_account ON identity_providers (account, number) WHERE deleted_at IS NULL;

-- `hash`: SHA-256 of what the invitation's link holds. `permissions`: a JSON array.
CREATE TABLE invites (
    number      SERIAL_KEY,
    workspace   INTEGER NOT NULL REFERENCES workspaces (number),
    email       TEXT    NOT NULL,
    permissions TEXT    NOT NULL,
    hash        BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    version     INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX invites_by_email ON invites (workspace, email);

-- All that the pipeline needs no table of its own for: filters, warehouses, functions, tracking plans, labels … `kind` says
-- how `body`, a JSON object, is read. `parent`: the id of what it belongs to. `sealed`: secrets, a JSON object.
CREATE TABLE things (
    number     SERIAL_KEY,
    id         TEXT    NOT NULL UNIQUE,
    workspace  INTEGER NOT NULL REFERENCES workspaces (number),
    kind       TEXT    NOT NULL,
    parent     TEXT,
    name       TEXT    NOT NULL,
    body       TEXT    NOT NULL,
    sealed     BLOB,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER,
    version    INTEGER NOT NULL
) STRICT;
CREATE INDEX things_in_order ON things (workspace, kind, number) WHERE deleted_at IS NULL;
CREATE INDEX things_by_parent ON things (workspace, kind, parent, number) WHERE deleted_at IS NULL;
CREATE INDEX things_by_version ON things (version);

-- What belongs together, by ids. A link that was undone keeps its row, so that who follows the versions sees it.
CREATE TABLE links (
    number    SERIAL_KEY,
    workspace INTEGER NOT NULL REFERENCES workspaces (number),
    kind      TEXT    NOT NULL,
    a         TEXT    NOT NULL,
    b         TEXT    NOT NULL,
    body      TEXT,
    undone    INTEGER NOT NULL CHECK (undone IN (0, 1)),
    version   INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX links_by_ends ON links (workspace, kind, a, b);
CREATE INDEX links_from ON links (workspace, kind, a, number) WHERE undone = 0;
CREATE INDEX links_to ON links (workspace, kind, b, number) WHERE undone = 0;
CREATE INDEX links_by_version ON links (version);

-- Users of whom no event is kept. `source` 0: in the whole workspace. `sealed`: the user's id, for who may read it.
CREATE TABLE suppressions (
    number     SERIAL_KEY,
    workspace  INTEGER NOT NULL REFERENCES workspaces (number),
    source     INTEGER NOT NULL,
    user_hash  BLOB    NOT NULL CHECK (length(user_hash) = 32),
    sealed     BLOB,
    regulation TEXT,
    created_at INTEGER NOT NULL,
    deleted_at INTEGER,
    version    INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX suppressions_by_user ON suppressions (workspace, source, user_hash);
CREATE INDEX suppressions_by_version ON suppressions (version);

-- Answers that are given again when a request comes again. `request`: SHA-256. `answer`: under the region's key, because it
-- may hold a token.
CREATE TABLE idempotency (
    actor   TEXT    NOT NULL,
    key     TEXT    NOT NULL,
    request BLOB    NOT NULL CHECK (length(request) = 32),
    status  INTEGER NOT NULL,
    answer  BLOB    NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (actor, key)
) KEYED;
CREATE INDEX idempotency_by_time ON idempotency (at);

-- Who changed or looked at what. `before` and `after` are JSON objects without secrets.
CREATE TABLE audit (
    number         SERIAL_KEY,
    at             INTEGER NOT NULL,
    actor          TEXT    NOT NULL,
    actor_name     TEXT    NOT NULL,
    workspace      INTEGER REFERENCES workspaces (number),
    type           TEXT    NOT NULL,
    resource_kind  TEXT    NOT NULL,
    resource_id    TEXT    NOT NULL,
    resource_name  TEXT    NOT NULL,
    before         TEXT,
    after          TEXT,
    config_version INTEGER NOT NULL
) STRICT;
CREATE INDEX audit_by_workspace ON audit (workspace, number);
CREATE INDEX audit_by_resource ON audit (workspace, resource_id, number);
CREATE INDEX audit_by_time ON audit (workspace, at, number);
