//! What every service of the mesh shares: identity, mTLS, policy, deadlines, health, drain.
//!
//! The mesh knows nothing of what its services do. It reads from the contract who may call which RPC and for how long,
//! and enforces it on both sides of a connection:
//!
//! * [`identity`], [`tls`] and [`ca`]: who a process is, and certificates that change while it runs.
//! * [`policy`]: what the contract says about each RPC.
//! * [`context`]: what travels with a request through every hop.
//! * [`server`]: the one accept loop, and the gRPC stack that enforces policy and deadline.
//! * [`channel`]: the client side, which passes context on and survives restarts and rotations.
//! * [`framing`]: how many messages a call may have, and how large.
//! * [`refusal`]: failures that explain themselves.
//! * [`health`], [`admin`], [`drain`], [`telemetry`], [`reflection`]: what operators see and do.

pub mod admin;
pub mod ca;
pub mod channel;
pub mod context;
pub mod deadline;
pub mod drain;
pub mod environment;
pub mod framing;
pub mod health;
pub mod identity;
pub mod node;
pub mod policy;
pub mod process;
pub mod reflection;
pub mod refusal;
pub mod server;
pub mod telemetry;
pub mod tls;

mod media_type;
mod status;
