//! Reading what people bring from elsewhere. The formats are pure; `service::import` writes what they yield.

pub mod columns;
pub mod csv;
pub mod loop_tracker;
pub mod renzo;
pub mod row;
mod text;
pub mod todoist;
pub mod toggl;
pub mod wall_clock;
