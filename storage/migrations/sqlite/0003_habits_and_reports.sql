-- Dates are YYYY-MM-DD, of the person's local days.

CREATE TABLE habits (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    -- Folded to lower case, for the order.
    name_key TEXT NOT NULL,
    description TEXT NOT NULL,
    category_id BLOB REFERENCES categories (id) ON DELETE SET NULL,
    target_count INTEGER NOT NULL CHECK (target_count > 0),
    period TEXT NOT NULL CHECK (period IN ('DAY', 'WEEK')),
    -- The first day in the archive; NULL while it is due.
    archive_date TEXT,
    -- JSON list of earlier times in the archive.
    pauses TEXT NOT NULL,
    version INTEGER NOT NULL,
    create_time TEXT NOT NULL,
    update_time TEXT NOT NULL
) STRICT;
CREATE INDEX idx_habits_user_name ON habits (user_id, name_key, id);
CREATE INDEX idx_habits_category ON habits (category_id) WHERE category_id IS NOT NULL;

CREATE TABLE habit_logs (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    habit_id BLOB NOT NULL REFERENCES habits (id) ON DELETE CASCADE,
    local_date TEXT NOT NULL,
    done_count INTEGER NOT NULL CHECK (done_count >= 0),
    skipped INTEGER NOT NULL CHECK (skipped IN (0, 1)),
    notes TEXT NOT NULL,
    create_time TEXT NOT NULL,
    update_time TEXT NOT NULL,
    UNIQUE (user_id, habit_id, local_date)
) STRICT;
CREATE INDEX idx_habit_logs_habit ON habit_logs (habit_id);

CREATE TABLE vacations (
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    start_date TEXT NOT NULL,
    end_date TEXT NOT NULL CHECK (end_date >= start_date),
    PRIMARY KEY (user_id, start_date)
) STRICT, WITHOUT ROWID;

CREATE TABLE reports (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('DAILY', 'WEEKLY', 'MONTHLY')),
    local_date TEXT NOT NULL,
    -- JSON: score, insights, recommendations and patterns.
    content TEXT NOT NULL,
    create_time TEXT NOT NULL,
    UNIQUE (user_id, kind, local_date)
) STRICT;
CREATE INDEX idx_reports_user_date ON reports (user_id, local_date, id);

-- A timer that ran too long to be believed, and that the person has not confirmed: it counts in no total.
ALTER TABLE time_logs ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0 CHECK (forgotten IN (0, 1));
