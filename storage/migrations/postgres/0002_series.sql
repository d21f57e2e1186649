SET lock_timeout = '5s';

ALTER TABLE tasks ADD COLUMN postponement_count integer NOT NULL DEFAULT 0;
-- JSON on a series: its rule, what it repeats from, its local start and the dates it leaves out.
ALTER TABLE tasks ADD COLUMN recurrence jsonb;
-- On an occurrence: the series, or the part of a series, that it was made of, and its local date.
ALTER TABLE tasks ADD COLUMN series_id uuid;
ALTER TABLE tasks ADD COLUMN occurrence_date date;
-- Whether a person has changed the occurrence, so that it no longer follows its series.
ALTER TABLE tasks ADD COLUMN is_edited boolean NOT NULL DEFAULT false;
-- Whether it is a series or a part of one: occurrences are made of it, and it is not done itself.
ALTER TABLE tasks ADD COLUMN is_template boolean NOT NULL DEFAULT false;
ALTER TABLE tasks ADD CONSTRAINT tasks_series_id_fkey
FOREIGN KEY (user_id, series_id) REFERENCES tasks (user_id, id) ON DELETE SET NULL (series_id) NOT VALID;

-- How far the occurrences of each series have been made.
CREATE TABLE series (
    id uuid NOT NULL,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- All of this local date and before have been made, or never will be.
    made_through date NOT NULL,
    -- When there are more to be made; NULL: never.
    next_time timestamptz,
    PRIMARY KEY (user_id, id),
    FOREIGN KEY (user_id, id) REFERENCES tasks (user_id, id) ON DELETE CASCADE
);
CREATE INDEX idx_series_next_time ON series (next_time, user_id) WHERE next_time IS NOT NULL;
SELECT focusflow.protect('series');

-- Who has series with occurrences to be made, in order of their ids, from after one of them on.
CREATE FUNCTION focusflow.users_with_due_series(due_at timestamptz, after_id uuid, max_count bigint)
RETURNS SETOF uuid
LANGUAGE sql STABLE
AS $$
    SELECT DISTINCT user_id FROM series
    WHERE next_time <= due_at AND user_id > after_id ORDER BY user_id LIMIT max_count
$$;
SELECT focusflow.publish('focusflow.users_with_due_series(timestamptz, uuid, bigint)');
