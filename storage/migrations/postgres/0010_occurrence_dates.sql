-- no-transaction
-- A series has one occurrence per date, whoever makes it and however often that is tried.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS idx_tasks_occurrence
ON tasks (user_id, series_id, occurrence_date) WHERE series_id IS NOT NULL;
