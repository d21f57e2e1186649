//! Field constraints: which messages they refuse, and which contracts.

mod contract;
mod messages;
