-- The control store of one cell. Times are milliseconds since 1970.

-- Whose database this is, and how often its configuration has changed.
CREATE TABLE meta (
    one            INTEGER PRIMARY KEY CHECK (one = 1),
    region         TEXT    NOT NULL,
    config_version INTEGER NOT NULL CHECK (config_version >= 0)
) STRICT;

CREATE TRIGGER meta_is_one_row BEFORE INSERT ON meta WHEN EXISTS (SELECT 1 FROM meta) BEGIN
    SELECT RAISE(ABORT, 'a control store belongs to one region');
END;
CREATE TRIGGER meta_stays BEFORE DELETE ON meta BEGIN
    SELECT RAISE(ABORT, 'a control store belongs to one region');
END;
CREATE TRIGGER meta_region_is_for_good BEFORE UPDATE ON meta WHEN NEW.region IS NOT OLD.region BEGIN
    SELECT RAISE(ABORT, 'the region of a control store never changes');
END;
CREATE TRIGGER meta_version_goes_up BEFORE UPDATE ON meta WHEN NEW.config_version < OLD.config_version BEGIN
    SELECT RAISE(ABORT, 'the configuration version never goes back');
END;

-- The number names the workspace's data keys: AUTOINCREMENT, so that it is never given again.
CREATE TABLE workspaces (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT    NOT NULL UNIQUE,
    slug       TEXT    NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    region     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TRIGGER workspaces_are_of_this_region BEFORE INSERT ON workspaces
WHEN NEW.region IS NOT (SELECT region FROM meta) BEGIN
    SELECT RAISE(ABORT, 'a workspace of another region does not belong in this control store');
END;
CREATE TRIGGER workspaces_stay_in_their_region BEFORE UPDATE ON workspaces
WHEN NEW.region IS NOT OLD.region OR NEW.id IS NOT OLD.id OR NEW.number IS NOT OLD.number BEGIN
    SELECT RAISE(ABORT, 'the region of a workspace never changes');
END;

-- The number stands in the frames of both logs. A deleted source keeps its row, so that its events can still be named.
CREATE TABLE sources (
    number           INTEGER PRIMARY KEY AUTOINCREMENT,
    id               TEXT    NOT NULL UNIQUE,
    workspace        INTEGER NOT NULL REFERENCES workspaces (number),
    slug             TEXT    NOT NULL,
    name             TEXT    NOT NULL,
    kind             TEXT    NOT NULL,
    enabled          INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    ingestion_region TEXT    NOT NULL,
    strict           INTEGER NOT NULL CHECK (strict IN (0, 1)),
    rate_per_second  INTEGER CHECK (rate_per_second > 0),
    rate_burst       INTEGER CHECK (rate_burst > 0),
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    deleted_at       INTEGER,
    CHECK ((rate_per_second IS NULL) = (rate_burst IS NULL))
) STRICT;

CREATE UNIQUE INDEX sources_by_slug ON sources (workspace, slug) WHERE deleted_at IS NULL;
CREATE TRIGGER sources_stay_in_their_workspace BEFORE UPDATE ON sources
WHEN NEW.workspace IS NOT OLD.workspace OR NEW.id IS NOT OLD.id OR NEW.number IS NOT OLD.number BEGIN
    SELECT RAISE(ABORT, 'a source never changes its workspace');
END;
CREATE TRIGGER sources_keep_their_row BEFORE DELETE ON sources BEGIN
    SELECT RAISE(ABORT, 'a source is marked as deleted, because the logs name it');
END;

-- The keys of a deleted source stay, so that nobody else is given them.
CREATE TABLE write_keys (
    key        TEXT    PRIMARY KEY,
    source     INTEGER NOT NULL REFERENCES sources (number),
    enabled    INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX write_keys_by_source ON write_keys (source, created_at);

-- `settings`: a JSON object of what may be read back. `sealed`: the secrets, a JSON object under the region's key.
CREATE TABLE destinations (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT    NOT NULL UNIQUE,
    source     INTEGER NOT NULL REFERENCES sources (number),
    name       TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    enabled    INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    settings   TEXT    NOT NULL,
    sealed     BLOB,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;

CREATE INDEX destinations_by_source ON destinations (source);

-- API tokens. Only SHA-256 of a token is kept: 256 random bits need no salt and no slow hash.
CREATE TABLE tokens (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT    NOT NULL UNIQUE,
    workspace    INTEGER NOT NULL REFERENCES workspaces (number),
    name         TEXT    NOT NULL,
    hash         BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at   INTEGER
) STRICT;

-- Who changed or looked at what. `before` and `after` are JSON objects without secrets.
CREATE TABLE audit (
    number         INTEGER PRIMARY KEY AUTOINCREMENT,
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
CREATE TRIGGER audit_only_grows BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE number = NEW.number) BEGIN
    SELECT RAISE(ABORT, 'an audit entry is never replaced');
END;
CREATE TRIGGER audit_is_not_rewritten BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'an audit entry is never changed');
END;
CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'an audit entry is never deleted');
END;
