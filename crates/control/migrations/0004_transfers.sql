-- Exceptions by which a workspace's events may go to another country. Two persons are in each that was granted: `requested_by`
-- and `approved_by` are `operator`, `user:ID`, or `token:ID` of a token that no person made. `fields`: a JSON object; nothing:
-- all of an event. `expires`: the last day, YYYY-MM-DD. `closed_…`: who declined or ended it.
CREATE TABLE transfers (
    number         SERIAL_KEY,
    id             TEXT    NOT NULL UNIQUE,
    workspace      INTEGER NOT NULL REFERENCES workspaces (number),
    country        TEXT    NOT NULL,
    vendor         TEXT,
    basis          TEXT    NOT NULL,
    expires        TEXT    NOT NULL,
    fields         TEXT,
    reason         TEXT    NOT NULL,
    state          TEXT    NOT NULL CHECK (state IN ('requested', 'granted', 'declined', 'ended')),
    requested_by   TEXT    NOT NULL,
    requested_name TEXT    NOT NULL,
    requested_at   INTEGER NOT NULL,
    approved_by    TEXT,
    approved_name  TEXT,
    approved_at    INTEGER,
    closed_by      TEXT,
    closed_name    TEXT,
    closed_at      INTEGER,
    version        INTEGER NOT NULL
) STRICT;
CREATE INDEX transfers_in_order ON transfers (workspace, number);
CREATE INDEX transfers_by_version ON transfers (version);
