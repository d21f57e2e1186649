SET lock_timeout = '5s';

-- When the task came again, and how often it had been put off; both NULL in rows of the version before.
ALTER TABLE task_revisions ADD COLUMN recurrence jsonb;
ALTER TABLE task_revisions ADD COLUMN postponement_count integer;

-- As before, and for these two.
CREATE OR REPLACE FUNCTION focusflow.keep_task_revision() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO task_revisions (
        user_id, task_id, revision, category_id, parent_id, title, description, priority, status, estimated_minutes,
        logged_micros, due_time, tags, recurrence, postponement_count, complete_time, delete_time, update_time
    ) VALUES (
        OLD.user_id, OLD.id, OLD.version, OLD.category_id, OLD.parent_id, OLD.title, OLD.description, OLD.priority,
        OLD.status, OLD.estimated_minutes, OLD.logged_micros, OLD.due_time, OLD.tags, OLD.recurrence,
        OLD.postponement_count, OLD.complete_time, OLD.delete_time, OLD.update_time
    );
    DELETE FROM task_revisions
    WHERE user_id = OLD.user_id AND task_id = OLD.id AND revision <= (
        SELECT revision FROM task_revisions WHERE user_id = OLD.user_id AND task_id = OLD.id
        ORDER BY revision DESC LIMIT 1 OFFSET 200
    );
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER tasks_keep_revision AFTER UPDATE ON tasks
FOR EACH ROW WHEN (
    NEW.version <> OLD.version AND (
        (NEW.title, NEW.description, NEW.priority, NEW.status, NEW.estimated_minutes, NEW.tags)
        IS DISTINCT FROM (OLD.title, OLD.description, OLD.priority, OLD.status, OLD.estimated_minutes, OLD.tags)
        OR (NEW.category_id, NEW.parent_id, NEW.due_time, NEW.delete_time)
        IS DISTINCT FROM (OLD.category_id, OLD.parent_id, OLD.due_time, OLD.delete_time)
        OR (NEW.recurrence, NEW.postponement_count) IS DISTINCT FROM (OLD.recurrence, OLD.postponement_count)
    )
)
EXECUTE FUNCTION focusflow.keep_task_revision();
