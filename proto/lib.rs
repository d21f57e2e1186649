//! The contract of FocusFlow: everything that a service says to another is declared in `proto/` and generated here.
//!
//! [`FILE_DESCRIPTOR_SET`] is the contract as data. The mesh reads policies from it and the edge its routes, so that
//! an RPC is declared once and served everywhere.

/// The encoded `google.protobuf.FileDescriptorSet` of the whole contract, with imports, comments and custom options.
///
/// Decode it with a library that keeps extensions (`prost-reflect`): `prost_types` drops them, and with them the
/// routes and policies.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));

pub use self::focusflow::{internal, mesh, v1};

/// The packages as they are nested, which is how the generated code names what another package has.
mod focusflow {
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

    /// What the mesh and the edge themselves say and are told.
    pub mod mesh {
        /// Package `focusflow.mesh.v1`: the frames of the WebSocket, and policies.
        pub mod v1 {
            #![allow(clippy::all, clippy::pedantic, reason = "generated")]
            tonic::include_proto!("focusflow.mesh.v1");
        }
    }
}

/// What the contract uses of Google's.
pub mod google {
    /// Package `google.api`.
    pub mod api {
        #![allow(clippy::all, clippy::pedantic, missing_docs, reason = "generated")]
        tonic::include_proto!("google.api");
    }
}
