-- Tokens name their person, as every row of a person's does.
CREATE TABLE refresh_tokens_with_user (
    token_hash BLOB NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    session_id BLOB NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    replaced INTEGER NOT NULL CHECK (replaced IN (0, 1)),
    create_time TEXT NOT NULL
) STRICT;
INSERT INTO refresh_tokens_with_user (token_hash, user_id, session_id, replaced, create_time)
SELECT token_hash, user_id, session_id, replaced, refresh_tokens.create_time
FROM refresh_tokens JOIN sessions ON sessions.id = refresh_tokens.session_id;
DROP TABLE refresh_tokens;
ALTER TABLE refresh_tokens_with_user RENAME TO refresh_tokens;
CREATE INDEX idx_refresh_tokens_session ON refresh_tokens (session_id);

ALTER TABLE sessions ADD COLUMN last_use_time TEXT;

-- Keys that people give to programs of theirs. The token itself is shown once and kept as a hash.
CREATE TABLE api_tokens (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    -- JSON list.
    scopes TEXT NOT NULL,
    token_hash BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    -- NULL: does not expire.
    expire_time TEXT,
    last_use_time TEXT,
    create_time TEXT NOT NULL
) STRICT;
CREATE INDEX idx_api_tokens_user ON api_tokens (user_id, create_time, id);
