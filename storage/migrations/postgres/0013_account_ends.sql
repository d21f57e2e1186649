SET lock_timeout = '5s';

-- When a successor took the token's place, so that a client that refreshes twice at once is told from a thief.
ALTER TABLE refresh_tokens ADD COLUMN replace_time timestamptz;

-- Whose grace period is over: who asked for their account's end at that time or earlier.
CREATE FUNCTION focusflow.users_to_purge(before timestamptz, max_count bigint) RETURNS SETOF uuid
LANGUAGE sql STABLE
AS $$ SELECT id FROM users WHERE delete_time <= before ORDER BY delete_time LIMIT max_count $$;
SELECT focusflow.publish('focusflow.users_to_purge(timestamptz, bigint)');
