//! The storage service as its callers meet it: over real mTLS, on a real database: SQLite and PostgreSQL must give the same answers.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod accounts;
mod actual_minutes;
mod batch;
mod cache;
mod calendar;
mod categories;
mod changes;
mod credentials;
mod days;
mod durability;
mod exports;
mod faults;
mod folding;
mod habit_reminders;
mod habits;
mod history;
mod imports;
mod isolation;
mod listing;
mod mails;
mod notifications;
mod operations;
mod outages;
mod plans;
mod recurrence;
mod redis;
mod replica;
mod reports;
mod revisions;
mod sessions;
mod summaries;
mod supabase;
mod support;
mod tasks;
mod tenancy;
mod time_logs;
mod timers;
