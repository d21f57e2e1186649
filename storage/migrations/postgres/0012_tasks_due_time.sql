-- no-transaction
-- A calendar shows what is due in a span of time.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_tasks_user_due_time
ON tasks (user_id, due_time, id) WHERE due_time IS NOT NULL;
