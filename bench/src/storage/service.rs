//! The storage service, in a process of its own, over mTLS by the mesh's channel.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use focusflow_mesh::channel::{Channel, ChannelConfig};
use focusflow_mesh::context::Context;
use focusflow_mesh::telemetry;
use focusflow_proto::v1;
use focusflow_proto::v1::change_service_client::ChangeServiceClient;
use focusflow_proto::v1::task_service_client::TaskServiceClient;
use focusflow_proto::v1::time_log_service_client::TimeLogServiceClient;
use tonic::Request;
use uuid::Uuid;

use super::operation::Operation;
use super::statement::TITLE;
use super::tier::Target;
use crate::child::Server;
use crate::server::{self, credentials_reader};

/// A client of the service.
#[derive(Clone, Debug)]
pub(super) struct Service {
    channel: Channel,
}

impl Service {
    pub(super) fn connect(server: &Server, certificates: &Path) -> anyhow::Result<Self> {
        telemetry::prometheus();
        let target = format!("https://{}#{}", server.address(), server::STORAGE).parse()?;
        let credentials = credentials_reader(certificates, server::GATEWAY)?;
        Ok(Self { channel: Channel::new(target, Some(credentials), ChannelConfig::default()) })
    }

    pub(super) async fn run(&self, operation: Operation, Target { person, task }: Target) -> anyhow::Result<()> {
        match operation {
            Operation::Get => {
                let request = v1::GetTaskRequest { id: task.to_string() };
                self.tasks().get_task(on_behalf_of(person, request)).await?;
            }
            Operation::List => {
                let request = v1::ListTasksRequest::default();
                let page = self.tasks().list_tasks(on_behalf_of(person, request)).await?.into_inner();
                ensure!(page.tasks.len() == 50, "{} tasks", page.tasks.len());
            }
            Operation::Create => {
                let task = v1::Task { title: TITLE.into(), estimated_minutes: 60, ..v1::Task::default() };
                let request = v1::CreateTaskRequest { task: Some(task), request_id: String::new() };
                self.tasks().create_task(on_behalf_of(person, request)).await?;
            }
            Operation::Time => {
                let mut time_logs = TimeLogServiceClient::new(self.channel.clone());
                time_logs.start_time_log(on_behalf_of(person, v1::StartTimeLogRequest::default())).await?;
                time_logs.stop_time_log(on_behalf_of(person, v1::StopTimeLogRequest::default())).await?;
            }
        }
        Ok(())
    }

    /// Reads a person's changes from the beginning on, `count` of them.
    pub(super) async fn watch(&self, person: Uuid, count: u64) -> anyhow::Result<()> {
        let request = on_behalf_of(person, v1::WatchRequest { since: 0 });
        let mut changes = ChangeServiceClient::new(self.channel.clone()).watch(request).await?.into_inner();
        for _ in 0..count {
            ensure!(changes.message().await?.is_some(), "the changes ended");
        }
        Ok(())
    }

    fn tasks(&self) -> TaskServiceClient<Channel> {
        TaskServiceClient::new(self.channel.clone())
    }
}

fn on_behalf_of<T>(person: Uuid, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(Duration::from_secs(30));
    request.extensions_mut().insert(Context { user_id: Some(person), ..Context::root() });
    request
}
