SET lock_timeout = '5s';

-- What tasks are found by: one row for a task's own text, one for each of its time logs that has notes. The service
-- folds the text and finds its words, so that both databases find the same; each word begins with a part of the
-- person's id, so that looking for one costs what the person has and not what everybody has.
CREATE TABLE search_documents (
    user_id uuid NOT NULL,
    -- That of the task or of the time log.
    id uuid NOT NULL,
    task_id uuid NOT NULL,
    -- NULL for the task's own text.
    time_log_id uuid,
    title text NOT NULL COLLATE "C",
    body text NOT NULL COLLATE "C",
    words text NOT NULL COLLATE "C",
    lexemes tsvector NOT NULL GENERATED ALWAYS AS (array_to_tsvector(string_to_array(words, ' '))) STORED,
    PRIMARY KEY (user_id, id),
    FOREIGN KEY (user_id, task_id) REFERENCES tasks (user_id, id) ON DELETE CASCADE,
    FOREIGN KEY (user_id, time_log_id) REFERENCES time_logs (user_id, id) ON DELETE CASCADE
);
CREATE INDEX idx_search_documents_task ON search_documents (user_id, task_id);
CREATE INDEX idx_search_documents_time_log ON search_documents (user_id, time_log_id) WHERE time_log_id IS NOT NULL;
-- Without the list of pending entries, which every search would read from end to end.
CREATE INDEX idx_search_documents_lexemes ON search_documents USING gin (lexemes) WITH (fastupdate = off);
SELECT focusflow.protect('search_documents');

-- Which of the current person's tasks mention a word, given as a tsquery. Text search is not leakproof: under
-- row-level security the service itself could not use the index. OFFSET keeps the planner from using another one.
GRANT EXECUTE ON FUNCTION focusflow.person() TO focusflow_lookup;
CREATE FUNCTION focusflow.tasks_that_mention(word text) RETURNS SETOF uuid
LANGUAGE sql STABLE ROWS 100
AS $$
    SELECT task_id FROM (
        SELECT user_id, task_id FROM search_documents WHERE lexemes @@ word::tsquery OFFSET 0
    ) AS found WHERE user_id = focusflow.person()
$$;
SELECT focusflow.publish('focusflow.tasks_that_mention(text)');

-- What tasks were before they were changed. The newest 200 versions of each are kept.
CREATE TABLE task_revisions (
    user_id uuid NOT NULL,
    task_id uuid NOT NULL,
    -- The version that it was.
    revision bigint NOT NULL,
    -- As they were: what they name may be gone.
    category_id uuid,
    parent_id uuid,
    title text NOT NULL,
    description text NOT NULL,
    priority text NOT NULL,
    status text NOT NULL,
    estimated_minutes integer NOT NULL,
    logged_micros bigint NOT NULL,
    due_time timestamptz,
    tags jsonb NOT NULL,
    complete_time timestamptz,
    delete_time timestamptz,
    update_time timestamptz NOT NULL,
    PRIMARY KEY (user_id, task_id, revision),
    FOREIGN KEY (user_id, task_id) REFERENCES tasks (user_id, id) ON DELETE CASCADE
);
SELECT focusflow.protect('task_revisions');

CREATE FUNCTION focusflow.keep_task_revision() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO task_revisions (
        user_id, task_id, revision, category_id, parent_id, title, description, priority, status, estimated_minutes,
        logged_micros, due_time, tags, complete_time, delete_time, update_time
    ) VALUES (
        OLD.user_id, OLD.id, OLD.version, OLD.category_id, OLD.parent_id, OLD.title, OLD.description, OLD.priority,
        OLD.status, OLD.estimated_minutes, OLD.logged_micros, OLD.due_time, OLD.tags, OLD.complete_time,
        OLD.delete_time, OLD.update_time
    );
    DELETE FROM task_revisions
    WHERE user_id = OLD.user_id AND task_id = OLD.id AND revision <= (
        SELECT revision FROM task_revisions WHERE user_id = OLD.user_id AND task_id = OLD.id
        ORDER BY revision DESC LIMIT 1 OFFSET 200
    );
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION focusflow.keep_task_revision() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION focusflow.keep_task_revision() TO focusflow_app;

-- A trigger, so that no write can forget it. Logged time alone makes no version: timers would push out all others.
CREATE TRIGGER tasks_keep_revision AFTER UPDATE ON tasks
FOR EACH ROW WHEN (
    NEW.version <> OLD.version AND (
        (NEW.title, NEW.description, NEW.priority, NEW.status, NEW.estimated_minutes, NEW.tags)
        IS DISTINCT FROM (OLD.title, OLD.description, OLD.priority, OLD.status, OLD.estimated_minutes, OLD.tags)
        OR (NEW.category_id, NEW.parent_id, NEW.due_time, NEW.delete_time)
        IS DISTINCT FROM (OLD.category_id, OLD.parent_id, OLD.due_time, OLD.delete_time)
    )
)
EXECUTE FUNCTION focusflow.keep_task_revision();

-- A hash of the request, so that its id is not taken for another one's; NULL in rows of the version before.
ALTER TABLE request_ids ADD COLUMN request_hash bytea;
