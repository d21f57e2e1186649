//! The RPCs: they read a history, ask a model, and say in words what it rests on.

mod explanation;
mod history;
mod insight;

pub(crate) use history::History;
pub(crate) use insight::Insights;
