//! A small mesh: the real AI service, a storage made of maps, and callers of any service account.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use focusflow_ai::Config;
use focusflow_mesh::ca::{DevelopmentCa, LeafRequest};
use focusflow_mesh::channel::{Channel, ChannelConfig};
use focusflow_mesh::context::Context;
use focusflow_mesh::drain::{self, Drain, DrainConfig, DrainHandle, Outcome};
use focusflow_mesh::environment::{ListenConfig, MeshConfig};
use focusflow_mesh::identity::TrustDomain;
use focusflow_mesh::policy::Policies;
use focusflow_mesh::refusal;
use focusflow_mesh::server::{self, Limits, Mesh, Transport};
use focusflow_mesh::tls::{CredentialsReader, watch_directory};
use focusflow_proto::FILE_DESCRIPTOR_SET;
use focusflow_proto::internal::v1::history_service_server::{HistoryService, HistoryServiceServer};
use focusflow_proto::internal::v1::{
    FinishedTask, FinishedTasks, GetTaskOutlineRequest, ListFinishedTasksRequest, TaskOutline,
};
use focusflow_proto::v1::insight_service_client::InsightServiceClient;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_stream::StreamExt;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};
use uuid::Uuid;

const TRUST_DOMAIN: &str = "focusflow.test";

/// Ends its servers when dropped.
pub(crate) struct World {
    authority: DevelopmentCa,
    directory: TempDir,
    /// What storage answers; may be changed at any time.
    pub(crate) storage: Storage,
    ai: SocketAddr,
    admin: SocketAddr,
    shutdown: DrainHandle,
    servers: JoinSet<()>,
}

/// Histories by person. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Storage(Arc<Mutex<Histories>>);

#[derive(Debug, Default)]
pub(crate) struct Histories {
    finished: HashMap<String, Vec<FinishedTask>>,
    outlines: HashMap<(String, String), TaskOutline>,
    mood: Mood,
}

/// How storage behaves.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) enum Mood {
    /// As it should.
    #[default]
    Well,
    /// Fails, with a message that is nobody's business.
    Failing,
    /// Begins to answer and never ends.
    Stalled,
}

impl World {
    /// A mesh whose storage is listening.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut world = Self::start_with_storage_at(address).await;
        let transport = Transport::Mtls(world.credentials("storage"));
        let service = HistoryServiceServer::new(world.storage.clone());
        let policies = Policies::from_descriptor_set(FILE_DESCRIPTOR_SET).unwrap();
        let mesh = Mesh::builder(policies).add_service(service).build().unwrap();
        world.servers.spawn(server::serve(listener, transport, Limits::default(), mesh, Drain::never()));
        world
    }

    /// A mesh whose storage is at an address at which nothing needs to listen.
    pub(crate) async fn start_with_storage_at(storage: SocketAddr) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let domain: TrustDomain = TRUST_DOMAIN.parse().unwrap();
        let authority = DevelopmentCa::create(directory.path().join("ca"), &domain, SystemTime::now()).unwrap();
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = Config {
            listen: ListenConfig { mesh: loopback, admin: Some(loopback) },
            mesh: MeshConfig {
                certificates: issue(&authority, &directory, "ai"),
                trust_domain: domain,
                impersonators: ["developer".to_owned()].into(),
            },
            storage: format!("https://{storage}").parse().unwrap(),
        };
        let ai = focusflow_ai::build(config).await.unwrap();
        let (shutdown, drain) = drain::channel(DrainConfig::default(), ai.health().clone());
        let mut world = Self {
            authority,
            directory,
            storage: Storage::default(),
            ai: ai.local_addr().unwrap(),
            admin: ai.admin_addr().unwrap(),
            shutdown,
            servers: JoinSet::new(),
        };
        world.servers.spawn(ai.run(drain));
        world
    }

    /// The AI service as a service account reaches it.
    pub(crate) fn client(&self, account: &str) -> InsightServiceClient<Channel> {
        let target = format!("https://{}#ai", self.ai).parse().unwrap();
        let credentials = self.credentials(account);
        let config = ChannelConfig { forward_user: Some(true), ..ChannelConfig::default() };
        InsightServiceClient::new(Channel::new(target, Some(credentials), config))
    }

    /// The first line of what the admin port answers.
    pub(crate) async fn probe(&self, path: &str) -> String {
        let mut connection = BufReader::new(TcpStream::connect(self.admin).await.unwrap());
        let request = format!("GET {path} HTTP/1.1\r\nhost: ai\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut line = String::new();
        connection.read_line(&mut line).await.unwrap();
        line.trim_end().to_owned()
    }

    /// Shuts the AI service down as a signal would.
    pub(crate) async fn shut_down(self) -> Outcome {
        self.shutdown.drain().await
    }

    fn credentials(&self, account: &str) -> CredentialsReader {
        let directory = issue(&self.authority, &self.directory, account);
        watch_directory(directory, self.authority.trust_domain()).unwrap().0
    }
}

