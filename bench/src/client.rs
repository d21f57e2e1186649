//! The clients of the four ways. Each has one request under way at a time.

mod bare;
mod rest;

use std::path::Path;

use focusflow_mesh::channel::ChannelConfig;
use focusflow_mesh::context::Context;
use focusflow_mesh::{channel, telemetry};
use focusflow_proto::v1::GetTaskRequest;
use focusflow_proto::v1::task_service_client::TaskServiceClient;
use tonic::Request;
use tonic::transport::Channel;

use self::rest::RestClient;
use crate::load::Call;
use crate::payload;
use crate::scenario::{Plan, Scenario};
use crate::server::{self, USER_ID, credentials_reader};

/// A client that is connected.
pub(crate) enum Client {
    /// tonic's channel, plain or over rustls.
    Bare(TaskServiceClient<Channel>),
    /// The mesh's channel.
    Mesh(TaskServiceClient<channel::Channel>),
    /// HTTP/1.1.
    Rest(RestClient),
}

impl Client {
    /// As many clients as requests are to be under way. Those that speak gRPC share the planned connections.
    pub(crate) async fn open(
        scenario: Scenario,
        address: &str,
        certificates: &Path,
        plan: &Plan,
    ) -> anyhow::Result<Vec<Self>> {
        match scenario {
            Scenario::Plain => Self::open_bare(plan, async || bare::plain(address).await).await,
            Scenario::Tls => Self::open_bare(plan, async || bare::tls(address, certificates).await).await,
            Scenario::Mesh => Self::open_mesh(plan, address, certificates),
            Scenario::Rest => Self::open_rest(plan, address).await,
        }
    }

    async fn open_bare(plan: &Plan, connect: impl AsyncFn() -> anyhow::Result<Channel>) -> anyhow::Result<Vec<Self>> {
        let mut channels = Vec::with_capacity(plan.connections);
        for _ in 0..plan.connections {
            channels.push(connect().await?);
        }
        let in_turn = channels.iter().cycle().take(plan.concurrency);
        Ok(in_turn.map(|channel| Self::Bare(TaskServiceClient::new(channel.clone()))).collect())
    }

    fn open_mesh(plan: &Plan, address: &str, certificates: &Path) -> anyhow::Result<Vec<Self>> {
        telemetry::prometheus();
        let target = format!("https://{address}#{}", server::STORAGE).parse()?;
        let credentials = credentials_reader(certificates, server::GATEWAY)?;
        let config = ChannelConfig { connections: plan.connections, ..ChannelConfig::default() };
        let client = TaskServiceClient::new(channel::Channel::new(target, Some(credentials), config));
        Ok((0..plan.concurrency).map(|_| Self::Mesh(client.clone())).collect())
    }

    async fn open_rest(plan: &Plan, address: &str) -> anyhow::Result<Vec<Self>> {
        let mut clients = Vec::with_capacity(plan.concurrency);
        for _ in 0..plan.concurrency {
            clients.push(Self::Rest(RestClient::connect(address).await?));
        }
        Ok(clients)
    }
}

impl Call for Client {
    async fn call(&mut self) -> anyhow::Result<()> {
        let message = GetTaskRequest { id: payload::TASK_ID.to_owned() };
        match self {
            Self::Bare(client) => drop(client.get_task(message).await?),
            Self::Mesh(client) => {
                let mut request = Request::new(message);
                request.extensions_mut().insert(Context { user_id: Some(USER_ID), ..Context::root() });
                drop(client.get_task(request).await?);
            }
            Self::Rest(client) => client.call().await?,
        }
        Ok(())
    }
}
