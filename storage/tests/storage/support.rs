//! A small mesh: the real storage service on a database of its own, callers of any service account, people who use it.

pub(crate) mod cluster;
mod database;
mod process;
mod redis;
pub(crate) mod rpc;
pub(crate) mod smtp;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};
use focusflow_mesh::ca::{DevelopmentCa, LeafRequest};
use focusflow_mesh::channel::{Channel, ChannelConfig};
use focusflow_mesh::context::Context;
use focusflow_mesh::drain::{self, DrainConfig, DrainHandle, Outcome};
use focusflow_mesh::environment::{ListenConfig, MeshConfig};
use focusflow_mesh::identity::TrustDomain;
use focusflow_mesh::tls::watch_directory;
use focusflow_proto::internal::v1 as internal;
use focusflow_proto::internal::v1::credential_service_client::CredentialServiceClient;
use focusflow_proto::internal::v1::history_service_client::HistoryServiceClient;
use focusflow_proto::v1;
use focusflow_proto::v1::calendar_service_client::CalendarServiceClient;
use focusflow_proto::v1::category_service_client::CategoryServiceClient;
use focusflow_proto::v1::change_service_client::ChangeServiceClient;
use focusflow_proto::v1::export_service_client::ExportServiceClient;
use focusflow_proto::v1::habit_service_client::HabitServiceClient;
use focusflow_proto::v1::import_service_client::ImportServiceClient;
use focusflow_proto::v1::notification_service_client::NotificationServiceClient;
use focusflow_proto::v1::report_service_client::ReportServiceClient;
use focusflow_proto::v1::task_service_client::TaskServiceClient;
use focusflow_proto::v1::time_log_service_client::TimeLogServiceClient;
use focusflow_proto::v1::user_service_client::UserServiceClient;
use focusflow_storage::Config;
use focusflow_storage::clock::ManualClock;
use focusflow_storage::mail::MailConfig;
use prost_types::{FieldMask, Timestamp};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tonic::service::interceptor::InterceptedService;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

pub(crate) use self::database::Backend;
pub(crate) use self::database::Backend::{Postgres, Sqlite};
pub(crate) use self::database::TestDatabase;
pub(crate) use self::process::Process;
pub(crate) use self::redis::RedisServer;
use self::smtp::SmtpServer;

pub(crate) const TRUST_DOMAIN: &str = "focusflow.test";
pub(crate) const PASSWORD_HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA";

/// A Monday at noon in Berlin.
pub(crate) const NOW: &str = "2026-06-15T10:00:00Z";

/// The machine on which storage runs, with certificates and data.
pub(crate) struct Machine {
    authority: DevelopmentCa,
    directory: TempDir,
    database: TestDatabase,
    mail: Option<MailConfig>,
}

/// A running storage service.
pub(crate) struct World {
    pub(crate) machine: Arc<Machine>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) admin: SocketAddr,
    address: SocketAddr,
    gateway: Channel,
    shutdown: DrainHandle,
    server: JoinHandle<()>,
}

/// A signed-in person, as storage knows them through the gateway.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) id: Uuid,
    channel: Client,
}

pub(crate) type Client = InterceptedService<Channel, OnBehalfOf>;

/// Says whose request it is.
#[derive(Clone)]
pub(crate) struct OnBehalfOf(Uuid);

impl tonic::service::Interceptor for OnBehalfOf {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.extensions_mut().insert(Context { user_id: Some(self.0), ..Context::root() });
        Ok(request)
    }
}

