//! What the contract declares and this version does not have: every RPC answers UNIMPLEMENTED.

use focusflow_proto::v1::export_service_server::ExportService;
use focusflow_proto::v1::habit_service_server::HabitService;
use focusflow_proto::v1::notification_service_server::NotificationService;
use focusflow_proto::v1::report_service_server::ReportService;

/// Takes the generated answer for each RPC.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unimplemented;

impl ExportService for Unimplemented {}
impl HabitService for Unimplemented {}
impl NotificationService for Unimplemented {}
impl ReportService for Unimplemented {}
