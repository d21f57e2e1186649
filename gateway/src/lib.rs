//! The edge: one contract as REST, gRPC-Web and gRPC.
//!
//! The edge is driven by a descriptor set. From it follow the REST routes, who must be signed in, deadlines and which
//! process serves what; adding an RPC to the contract needs no line here. A request takes this way:
//!
//! 1. [`focusflow_mesh::server`] accepts the connection, under limits.
//! 2. CORS: only configured origins may read answers.
//! 3. `/health`, else gRPC and gRPC-Web by media type, else REST by path.
//! 4. Admission: the RPC's policy, the access token, the caller's rate limit, the deadline.
//! 5. gRPC passes through; REST is [transcoded](transcode), JSON to protobuf and back. Request messages are
//!    [checked](validation) against the contract's constraints, whatever they came as.
//! 6. A channel of the mesh carries the call to its service, or this process answers it ([`auth`]).
//!
//! [`build`] binds the ports and returns a [`Gateway`]; [`Gateway::run`] serves until the shutdown.

pub mod auth;
mod backend;
pub mod codec;
pub mod config;
mod contract;
mod edge;
mod limits;
pub mod openapi;
mod refusal;
mod startup;
mod tls;
pub mod transcode;
pub mod validation;

pub use contract::ContractError;
pub use startup::{BuildError, Gateway, build, build_with_clock};
pub use tls::{AcmeError, CertificateError, TlsError, TlsFile};
