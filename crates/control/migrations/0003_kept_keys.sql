-- A write key that was taken away keeps its row: whoever still sends with it must never become another source's.
ALTER TABLE write_keys ADD COLUMN deleted_at INTEGER;
