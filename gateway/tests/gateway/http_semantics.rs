//! REST as HTTP: versions, conditions, codings, caches, methods, and what the log says of it.

mod access_log;
mod compression;
mod conditions;
mod methods;
mod validators;
