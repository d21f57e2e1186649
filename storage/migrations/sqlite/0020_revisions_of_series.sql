-- When the task came again, and how often it had been put off; both NULL in rows of the version before.
ALTER TABLE task_revisions ADD COLUMN recurrence TEXT;
ALTER TABLE task_revisions ADD COLUMN postponement_count INTEGER;

-- As before, and for these two.
DROP TRIGGER tasks_keep_revision;
CREATE TRIGGER tasks_keep_revision AFTER UPDATE ON tasks
WHEN NEW.version <> OLD.version AND (
    NEW.title <> OLD.title OR NEW.description <> OLD.description OR NEW.priority <> OLD.priority
    OR NEW.status <> OLD.status OR NEW.estimated_minutes <> OLD.estimated_minutes OR NEW.tags <> OLD.tags
    OR NEW.category_id IS NOT OLD.category_id OR NEW.parent_id IS NOT OLD.parent_id
    OR NEW.due_time IS NOT OLD.due_time OR NEW.delete_time IS NOT OLD.delete_time
    OR NEW.recurrence IS NOT OLD.recurrence OR NEW.postponement_count <> OLD.postponement_count
)
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
END;
