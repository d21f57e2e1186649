SET lock_timeout = '5s';

-- Everybody, in order of their ids, from after one of them on.
CREATE FUNCTION focusflow.users_after(after_id uuid, max_count bigint) RETURNS SETOF uuid
LANGUAGE sql STABLE
AS $$ SELECT id FROM users WHERE id > after_id ORDER BY id LIMIT max_count $$;
SELECT focusflow.publish('focusflow.users_after(uuid, bigint)');
