-- PostgreSQL validates here what SQLite checks anyway.
SELECT 1;
