//! The contract of FocusFlow: everything that a service says to another is declared in `proto/` and generated here.
//!
//! [`FILE_DESCRIPTOR_SET`] is the contract as data. The mesh reads policies from it and the edge its routes, so that
//! an RPC is declared once and served everywhere.

/// The encoded `google.protobuf.FileDescriptorSet` of the whole contract, with imports, comments and custom options.
///
/// Decode it with a library that keeps extensions (`prost-reflect`): `prost_types` drops them, and with them the
/// routes and policies.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));

/// The public API, package `focusflow.v1`.
pub mod v1 {
    #![allow(clippy::all, clippy::pedantic, reason = "generated")]
    tonic::include_proto!("focusflow.v1");
}

/// What services say to each other only.
pub mod internal {
    /// Package `focusflow.internal.v1`.
    pub mod v1 {
        #![allow(clippy::all, clippy::pedantic, reason = "generated")]
        tonic::include_proto!("focusflow.internal.v1");
    }
}