impl Machine {
    pub(crate) async fn new(on: Backend) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database = TestDatabase::create(on, directory.path()).await;
        Self::in_directory(directory, database)
    }

    /// On a database of the test's own.
    pub(crate) fn with(database: TestDatabase) -> Self {
        Self::in_directory(tempfile::tempdir().unwrap(), database)
    }

    fn in_directory(directory: TempDir, database: TestDatabase) -> Self {
        let domain: TrustDomain = TRUST_DOMAIN.parse().unwrap();
        let authority = DevelopmentCa::create(directory.path().join("ca"), &domain, SystemTime::now()).unwrap();
        Self { authority, directory, database, mail: None }
    }

    /// One whose services send mail to this server.
    pub(crate) async fn with_mail(on: Backend, server: &SmtpServer) -> Self {
        Self { mail: Some(server.config()), ..Self::new(on).await }
    }

    /// Where the certificate of a service account is; it gets one when it is first asked for.
    pub(crate) fn certificates(&self, account: &str) -> PathBuf {
        let directory = self.directory.path().join(account);
        if directory.exists() {
            return directory;
        }
        self.authority.write_leaf(&directory, &LeafRequest::new(account), SystemTime::now()).unwrap();
        directory
    }

    /// What `DATABASE_URL` says.
    pub(crate) fn database(&self) -> &TestDatabase {
        &self.database
    }

    pub(crate) fn database_url(&self) -> &str {
        &self.database.url
    }

    pub(crate) fn channel(&self, account: &str, address: SocketAddr) -> Channel {
        let target = format!("https://{address}#storage").parse().unwrap();
        let (credentials, _) = watch_directory(self.certificates(account), self.authority.trust_domain()).unwrap();
        let config = ChannelConfig { forward_user: Some(true), ..ChannelConfig::default() };
        Channel::new(target, Some(credentials), config)
    }

    fn config(&self, redis: Option<&RedisServer>) -> Config {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        Config {
            listen: ListenConfig { mesh: loopback, admin: Some(loopback) },
            mesh: MeshConfig {
                certificates: self.certificates("storage"),
                trust_domain: TRUST_DOMAIN.parse().unwrap(),
                impersonators: ["developer".to_owned()].into(),
            },
            database: self.database.config(),
            mail: self.mail.clone(),
            redis: redis.map(|redis| redis.url().parse().unwrap()),
        }
    }
}

impl World {
    pub(crate) async fn start(on: Backend) -> Self {
        Self::start_on(Arc::new(Machine::new(on).await)).await
    }

    /// Another process beside this one, on the same database.
    pub(crate) async fn replica(&self) -> Self {
        Self::start_on(Arc::clone(&self.machine)).await
    }

    /// A service that uses this Redis.
    pub(crate) async fn start_with(on: Backend, redis: &RedisServer) -> Self {
        Self::build(Arc::new(Machine::new(on).await), Some(redis)).await
    }

    /// Another process beside this one, on the same database and with this Redis.
    pub(crate) async fn replica_with(&self, redis: &RedisServer) -> Self {
        Self::build(Arc::clone(&self.machine), Some(redis)).await
    }

    pub(crate) async fn start_on(machine: Arc<Machine>) -> Self {
        Self::start_at(machine, NOW).await
    }

    /// Starts at a time of the test's.
    pub(crate) async fn start_at(machine: Arc<Machine>, now: &str) -> Self {
        Self::start_by(machine, Arc::new(ManualClock::new(now.parse().unwrap()))).await
    }

    /// Goes on at the time that the clock shows.
    pub(crate) async fn start_by(machine: Arc<Machine>, clock: Arc<ManualClock>) -> Self {
        Self::build_by(machine, None, clock).await
    }

    async fn build(machine: Arc<Machine>, redis: Option<&RedisServer>) -> Self {
        Self::build_by(machine, redis, Arc::new(ManualClock::new(NOW.parse().unwrap()))).await
    }

    async fn build_by(machine: Arc<Machine>, redis: Option<&RedisServer>, clock: Arc<ManualClock>) -> Self {
        let storage = focusflow_storage::build_with(machine.config(redis), Arc::clone(&clock) as _).await.unwrap();
        let (shutdown, drain) = drain::channel(DrainConfig::default(), storage.health().clone());
        let (address, admin) = (storage.local_addr().unwrap(), storage.admin_addr().unwrap());
        let gateway = machine.channel("gateway", address);
        let server = tokio::spawn(storage.run(drain));
        Self { machine, clock, admin, address, gateway, shutdown, server }
    }

