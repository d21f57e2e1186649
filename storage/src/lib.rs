//! The domain: tasks, time logs, categories, accounts and what changed, behind gRPC; the only crate that knows the
//! database.
//!
//! * [`domain`] is what the words mean: values parsed once, and rules between them. No database, no wire, no clock.
//! * [`sql`] is the database: one module of queries per table.
//! * [`import`] reads the files of other programs, and [`document`] is the form in which a person's data leaves and
//!   comes back.
//! * [`mail`] is what leaves the application.
//! * `service` has one file per gRPC service, and turns requests into transactions.
//!
//! Every write of a person's takes the next numbers of their change sequence in its own transaction, so a client that
//! watches misses nothing.

mod cache;
pub mod calendar;
pub mod clock;
pub mod config;
pub mod document;
pub mod domain;
pub mod import;
mod jobs;
pub mod mail;
mod page;
pub mod redis;
mod relay;
mod reminders;
mod replicas;
mod service;
pub mod sql;
mod upkeep;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use focusflow_mesh::drain::Drain;
use focusflow_mesh::environment::BindError;
use focusflow_mesh::health::Health;
use focusflow_mesh::node::Node;
use focusflow_mesh::policy::{Policies, PolicyError};
use focusflow_mesh::server::{Mesh, MeshError};
use focusflow_mesh::tls::{self, LoadError};
use focusflow_proto::FILE_DESCRIPTOR_SET;
use futures_util::future::{BoxFuture, LocalBoxFuture};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use config::Config;

use self::clock::{Clock, SystemClock, TimeAndIds};
use self::mail::{MailConfig, Mailer, Outlet};
use self::page::PageSigner;
use self::replicas::Replicas;
use self::service::Store;
use self::sql::{Database, OpenError, settings};

const PAGE_KEY: &str = "page_token_key";
const PAGE_KEY_LENGTH: usize = 32;

/// The service with its ports bound and its database open, ready to [run](Storage::run).
pub struct Storage {
    node: Node,
    store: Arc<Store>,
    replicas: Replicas,
    mail: Option<MailConfig>,
    mail_links: Option<String>,
    /// Tells streams without an end that it has come.
    shutdown: CancellationToken,
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Its certificates cannot be used.
    #[error(transparent)]
    Credentials(#[from] LoadError),
    /// The contract's policies cannot be read.
    #[error("the contract cannot be used")]
    Policies(#[from] PolicyError),
    /// The contract and the services do not fit.
    #[error(transparent)]
    Mesh(#[from] MeshError),
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The key that signs page tokens cannot be kept or used.
    #[error("the key of page tokens cannot be used")]
    PageKey(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A port cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// Loads the certificates, brings the database up to date and binds the ports.
///
/// This future and that of [`Storage::run`] are boxed so that their code is made here, once, and not in each crate that
/// awaits them.
pub fn build(config: Config) -> LocalBoxFuture<'static, Result<Storage, BuildError>> {
    build_with(config, Arc::new(SystemClock))
}

/// As [`build`], with a clock of the caller's.
pub fn build_with(config: Config, clock: Arc<dyn Clock>) -> LocalBoxFuture<'static, Result<Storage, BuildError>> {
    Box::pin(open(config, clock))
}

async fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Storage, BuildError> {
    let credentials = tls::watch_directory(&config.mesh.certificates, &config.mesh.trust_domain)?;
    let health = Health::new();
    let migrations = health.latch("migrations");
    let database = Database::open(&config.database).await?;
    drop(migrations);
    let (database, replicas) = Replicas::join(database, config.redis, &health);
    let pages = page_signer(&database).await?;
    let store = Arc::new(Store { database, time: TimeAndIds::new(clock), pages });

    let shutdown = CancellationToken::new();
    let mesh = Mesh::builder(Policies::from_descriptor_set(FILE_DESCRIPTOR_SET)?)
        .impersonators(config.mesh.impersonators)
        .health(&health);
    let mesh = service::add_to(mesh, &store, config.mail.is_some(), &shutdown).build()?;

    let node = Node::bind(config::PORT, config.listen, credentials, health, mesh).await?;
    Ok(Storage { node, store, replicas, mail: config.mail, mail_links: None, shutdown })
}

impl Storage {
    /// Where the mesh reaches the service.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.node.local_addr()
    }

    /// Where probes and metrics are; `None` if the configuration leaves the admin port out.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.node.admin_addr()
    }

    /// What the shutdown says NOT_SERVING through.
    pub fn health(&self) -> &Health {
        self.node.health()
    }

    /// Shows the links of mails in the log, leading to `base`, where no server takes mail. They open accounts: this is
    /// for a machine whose log only its owner reads.
    #[must_use]
    pub fn show_mail_links(self, base: String) -> Self {
        Self { mail_links: Some(base), ..self }
    }

    /// Serves until the shutdown, following the database's health meanwhile.
    pub fn run(self, drain: Drain) -> BoxFuture<'static, ()> {
        Box::pin(self.serve(drain))
    }

    async fn serve(self, drain: Drain) {
        let database = self.store.database.clone();
        let mut background = JoinSet::new();
        background.spawn(upkeep::watch_health(database.clone(), self.node.health().clone()));
        background.spawn(upkeep::index_what_was_written_before(Arc::clone(&self.store)));
        background.spawn(upkeep::renew_what_is_folded(Arc::clone(&self.store)));
        background.spawn(upkeep::forget_what_expired(Arc::clone(&self.store)));
        background.spawn(upkeep::make_occurrences(Arc::clone(&self.store)));
        background.spawn(self.replicas.run());
        background.spawn(end_streams(self.shutdown, drain.clone()));
        let jobs = spawn_jobs(&self.store, self.mail, self.mail_links, &drain);
        self.node.run(drain).await;
        // They end with the shutdown; what one is about to write down still needs the database.
        jobs.join_all().await;
        database.close().await;
    }
}

fn spawn_jobs(store: &Arc<Store>, mail: Option<MailConfig>, links: Option<String>, drain: &Drain) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(jobs::repeat(jobs::Dispatch::new(store, mail.is_some()), drain.clone()));
    tasks.spawn(jobs::repeat(jobs::LookAtHabits::new(store), drain.clone()));
    tasks.spawn(jobs::repeat(jobs::ForgetNotifications::new(store), drain.clone()));
    let outlet = mail.map_or(Outlet::Log { links }, |mail| Outlet::Server(Mailer::new(mail)));
    tasks.spawn(jobs::repeat(jobs::SendMail::new(store, outlet), drain.clone()));
    tasks
}

async fn end_streams(shutdown: CancellationToken, drain: Drain) {
    drain.draining().await;
    shutdown.cancel();
}

/// The signer of page tokens. Its key is made once and kept in the database, so tokens outlive the process.
async fn page_signer(database: &Database) -> Result<PageSigner, BuildError> {
    let initial: [u8; PAGE_KEY_LENGTH] = rand::random();
    let failed = |error: sqlx::Error| BuildError::PageKey(error.into());
    let mut transaction = database.begin(Uuid::nil()).await.map_err(failed)?;
    let key = settings::get_or_insert(&mut transaction, PAGE_KEY, &initial).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    PageSigner::new(&key).map_err(|error| BuildError::PageKey(error.into()))
}
