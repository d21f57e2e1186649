//! What the contract declares and this version does not have: every RPC answers UNIMPLEMENTED.

use focusflow_proto::v1::export_service_server::ExportService;

/// Takes the generated answer for each RPC.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unimplemented;

impl ExportService for Unimplemented {}
