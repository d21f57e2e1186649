SET lock_timeout = '5s';

ALTER TABLE sessions ADD COLUMN last_use_time timestamptz;

-- Keys that people give to programs of theirs. The token itself is shown once and kept as a hash.
CREATE TABLE api_tokens (
    id uuid NOT NULL,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name text NOT NULL,
    -- JSON list.
    scopes jsonb NOT NULL,
    token_hash bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    -- NULL: does not expire.
    expire_time timestamptz,
    last_use_time timestamptz,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (user_id, id)
);
CREATE INDEX idx_api_tokens_user ON api_tokens (user_id, create_time, id);
SELECT focusflow.protect('api_tokens', secret => true);

-- Whose an API token is.
CREATE FUNCTION focusflow.user_of_api_token(hash bytea) RETURNS uuid
LANGUAGE sql STABLE
AS $$ SELECT user_id FROM api_tokens WHERE token_hash = hash $$;
SELECT focusflow.publish('focusflow.user_of_api_token(bytea)');