/// A call made for a person, as the gateway makes it.
pub(crate) fn on_behalf_of<T>(user_id: Uuid, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Context { user_id: Some(user_id), ..Context::root() });
    request
}

/// A finished task with tags.
pub(crate) fn finished(tags: &[&str], estimated_minutes: i32, actual_minutes: f64) -> FinishedTask {
    FinishedTask { outline: Some(outline(tags, estimated_minutes)), actual_minutes, complete_time_seconds: 0 }
}

/// A task with tags.
pub(crate) fn outline(tags: &[&str], estimated_minutes: i32) -> TaskOutline {
    TaskOutline { tags: tags.iter().map(ToString::to_string).collect(), estimated_minutes, ..TaskOutline::default() }
}

fn issue(authority: &DevelopmentCa, directory: &TempDir, account: &str) -> PathBuf {
    let leaf = directory.path().join(account);
    authority.write_leaf(&leaf, &LeafRequest::new(account), SystemTime::now()).unwrap();
    leaf
}

impl Storage {
    /// Adds to a person's history.
    pub(crate) fn finish(&self, user_id: Uuid, tasks: impl IntoIterator<Item = FinishedTask>) {
        self.0.lock().unwrap().finished.entry(user_id.to_string()).or_default().extend(tasks);
    }

    /// Adds a task that is not done.
    pub(crate) fn create(&self, user_id: Uuid, task_id: Uuid, outline: TaskOutline) {
        self.0.lock().unwrap().outlines.insert((user_id.to_string(), task_id.to_string()), outline);
    }

    /// Decides how it behaves from now on.
    pub(crate) fn behave(&self, mood: Mood) {
        self.0.lock().unwrap().mood = mood;
    }
}

#[tonic::async_trait]
impl HistoryService for Storage {
    async fn list_finished_tasks(
        &self,
        request: Request<ListFinishedTasksRequest>,
    ) -> Result<Response<BoxStream<FinishedTasks>>, Status> {
        let histories = self.0.lock().unwrap();
        let tasks = histories.finished.get(&request.get_ref().user_id).cloned().unwrap_or_default();
        let batches: Vec<_> = tasks.chunks(1_000).map(|tasks| Ok(FinishedTasks { tasks: tasks.to_vec() })).collect();
        let batches = tokio_stream::iter(batches);
        match histories.mood {
            Mood::Well => Ok(Response::new(Box::pin(batches))),
            Mood::Failing => Err(Status::internal("disk /dev/sda1 is full")),
            Mood::Stalled => Ok(Response::new(Box::pin(batches.chain(tokio_stream::pending())))),
        }
    }

    async fn get_task_outline(&self, request: Request<GetTaskOutlineRequest>) -> Result<Response<TaskOutline>, Status> {
        let GetTaskOutlineRequest { user_id, task_id } = request.into_inner();
        let outline = self.0.lock().unwrap().outlines.get(&(user_id, task_id.clone())).cloned();
        outline.map(Response::new).ok_or_else(|| refusal::not_found("task", task_id))
    }
}
