//! The gRPC services: requests are parsed, one transaction does the work, the answer is what it left.

mod calendar;
mod category;
mod change;
mod credential;
mod error;
mod export;
mod habit;
mod history;
mod import;
mod notification;
mod report;
mod request;
pub(crate) mod series;
mod task;
mod time_log;
mod user;

use std::sync::Arc;

use focusflow_mesh::context;
use focusflow_mesh::server::MeshBuilder;
use focusflow_proto::internal::v1::credential_service_server::CredentialServiceServer;
use focusflow_proto::internal::v1::history_service_server::HistoryServiceServer;
use focusflow_proto::internal::v1::report_store_service_server::ReportStoreServiceServer;
use focusflow_proto::v1::calendar_service_server::CalendarServiceServer;
use focusflow_proto::v1::category_service_server::CategoryServiceServer;
use focusflow_proto::v1::change_service_server::ChangeServiceServer;
use focusflow_proto::v1::export_service_server::ExportServiceServer;
use focusflow_proto::v1::habit_service_server::HabitServiceServer;
use focusflow_proto::v1::import_service_server::ImportServiceServer;
use focusflow_proto::v1::notification_service_server::NotificationServiceServer;
use focusflow_proto::v1::report_service_server::ReportServiceServer;
use focusflow_proto::v1::task_service_server::TaskServiceServer;
use focusflow_proto::v1::time_log_service_server::TimeLogServiceServer;
use focusflow_proto::v1::user_service_server::UserServiceServer;
use tokio_util::sync::CancellationToken;
use tonic::Request;
use uuid::Uuid;

pub(crate) use self::error::Error;
use crate::clock::TimeAndIds;
use crate::domain::category::Category;
use crate::domain::user::User;
use crate::page::PageSigner;
use crate::sql::{Database, Write, categories, users};

/// What the services work with.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) database: Database,
    pub(crate) time: TimeAndIds,
    pub(crate) pages: PageSigner,
}

/// Adds all services of this process. Streams without an end end at the `shutdown`.
pub(crate) fn add_to(
    mesh: MeshBuilder,
    store: &Arc<Store>,
    sends_mail: bool,
    shutdown: &CancellationToken,
) -> MeshBuilder {
    let imports = ImportServiceServer::new(import::Imports::new(store));
    mesh.add_service(UserServiceServer::new(user::Users::new(store)))
        .add_service(CategoryServiceServer::new(category::Categories::new(store)))
        .add_service(TaskServiceServer::new(task::Tasks::new(store)))
        .add_service(TimeLogServiceServer::new(time_log::TimeLogs::new(store)))
        .add_service(HabitServiceServer::new(habit::Habits::new(store)))
        .add_service(ReportServiceServer::new(report::Reports::new(store)))
        .add_service(ReportStoreServiceServer::new(report::Reports::new(store)))
        .add_service(ChangeServiceServer::new(change::Changes::new(store, shutdown)))
        .add_service(imports.max_decoding_message_size(import::MESSAGE_BYTES_MAX))
        .add_service(CredentialServiceServer::new(credential::Credentials::new(store)))
        .add_service(HistoryServiceServer::new(history::History::new(store)))
        .add_service(ExportServiceServer::new(export::Exports::new(store)))
        .add_service(CalendarServiceServer::new(calendar::Calendars::new(store)))
        .add_service(NotificationServiceServer::new(notification::Notifications::new(store, sends_mail)))
}

impl Store {
    /// Begins a write of the person's.
    pub(crate) async fn write(&self, user_id: Uuid) -> Result<Write, Error> {
        let write = self.database.write(user_id, || self.time.now()).await?;
        write.ok_or_else(|| Error::not_found("user", user_id))
    }

    /// A person's account and settings, kept or read. Within a write, its connection is asked instead.
    async fn user(&self, user_id: Uuid) -> Result<User, Error> {
        let read = async {
            let user = users::find(&mut self.database.read(user_id).await?, user_id).await?;
            user.ok_or_else(|| Error::not_found("user", user_id))
        };
        self.database.cache().get(user_id, read).await
    }

    /// A person's categories by name, kept or read. Within a write, its connection is asked instead.
    async fn categories(&self, user_id: Uuid) -> Result<Vec<Category>, Error> {
        let read = async { Ok(categories::list(&mut self.database.read(user_id).await?, user_id).await?) };
        self.database.cache().get(user_id, read).await
    }
}

/// The person whose request it is, and what they ask for.
fn authenticated<T>(request: Request<T>) -> Result<(Uuid, T), tonic::Status> {
    let user_id = context::user_id(&request)?;
    Ok((user_id, request.into_inner()))
}
