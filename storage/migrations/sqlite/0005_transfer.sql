-- What an imported row became, so that rows that refer to it find it in a later import; NULL in rows of the version
-- before.
ALTER TABLE import_rows ADD COLUMN resource_id BLOB;

-- URLs under which calendar programs find a person's tasks. Only the hash of the secret in the URL is kept.
CREATE TABLE calendar_feeds (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    style TEXT NOT NULL CHECK (style IN ('EVENTS', 'TODOS')),
    secret_hash BLOB NOT NULL UNIQUE CHECK (length(secret_hash) = 32),
    create_time TEXT NOT NULL
) STRICT;
CREATE INDEX idx_calendar_feeds_user ON calendar_feeds (user_id, create_time, id);
