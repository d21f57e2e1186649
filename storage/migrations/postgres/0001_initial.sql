-- Runs on plain PostgreSQL 15 or later, and on Supabase. Enumerations are the names of the contract.
--
-- Three roles share the work. Whoever runs the migrations owns everything, and needs CREATEROLE once, here. The service
-- works as focusflow_app, which owns nothing and sees the rows of one person at a time: the one whose id the setting
-- app.user_id names. focusflow_lookup owns the few functions that find out who that person is; they answer ids only.

SET lock_timeout = '5s';

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['focusflow_app', 'focusflow_lookup'] LOOP
        -- Roles belong to the whole cluster: another database may have made them, or be making them now.
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOBYPASSRLS', wanted);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
        -- Since 16, who makes a role may administer it and is not yet allowed to act as it.
        IF NOT pg_has_role(
            current_user, wanted, CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END
        ) THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', wanted);
        END IF;
    END LOOP;
END
$$;

-- What the reference deployment enables. Neither is needed; a server may lack them or reserve them for others.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['uuid-ossp', 'pg_stat_statements'] LOOP
        BEGIN
            IF EXISTS (SELECT FROM pg_available_extensions WHERE name = wanted) THEN
                EXECUTE format('CREATE EXTENSION IF NOT EXISTS %I', wanted);
            END IF;
        EXCEPTION WHEN insufficient_privilege OR unique_violation OR duplicate_object THEN
            RAISE NOTICE 'extension % is left out: %', wanted, SQLERRM;
        END;
    END LOOP;
END
$$;

CREATE SCHEMA IF NOT EXISTS focusflow;
REVOKE ALL ON SCHEMA focusflow FROM PUBLIC;
GRANT USAGE ON SCHEMA focusflow TO focusflow_app;
GRANT USAGE, CREATE ON SCHEMA focusflow TO focusflow_lookup;
GRANT USAGE ON SCHEMA public TO focusflow_app, focusflow_lookup;

-- The person whom the current statement is for; NULL without one. A setting that was used once reads '' afterwards.
CREATE FUNCTION focusflow.person() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT NULLIF(current_setting('app.user_id', true), '')::uuid $$;
REVOKE ALL ON FUNCTION focusflow.person() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION focusflow.person() TO focusflow_app;

-- Takes a table from everyone but its owner. Supabase gives each new table of schema public to whoever comes past the
-- service, signed in or not.
CREATE FUNCTION focusflow.hide(hidden regclass) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    stranger text;
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', hidden);
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', hidden);
    FOR stranger IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
        EXECUTE format('REVOKE ALL ON %s FROM %I', hidden, stranger);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION focusflow.hide(regclass) FROM PUBLIC;
SELECT focusflow.hide('_sqlx_migrations');

-- Locks a table's rows: the service sees those of the current person. The table's owner, who is a member of both
-- roles, may look at all and touch those of that person only. On Supabase, people who come past the service may read
-- what is theirs, unless the table is secret.
CREATE FUNCTION focusflow.protect(protected regclass, owner_column name DEFAULT 'user_id', secret boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM focusflow.hide(protected);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', protected);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO focusflow_app', protected);
    EXECUTE format('GRANT SELECT ON %s TO focusflow_lookup', protected);
    EXECUTE format(
        'CREATE POLICY app ON %1$s TO focusflow_app USING (%2$I = focusflow.person()) WITH CHECK (%2$I = focusflow.person())',
        protected, owner_column
    );
    EXECUTE format('CREATE POLICY lookup ON %s FOR SELECT TO focusflow_lookup USING (true)', protected);

    IF NOT secret AND to_regrole('authenticated') IS NOT NULL AND to_regprocedure('auth.uid()') IS NOT NULL THEN
        EXECUTE format('GRANT SELECT ON %s TO authenticated', protected);
        EXECUTE format(
            'CREATE POLICY own ON %s FOR SELECT TO authenticated USING (%I = (SELECT auth.uid()))',
            protected, owner_column
        );
    END IF;
END
$$;
REVOKE ALL ON FUNCTION focusflow.protect(regclass, name, boolean) FROM PUBLIC;

-- Makes a function one that the service may call and that sees the rows of all people. It must answer ids, numbers and
-- times only: nothing that people wrote.
CREATE FUNCTION focusflow.publish(lookup regprocedure) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', lookup);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO focusflow_app', lookup);
    EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = public, pg_temp', lookup);
    EXECUTE format('ALTER FUNCTION %s OWNER TO focusflow_lookup', lookup);
END
$$;
REVOKE ALL ON FUNCTION focusflow.publish(regprocedure) FROM PUBLIC;

