-- What replicas of the service agree on is PostgreSQL's: a SQLite file has one process.
SELECT 1;
