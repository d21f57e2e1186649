-- What tasks are found by: one row for a task's own text, one for each of its time logs that has notes. The service
-- folds the text and finds its words, so that both databases find the same; each word begins with a part of the
-- person's id, so that looking for one costs what the person has and not what everybody has.
CREATE TABLE search_documents (
    document INTEGER PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- That of the task or of the time log.
    id BLOB NOT NULL,
    task_id BLOB NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    -- NULL for the task's own text.
    time_log_id BLOB REFERENCES time_logs (id) ON DELETE CASCADE,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    words TEXT NOT NULL,
    UNIQUE (user_id, id)
) STRICT;
CREATE INDEX idx_search_documents_task ON search_documents (task_id);
CREATE INDEX idx_search_documents_time_log ON search_documents (time_log_id) WHERE time_log_id IS NOT NULL;

-- `ascii` takes apart nothing but what stands between spaces here: all other characters belong to words.
CREATE VIRTUAL TABLE search_words USING fts5 (
    words, content = 'search_documents', content_rowid = 'document', tokenize = 'ascii', detail = 'none', columnsize = 0
);
CREATE TRIGGER search_documents_insert AFTER INSERT ON search_documents BEGIN
    INSERT INTO search_words (rowid, words) VALUES (NEW.document, NEW.words);
END;
CREATE TRIGGER search_documents_update AFTER UPDATE OF words ON search_documents BEGIN
    INSERT INTO search_words (search_words, rowid, words) VALUES ('delete', OLD.document, OLD.words);
    INSERT INTO search_words (rowid, words) VALUES (NEW.document, NEW.words);
END;
CREATE TRIGGER search_documents_delete AFTER DELETE ON search_documents BEGIN
    INSERT INTO search_words (search_words, rowid, words) VALUES ('delete', OLD.document, OLD.words);
END;

-- What tasks were before they were changed. The newest 200 versions of each are kept.
CREATE TABLE task_revisions (
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    task_id BLOB NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    -- The version that it was.
    revision INTEGER NOT NULL,
    -- As they were: what they name may be gone.
    category_id BLOB,
    parent_id BLOB,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    priority TEXT NOT NULL,
    status TEXT NOT NULL,
    estimated_minutes INTEGER NOT NULL,
    logged_micros INTEGER NOT NULL,
    due_time TEXT,
    tags TEXT NOT NULL,
    complete_time TEXT,
    delete_time TEXT,
    update_time TEXT NOT NULL,
    PRIMARY KEY (user_id, task_id, revision)
) STRICT;
CREATE INDEX idx_task_revisions_task ON task_revisions (task_id);

-- A trigger, so that no write can forget it. Logged time alone makes no version: timers would push out all others.
CREATE TRIGGER tasks_keep_revision AFTER UPDATE ON tasks
WHEN NEW.version <> OLD.version AND (
    NEW.title <> OLD.title OR NEW.description <> OLD.description OR NEW.priority <> OLD.priority
    OR NEW.status <> OLD.status OR NEW.estimated_minutes <> OLD.estimated_minutes OR NEW.tags <> OLD.tags
    OR NEW.category_id IS NOT OLD.category_id OR NEW.parent_id IS NOT OLD.parent_id
    OR NEW.due_time IS NOT OLD.due_time OR NEW.delete_time IS NOT OLD.delete_time
)
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
END;

-- A hash of the request, so that its id is not taken for another one's; NULL in rows of the version before.
ALTER TABLE request_ids ADD COLUMN request_hash BLOB CHECK (length(request_hash) = 32);
