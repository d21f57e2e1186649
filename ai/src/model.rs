//! What can be learned from a person's history.
//!
//! Everything here is a pure function of its arguments: no clock, no network, no storage. The same history always
//! gives the same answer, which is what lets the tests state what the answers must be.

pub mod duration;
mod sample;

pub use duration::{Basis, DurationModel, Estimate, Evidence, FinishedTask, Outline};
