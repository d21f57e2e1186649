//! The AI service over real mutual TLS, with a storage whose histories the tests decide.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod estimate_task;
mod lifecycle;
mod support;
