SET lock_timeout = '5s';

-- Dates are of the person's local days.

CREATE TABLE habits (
    id uuid NOT NULL,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name text NOT NULL,
    -- Folded to lower case, for the order.
    name_key text NOT NULL COLLATE "C",
    description text NOT NULL,
    category_id uuid,
    target_count integer NOT NULL CHECK (target_count > 0),
    period text NOT NULL CHECK (period IN ('DAY', 'WEEK')),
    -- The first day in the archive; NULL while it is due.
    archive_date date,
    -- JSON list of earlier times in the archive.
    pauses jsonb NOT NULL,
    version bigint NOT NULL,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    PRIMARY KEY (user_id, id),
    FOREIGN KEY (user_id, category_id) REFERENCES categories (user_id, id) ON DELETE SET NULL (category_id)
);
CREATE INDEX idx_habits_user_name ON habits (user_id, name_key, id);
CREATE INDEX idx_habits_category ON habits (user_id, category_id) WHERE category_id IS NOT NULL;

CREATE TABLE habit_logs (
    id uuid NOT NULL,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    habit_id uuid NOT NULL,
    local_date date NOT NULL,
    done_count integer NOT NULL CHECK (done_count >= 0),
    skipped boolean NOT NULL,
    notes text NOT NULL,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    PRIMARY KEY (user_id, id),
    UNIQUE (user_id, habit_id, local_date),
    FOREIGN KEY (user_id, habit_id) REFERENCES habits (user_id, id) ON DELETE CASCADE
);

CREATE TABLE vacations (
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    start_date date NOT NULL,
    end_date date NOT NULL CHECK (end_date >= start_date),
    PRIMARY KEY (user_id, start_date)
);

CREATE TABLE reports (
    id uuid NOT NULL,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('DAILY', 'WEEKLY', 'MONTHLY')),
    local_date date NOT NULL,
    -- JSON: score, insights, recommendations and patterns.
    content jsonb NOT NULL,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (user_id, id),
    UNIQUE (user_id, kind, local_date)
);
CREATE INDEX idx_reports_user_date ON reports (user_id, local_date, id);

SELECT focusflow.protect('habits');
SELECT focusflow.protect('habit_logs');
SELECT focusflow.protect('vacations');
SELECT focusflow.protect('reports');

-- A timer that ran too long to be believed, and that the person has not confirmed: it counts in no total.
ALTER TABLE time_logs ADD COLUMN forgotten boolean NOT NULL DEFAULT false;
