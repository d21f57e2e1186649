-- When the person asked for the account's end, which comes after a grace period; NULL if they did not.
ALTER TABLE users ADD COLUMN delete_time TEXT;
CREATE INDEX idx_users_delete_time ON users (delete_time) WHERE delete_time IS NOT NULL;

-- When a successor took the token's place, so that a client that refreshes twice at once is told from a thief.
ALTER TABLE refresh_tokens ADD COLUMN replace_time TEXT;
