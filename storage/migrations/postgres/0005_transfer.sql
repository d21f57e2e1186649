SET lock_timeout = '5s';

-- What an imported row became, so that rows that refer to it find it in a later import; NULL in rows of the version
-- before.
ALTER TABLE import_rows ADD COLUMN resource_id uuid;

-- URLs under which calendar programs find a person's tasks. Only the hash of the secret in the URL is kept.
CREATE TABLE calendar_feeds (
    id uuid NOT NULL,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name text NOT NULL,
    style text NOT NULL CHECK (style IN ('EVENTS', 'TODOS')),
    secret_hash bytea NOT NULL UNIQUE CHECK (length(secret_hash) = 32),
    create_time timestamptz NOT NULL,
    PRIMARY KEY (user_id, id)
);
CREATE INDEX idx_calendar_feeds_user ON calendar_feeds (user_id, create_time, id);
SELECT focusflow.protect('calendar_feeds', secret => true);

-- Whose tasks the URL with a secret shows.
CREATE FUNCTION focusflow.user_of_calendar_feed(hash bytea) RETURNS uuid
LANGUAGE sql STABLE
AS $$ SELECT user_id FROM calendar_feeds WHERE secret_hash = hash $$;
SELECT focusflow.publish('focusflow.user_of_calendar_feed(bytea)');
