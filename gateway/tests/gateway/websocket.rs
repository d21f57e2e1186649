//! `/ws`, as a client that knows only `docs/WEBSOCKET.md` speaks it.

mod calls;
pub(crate) mod client;
mod flow;
mod handshake;
mod limits;
mod tokens;
