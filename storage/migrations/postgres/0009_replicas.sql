SET lock_timeout = '5s';

-- How far the sequences of these people have come: what a process asks for those who are watched in it. A JSON list of
-- ids.
CREATE FUNCTION focusflow.last_change_numbers(user_ids jsonb)
RETURNS TABLE (user_id uuid, change_number bigint)
LANGUAGE sql STABLE
AS $$
    SELECT users.id, users.change_number
    FROM jsonb_array_elements_text(user_ids) AS wanted (id) JOIN users ON users.id = wanted.id::uuid
$$;
SELECT focusflow.publish('focusflow.last_change_numbers(jsonb)');

-- One row: which values in the shared cache count, and until when none does. See cache::trust.
CREATE TABLE cache_epoch (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    epoch bigint NOT NULL,
    closed_until timestamptz NOT NULL
);
SELECT focusflow.hide('cache_epoch');
GRANT SELECT, UPDATE ON cache_epoch TO focusflow_app;
CREATE POLICY app ON cache_epoch TO focusflow_app USING (true) WITH CHECK (true);
INSERT INTO cache_epoch (epoch, closed_until) VALUES (0, '-infinity');
