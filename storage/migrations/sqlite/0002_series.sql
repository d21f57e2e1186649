ALTER TABLE tasks ADD COLUMN postponement_count INTEGER NOT NULL DEFAULT 0;
-- JSON on a series: its rule, what it repeats from, its local start and the dates it leaves out.
ALTER TABLE tasks ADD COLUMN recurrence TEXT;
-- On an occurrence: the series, or the part of a series, that it was made of, and its local date.
ALTER TABLE tasks ADD COLUMN series_id BLOB REFERENCES tasks (id) ON DELETE SET NULL;
ALTER TABLE tasks ADD COLUMN occurrence_date TEXT;
-- Whether a person has changed the occurrence, so that it no longer follows its series.
ALTER TABLE tasks ADD COLUMN is_edited INTEGER NOT NULL DEFAULT 0;
-- Whether it is a series or a part of one: occurrences are made of it, and it is not done itself.
ALTER TABLE tasks ADD COLUMN is_template INTEGER NOT NULL DEFAULT 0;

-- How far the occurrences of each series have been made.
CREATE TABLE series (
    id BLOB NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- All of this local date and before have been made, or never will be.
    made_through TEXT NOT NULL,
    -- When there are more to be made; NULL: never.
    next_time TEXT,
    PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_series_task ON series (id);
CREATE INDEX idx_series_next_time ON series (next_time, user_id) WHERE next_time IS NOT NULL;
