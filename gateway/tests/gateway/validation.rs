//! Field constraints: which messages they refuse, which contracts, and that every protocol meets them.

mod contract;
mod everywhere;
mod messages;
