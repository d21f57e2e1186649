SET lock_timeout = '5s';

ALTER TABLE tasks VALIDATE CONSTRAINT tasks_series_id_fkey;
