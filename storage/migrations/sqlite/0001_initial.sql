-- Times are RFC 3339 text in UTC, always bound by the service: its form sorts as time does, SQLite's own does not.
-- Ids are 16-byte UUIDs. Enumerations are the names of the contract.

-- What the database itself remembers, such as the key that signs page tokens.
CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

CREATE TABLE users (
    id BLOB NOT NULL PRIMARY KEY,
    email TEXT NOT NULL,
    -- Folded to lower case: two addresses that differ in case only are one account.
    email_key TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    day_start_minutes INTEGER NOT NULL CHECK (day_start_minutes BETWEEN 0 AND 719),
    work_start_minutes INTEGER NOT NULL CHECK (work_start_minutes >= 0),
    work_end_minutes INTEGER NOT NULL CHECK (work_end_minutes > work_start_minutes AND work_end_minutes <= 1440),
    work_weekdays TEXT NOT NULL,
    tier TEXT NOT NULL CHECK (tier IN ('FREE', 'PREMIUM', 'ENTERPRISE')),
    email_verified INTEGER NOT NULL CHECK (email_verified IN (0, 1)),
    -- The last number that the person's change sequence has given out.
    change_number INTEGER NOT NULL,
    create_time TEXT NOT NULL,
    update_time TEXT NOT NULL
) STRICT;

CREATE TABLE sessions (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    user_agent TEXT NOT NULL,
    expire_time TEXT NOT NULL,
    create_time TEXT NOT NULL
) STRICT;
CREATE INDEX idx_sessions_user ON sessions (user_id);
CREATE INDEX idx_sessions_expire_time ON sessions (expire_time);

-- A replaced token stays until its session ends, so that one presented again gives a thief away.
CREATE TABLE refresh_tokens (
    token_hash BLOB NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
    session_id BLOB NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    replaced INTEGER NOT NULL CHECK (replaced IN (0, 1)),
    create_time TEXT NOT NULL
) STRICT;
CREATE INDEX idx_refresh_tokens_session ON refresh_tokens (session_id);

CREATE TABLE categories (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    color TEXT NOT NULL,
    icon TEXT NOT NULL,
    version INTEGER NOT NULL,
    create_time TEXT NOT NULL,
    update_time TEXT NOT NULL,
    UNIQUE (user_id, name_key)
) STRICT;

CREATE TABLE tasks (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    category_id BLOB REFERENCES categories (id) ON DELETE SET NULL,
    parent_id BLOB REFERENCES tasks (id) ON DELETE SET NULL,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    priority TEXT NOT NULL CHECK (priority IN ('LOW', 'MEDIUM', 'HIGH', 'URGENT')),
    status TEXT NOT NULL CHECK (status IN ('PENDING', 'IN_PROGRESS', 'COMPLETED', 'CANCELLED')),
    estimated_minutes INTEGER NOT NULL CHECK (estimated_minutes >= 0),
    -- The sum of duration_micros of its finished time logs, kept by their writes.
    logged_micros INTEGER NOT NULL CHECK (logged_micros >= 0),
    due_time TEXT,
    -- JSON list, as the person wrote them; task_tags finds tasks by them.
    tags TEXT NOT NULL,
    version INTEGER NOT NULL,
    complete_time TEXT,
    delete_time TEXT,
    create_time TEXT NOT NULL,
    update_time TEXT NOT NULL,
    CHECK ((status = 'COMPLETED') = (complete_time IS NOT NULL))
) STRICT;
CREATE INDEX idx_tasks_user_create_time ON tasks (user_id, create_time, id);
CREATE INDEX idx_tasks_user_status ON tasks (user_id, status, create_time, id);
CREATE INDEX idx_tasks_user_finished ON tasks (user_id, complete_time, id)
WHERE complete_time IS NOT NULL AND estimated_minutes > 0 AND logged_micros > 0 AND delete_time IS NULL;
CREATE INDEX idx_tasks_category ON tasks (category_id) WHERE category_id IS NOT NULL;
CREATE INDEX idx_tasks_parent ON tasks (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX idx_tasks_delete_time ON tasks (delete_time) WHERE delete_time IS NOT NULL;

-- Tags folded to lower case, one row each, for totals and filters by tag.
CREATE TABLE task_tags (
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    tag TEXT NOT NULL,
    task_id BLOB NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, tag, task_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_task_tags_task ON task_tags (task_id);

CREATE TABLE time_logs (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    task_id BLOB REFERENCES tasks (id) ON DELETE SET NULL,
    start_time TEXT NOT NULL,
    -- NULL while the timer runs, and duration_micros with it.
    end_time TEXT CHECK (end_time >= start_time),
    duration_micros INTEGER CHECK (duration_micros >= 0),
    notes TEXT NOT NULL,
    manual INTEGER NOT NULL CHECK (manual IN (0, 1)),
    create_time TEXT NOT NULL,
    update_time TEXT NOT NULL,
    CHECK ((end_time IS NULL) = (duration_micros IS NULL))
) STRICT;
CREATE UNIQUE INDEX idx_time_logs_running ON time_logs (user_id) WHERE end_time IS NULL;
CREATE INDEX idx_time_logs_user_date ON time_logs (user_id, start_time, id);
CREATE INDEX idx_time_logs_task ON time_logs (task_id, start_time) WHERE task_id IS NOT NULL;

CREATE TABLE changes (
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    number INTEGER NOT NULL CHECK (number > 0),
    resource TEXT NOT NULL,
    resource_id BLOB NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('CREATED', 'UPDATED', 'DELETED')),
    create_time TEXT NOT NULL,
    PRIMARY KEY (user_id, number)
) STRICT, WITHOUT ROWID;

-- What a create with a request id made, so that the same request again makes nothing.
CREATE TABLE request_ids (
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    request_id BLOB NOT NULL,
    method TEXT NOT NULL,
    resource_id BLOB NOT NULL,
    create_time TEXT NOT NULL,
    PRIMARY KEY (user_id, request_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_request_ids_create_time ON request_ids (create_time);

-- The rows of files that imports have brought in; row_key is a hash of the row and of which equal row it is.
CREATE TABLE import_rows (
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    source TEXT NOT NULL,
    row_key BLOB NOT NULL CHECK (length(row_key) = 16),
    PRIMARY KEY (user_id, source, row_key)
) STRICT, WITHOUT ROWID;
