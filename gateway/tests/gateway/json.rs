//! The proto3 JSON mapping.

mod forms;
mod generator;
mod oracle;
mod refusals;