    /// Shuts down as a signal would.
    pub(crate) async fn stop(self) -> (Arc<Machine>, Outcome) {
        let Self { machine, gateway, shutdown, server, .. } = self;
        drop(gateway);
        let outcome = shutdown.drain().await;
        server.await.unwrap();
        (machine, outcome)
    }

    pub(crate) fn channel(&self, account: &str) -> Channel {
        self.machine.channel(account, self.address)
    }

    pub(crate) fn credentials(&self) -> CredentialServiceClient<Channel> {
        CredentialServiceClient::new(self.gateway.clone())
    }

    pub(crate) fn history(&self) -> HistoryServiceClient<Channel> {
        HistoryServiceClient::new(self.channel("ai"))
    }

    /// A new account, in Berlin.
    pub(crate) async fn person(&self) -> Person {
        let user = v1::User {
            email: format!("{}@example.org", Uuid::now_v7()),
            first_name: "Ada".into(),
            last_name: "Lovelace".into(),
            time_zone: "Europe/Berlin".into(),
            ..v1::User::default()
        };
        let request = internal::CreateAccountRequest {
            user: Some(user),
            password_hash: PASSWORD_HASH.into(),
            verification: None,
        };
        let account = self.credentials().create_account(request).await.unwrap().into_inner();
        self.somebody(account.user.unwrap().id.parse().unwrap())
    }

    /// Whoever has this id, through the gateway.
    pub(crate) fn somebody(&self, id: Uuid) -> Person {
        Person::through(self.gateway.clone(), id)
    }

    /// The same person through another service account.
    pub(crate) fn through(&self, account: &str, id: Uuid) -> Person {
        Person::through(self.channel(account), id)
    }
}

impl Person {
    pub(crate) fn through(channel: Channel, id: Uuid) -> Self {
        Self { id, channel: InterceptedService::new(channel, OnBehalfOf(id)) }
    }

    pub(crate) fn user(&self) -> UserServiceClient<Client> {
        UserServiceClient::new(self.channel.clone())
    }

    pub(crate) fn categories(&self) -> CategoryServiceClient<Client> {
        CategoryServiceClient::new(self.channel.clone())
    }

    pub(crate) fn tasks(&self) -> TaskServiceClient<Client> {
        TaskServiceClient::new(self.channel.clone())
    }

    pub(crate) fn time_logs(&self) -> TimeLogServiceClient<Client> {
        TimeLogServiceClient::new(self.channel.clone())
    }

    pub(crate) fn habits(&self) -> HabitServiceClient<Client> {
        HabitServiceClient::new(self.channel.clone())
    }

    pub(crate) fn reports(&self) -> ReportServiceClient<Client> {
        ReportServiceClient::new(self.channel.clone())
    }

    pub(crate) fn channel(&self) -> Client {
        self.channel.clone()
    }

    pub(crate) fn changes(&self) -> ChangeServiceClient<Client> {
        ChangeServiceClient::new(self.channel.clone())
    }

    pub(crate) fn notifications(&self) -> NotificationServiceClient<Client> {
        NotificationServiceClient::new(self.channel.clone())
    }

    pub(crate) fn imports(&self) -> ImportServiceClient<Client> {
        ImportServiceClient::new(self.channel.clone())
    }

    pub(crate) fn exports(&self) -> ExportServiceClient<Client> {
        ExportServiceClient::new(self.channel.clone()).max_decoding_message_size(usize::MAX)
    }

    pub(crate) fn calendars(&self) -> CalendarServiceClient<Client> {
        CalendarServiceClient::new(self.channel.clone())
    }