-- What the database itself remembers, such as the key that signs page tokens.
CREATE TABLE settings (
    name text PRIMARY KEY,
    value bytea NOT NULL
);
SELECT focusflow.hide('settings');
GRANT SELECT, INSERT ON settings TO focusflow_app;
CREATE POLICY app ON settings TO focusflow_app USING (true) WITH CHECK (true);

CREATE TABLE users (
    id uuid PRIMARY KEY,
    email text NOT NULL,
    -- Folded to lower case: two addresses that differ in case only are one account.
    email_key text NOT NULL UNIQUE,
    password_hash text NOT NULL,
    first_name text NOT NULL,
    last_name text NOT NULL,
    time_zone text NOT NULL,
    day_start_minutes integer NOT NULL CHECK (day_start_minutes BETWEEN 0 AND 719),
    work_start_minutes integer NOT NULL CHECK (work_start_minutes >= 0),
    work_end_minutes integer NOT NULL CHECK (work_end_minutes > work_start_minutes AND work_end_minutes <= 1440),
    work_weekdays jsonb NOT NULL,
    tier text NOT NULL CHECK (tier IN ('FREE', 'PREMIUM', 'ENTERPRISE')),
    email_verified boolean NOT NULL,
    -- The last number that the person's change sequence has given out.
    change_number bigint NOT NULL,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    -- When the person asked for the account's end, which comes after a grace period; NULL if they did not.
    delete_time timestamptz
-- Every write of a person's raises their number: room on the page lets that stay off the indexes.
) WITH (fillfactor = 70);

CREATE INDEX idx_users_delete_time ON users (delete_time) WHERE delete_time IS NOT NULL;

CREATE TABLE sessions (
    id uuid NOT NULL,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    user_agent text NOT NULL,
    expire_time timestamptz NOT NULL,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (user_id, id)
);
CREATE INDEX idx_sessions_expire_time ON sessions (expire_time);

-- A replaced token stays until its session ends, so that one presented again gives a thief away.
CREATE TABLE refresh_tokens (
    token_hash bytea PRIMARY KEY CHECK (length(token_hash) = 32),
    user_id uuid NOT NULL,
    session_id uuid NOT NULL,
    replaced boolean NOT NULL,
    create_time timestamptz NOT NULL,
    FOREIGN KEY (user_id, session_id) REFERENCES sessions (user_id, id) ON DELETE CASCADE
);
CREATE INDEX idx_refresh_tokens_session ON refresh_tokens (user_id, session_id);

CREATE TABLE categories (
    id uuid NOT NULL,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name text NOT NULL,
    name_key text NOT NULL COLLATE "C",
    color text NOT NULL,
    icon text NOT NULL,
    version bigint NOT NULL,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    PRIMARY KEY (user_id, id),
    UNIQUE (user_id, name_key)
);

