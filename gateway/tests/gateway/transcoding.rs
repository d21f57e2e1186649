//! Routes, requests and responses of a contract that is not ours.

mod bodies;
pub(crate) mod contract;
mod patches;
mod paths;
mod queries;
mod responses;
mod startup;