    pub(crate) async fn create_task(&self, task: v1::Task) -> Result<v1::Task, Status> {
        let request = v1::CreateTaskRequest { task: Some(task), request_id: String::new() };
        self.tasks().create_task(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn task(&self, title: &str) -> v1::Task {
        self.create_task(titled(title)).await.unwrap()
    }

    pub(crate) async fn get_task(&self, id: &str) -> Result<v1::Task, Status> {
        self.tasks().get_task(v1::GetTaskRequest { id: id.into() }).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn update_task(&self, task: v1::Task, mask: &[&str]) -> Result<v1::Task, Status> {
        let request = v1::UpdateTaskRequest { task: Some(task), update_mask: update_mask(mask) };
        self.tasks().update_task(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn list_tasks(&self, request: v1::ListTasksRequest) -> Result<v1::ListTasksResponse, Status> {
        self.tasks().list_tasks(request).await.map(tonic::Response::into_inner)
    }

    /// Enters a log by hand.
    pub(crate) async fn log(&self, task_id: &str, start: &str, end: &str) -> Result<v1::TimeLog, Status> {
        self.log_with(task_id, start, end, v1::OverlapPolicy::Unspecified).await
    }

    pub(crate) async fn log_with(
        &self,
        task_id: &str,
        start: &str,
        end: &str,
        policy: v1::OverlapPolicy,
    ) -> Result<v1::TimeLog, Status> {
        let time_log = v1::TimeLog {
            task_id: task_id.into(),
            start_time: Some(at(start)),
            end_time: Some(at(end)),
            ..v1::TimeLog::default()
        };
        let request = v1::CreateTimeLogRequest {
            time_log: Some(time_log),
            request_id: String::new(),
            overlap_policy: policy.into(),
        };
        self.time_logs().create_time_log(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn start_timer(&self, task_id: &str) -> Result<v1::TimeLog, Status> {
        let request = v1::StartTimeLogRequest { task_id: task_id.into(), ..v1::StartTimeLogRequest::default() };
        self.time_logs().start_time_log(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn stop_timer(&self) -> Result<v1::TimeLog, Status> {
        self.time_logs().stop_time_log(v1::StopTimeLogRequest::default()).await.map(tonic::Response::into_inner)
    }

    /// The numbered changes up to now, from the beginning.
    pub(crate) async fn changes_so_far(&self, count: usize) -> Vec<v1::Change> {
        let mut stream = self.changes().watch(v1::WatchRequest { since: 0 }).await.unwrap().into_inner();
        let mut changes = Vec::with_capacity(count);
        while changes.len() < count {
            changes.push(stream.message().await.unwrap().unwrap().change.unwrap());
        }
        changes
    }
}

pub(crate) fn titled(title: &str) -> v1::Task {
    v1::Task { title: title.into(), ..v1::Task::default() }
}

pub(crate) fn at(time: &str) -> Timestamp {
    let time: DateTime<Utc> = time.parse().unwrap();
    Timestamp { seconds: time.timestamp(), nanos: time.timestamp_subsec_nanos().cast_signed() }
}

pub(crate) fn later(minutes: i64) -> Timestamp {
    let time = NOW.parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minutes);
    Timestamp { seconds: time.timestamp(), nanos: 0 }
}

pub(crate) fn update_mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(ToString::to_string).collect() }).filter(|mask| !mask.paths.is_empty())
}

/// The field that an INVALID_ARGUMENT names.
#[track_caller]
pub(crate) fn wrong_field<T: std::fmt::Debug>(result: Result<T, Status>) -> String {
    let status = result.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    status.get_details_bad_request().unwrap().field_violations.remove(0).field
}

/// Code and reason of a refusal.
#[track_caller]
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.unwrap_err();
    let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    (status.code(), reason)
}

/// A fact that a refusal tells programs.
#[track_caller]
pub(crate) fn fact(status: &Status, key: &str) -> String {
    status.get_details_error_info().unwrap().metadata.remove(key).unwrap()
}
