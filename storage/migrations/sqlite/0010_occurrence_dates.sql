-- A series has one occurrence per date, whoever makes it and however often that is tried.
CREATE UNIQUE INDEX idx_tasks_occurrence ON tasks (user_id, series_id, occurrence_date) WHERE series_id IS NOT NULL;
-- Foreign keys are looked up without the person here.
CREATE INDEX idx_tasks_series ON tasks (series_id) WHERE series_id IS NOT NULL;