-- References name the person too, so that nothing of one person's can point at something of another's.
CREATE TABLE tasks (
    id uuid NOT NULL,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    category_id uuid,
    parent_id uuid,
    title text NOT NULL,
    description text NOT NULL,
    priority text NOT NULL CHECK (priority IN ('LOW', 'MEDIUM', 'HIGH', 'URGENT')),
    status text NOT NULL CHECK (status IN ('PENDING', 'IN_PROGRESS', 'COMPLETED', 'CANCELLED')),
    estimated_minutes integer NOT NULL CHECK (estimated_minutes >= 0),
    -- The sum of duration_micros of its finished time logs, kept by their writes.
    logged_micros bigint NOT NULL CHECK (logged_micros >= 0),
    due_time timestamptz,
    -- JSON list, as the person wrote them; task_tags finds tasks by them.
    tags jsonb NOT NULL,
    version bigint NOT NULL,
    complete_time timestamptz,
    delete_time timestamptz,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    PRIMARY KEY (user_id, id),
    FOREIGN KEY (user_id, category_id) REFERENCES categories (user_id, id) ON DELETE SET NULL (category_id),
    FOREIGN KEY (user_id, parent_id) REFERENCES tasks (user_id, id) ON DELETE SET NULL (parent_id),
    CHECK ((status = 'COMPLETED') = (complete_time IS NOT NULL))
);
CREATE INDEX idx_tasks_user_create_time ON tasks (user_id, create_time, id);
CREATE INDEX idx_tasks_user_status ON tasks (user_id, status, create_time, id);
CREATE INDEX idx_tasks_user_finished ON tasks (user_id, complete_time, id)
WHERE complete_time IS NOT NULL AND estimated_minutes > 0 AND logged_micros > 0 AND delete_time IS NULL;
CREATE INDEX idx_tasks_category ON tasks (user_id, category_id) WHERE category_id IS NOT NULL;
CREATE INDEX idx_tasks_parent ON tasks (user_id, parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX idx_tasks_delete_time ON tasks (delete_time) WHERE delete_time IS NOT NULL;

-- Tags folded to lower case, one row each, for totals and filters by tag.
CREATE TABLE task_tags (
    user_id uuid NOT NULL,
    tag text NOT NULL COLLATE "C",
    task_id uuid NOT NULL,
    PRIMARY KEY (user_id, tag, task_id),
    FOREIGN KEY (user_id, task_id) REFERENCES tasks (user_id, id) ON DELETE CASCADE
);
CREATE INDEX idx_task_tags_task ON task_tags (user_id, task_id);

CREATE TABLE time_logs (
    id uuid NOT NULL,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    task_id uuid,
    start_time timestamptz NOT NULL,
    -- NULL while the timer runs, and duration_micros with it.
    end_time timestamptz CHECK (end_time >= start_time),
    duration_micros bigint CHECK (duration_micros >= 0),
    notes text NOT NULL,
    manual boolean NOT NULL,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    PRIMARY KEY (user_id, id),
    FOREIGN KEY (user_id, task_id) REFERENCES tasks (user_id, id) ON DELETE SET NULL (task_id),
    CHECK ((end_time IS NULL) = (duration_micros IS NULL))
);
CREATE UNIQUE INDEX idx_time_logs_running ON time_logs (user_id) WHERE end_time IS NULL;
CREATE INDEX idx_time_logs_user_date ON time_logs (user_id, start_time, id);
CREATE INDEX idx_time_logs_task ON time_logs (user_id, task_id, start_time) WHERE task_id IS NOT NULL;

CREATE TABLE changes (
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    number bigint NOT NULL CHECK (number > 0),
    resource text NOT NULL,
    resource_id uuid NOT NULL,
    action text NOT NULL CHECK (action IN ('CREATED', 'UPDATED', 'DELETED')),
    create_time timestamptz NOT NULL,
    PRIMARY KEY (user_id, number)
);

-- What a create with a request id made, so that the same request again makes nothing.
CREATE TABLE request_ids (
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    request_id uuid NOT NULL,
    method text NOT NULL,
    resource_id uuid NOT NULL,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (user_id, request_id)
);
CREATE INDEX idx_request_ids_create_time ON request_ids (create_time);

-- The rows of files that imports have brought in; row_key is a hash of the row and of which equal row it is.
CREATE TABLE import_rows (
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    source text NOT NULL,
    row_key bytea NOT NULL CHECK (length(row_key) = 16),
    PRIMARY KEY (user_id, source, row_key)
);

SELECT focusflow.protect('users', 'id', secret => true);
SELECT focusflow.protect('sessions', secret => true);
SELECT focusflow.protect('refresh_tokens', secret => true);
SELECT focusflow.protect('request_ids', secret => true);
SELECT focusflow.protect('import_rows', secret => true);
SELECT focusflow.protect('categories');
SELECT focusflow.protect('tasks');
SELECT focusflow.protect('task_tags');
SELECT focusflow.protect('time_logs');
SELECT focusflow.protect('changes');

-- Whose account an address is.
CREATE FUNCTION focusflow.user_of_email(address_key text) RETURNS uuid
LANGUAGE sql STABLE
AS $$ SELECT id FROM users WHERE email_key = address_key $$;
SELECT focusflow.publish('focusflow.user_of_email(text)');

-- Whose session a refresh token belongs to.
CREATE FUNCTION focusflow.user_of_refresh_token(hash bytea) RETURNS uuid
LANGUAGE sql STABLE
AS $$ SELECT user_id FROM refresh_tokens WHERE token_hash = hash $$;
SELECT focusflow.publish('focusflow.user_of_refresh_token(bytea)');

-- Who has sessions, request ids or trash that have expired, in order of their ids, from after one of them on.
CREATE FUNCTION focusflow.users_to_sweep(
    sessions_before timestamptz, requests_before timestamptz, trash_before timestamptz, after_id uuid, max_count bigint
)
RETURNS SETOF uuid
LANGUAGE sql STABLE
AS $$
    SELECT user_id FROM (
        SELECT user_id FROM sessions WHERE expire_time <= sessions_before
        UNION SELECT user_id FROM request_ids WHERE create_time <= requests_before
        UNION SELECT user_id FROM tasks WHERE delete_time <= trash_before
    ) AS people WHERE user_id > after_id ORDER BY user_id LIMIT max_count
$$;
SELECT focusflow.publish('focusflow.users_to_sweep(timestamptz, timestamptz, timestamptz, uuid, bigint)');
