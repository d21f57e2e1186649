//! Puts the edge together from its configuration.

mod upstreams;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use focusflow_mesh::admin;
use focusflow_mesh::drain::Drain;
use focusflow_mesh::environment::{BindError, bind};
use focusflow_mesh::health::{self, Health, HealthService};
use focusflow_mesh::policy::{Auth as PolicyAuth, Policies, PolicyError};
use focusflow_mesh::reflection;
use focusflow_mesh::server::{self, Limits, Transport};
use focusflow_mesh::tls::{CredentialsWatch, LoadError};
use focusflow_proto::v1::auth_service_server::AuthServiceServer;
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;
use tonic::server::NamedService;
use tonic::service::Routes;
use tower::Layer;
use tower_http::cors::CorsLayer;
use tracing::{info, warn};

use crate::auth::{AccessTokens, ApiTokens, Auth, Clock, PasswordError, PasswordHasher, SecretTooShort, SystemClock};
use crate::backend::Backend;
use crate::config::Config;
use crate::contract::{ACCOUNT, Contract, ContractError, scopes};
use crate::edge::{self, Admission, Dependencies, Edge, cors_layer};
use crate::transcode::Transcoder;

use self::upstreams::Upstreams;

const STORAGE: &str = "storage";
const AI: &str = "ai";
const FIND_API_TOKEN: &str = "/focusflow.internal.v1.CredentialService/FindApiToken";

/// Why the edge cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The contract cannot be read.
    #[error("the descriptor set cannot be read")]
    Policies(#[from] PolicyError),
    /// The contract cannot be served.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// The contract cannot be shown to clients that ask for it.
    #[error("the descriptor set cannot be served by reflection")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The contract has RPCs for signed-in people, and nothing verifies tokens.
    #[error("JWT_SECRET: needed because the contract has RPCs for signed-in people")]
    NoSecret,
    /// The secret would be guessed.
    #[error("JWT_SECRET: {0}")]
    Secret(#[from] SecretTooShort),
    /// The password hasher does not accept its parameters.
    #[error(transparent)]
    Passwords(#[from] PasswordError),
    /// An upstream uses mTLS, and there is no certificate to show it.
    #[error("MESH_CERT_DIR: needed because {upstream} is reached over mTLS")]
    NoCertificates {
        /// The upstream's address.
        upstream: String,
    },
    /// The certificates cannot be used.
    #[error("MESH_CERT_DIR")]
    Certificates(#[from] LoadError),
    /// A port cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// The edge with its ports bound, ready to serve.
pub struct Gateway {
    public: TcpListener,
    transport: Transport,
    admin: Option<TcpListener>,
    edge: edge::Parts,
    cors: CorsLayer,
    limits: Limits,
    credentials: Option<CredentialsWatch>,
    health: Health,
}

/// Binds the ports and connects nothing yet: channels dial when they are first used.
///
/// This future and that of [`Gateway::run`] are boxed so that their code is made here, once, and not in each crate that
/// awaits them.
pub fn build(config: Config) -> BoxFuture<'static, Result<Gateway, BuildError>> {
    build_with_clock(config, Arc::new(SystemClock))
}

/// [`build`] with the clock that decides when tokens expire.
pub fn build_with_clock(config: Config, clock: Arc<dyn Clock>) -> BoxFuture<'static, Result<Gateway, BuildError>> {
    Box::pin(open(config, clock))
}

async fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Gateway, BuildError> {
    let health = Health::new();
    let policies = Policies::from_descriptor_set(&config.contract.descriptor_set)?;
    let mut upstreams = Upstreams::new(&config, &policies)?;
    let credentials = upstreams.take_watch();
    let tokens = access_tokens(&config, &policies)?;
    let local = Local::new(&config, &policies, &upstreams, &health, tokens.clone(), Arc::clone(&clock))?;
    let contract = Contract::new(&policies, |service| {
        local.backend(&policies, service).or_else(|| upstreams.backend(&policies, service))
    })?;
    for service in contract.services_without_backend() {
        warn!(service, "no upstream is configured for a service of the contract");
    }
    let dependencies = Dependencies {
        own: health.clone(),
        storage: upstreams.account(STORAGE),
        ai: upstreams.account(AI),
        config: config.health,
    };
    let admission = Admission::new(tokens, api_tokens(&policies, &upstreams), clock);
    let admin = match config.listen.admin {
        Some(address) => Some(bind("ADMIN_PORT", address).await?),
        None => None,
    };
    Ok(Gateway {
        public: bind("PORT", config.listen.public).await?,
        transport: Transport::Plaintext,
        admin,
        edge: edge::Parts {
            contract,
            admission,
            dependencies,
            limits: config.limits,
            origins: config.cors.origins.clone(),
        },
        cors: cors_layer(config.cors.origins),
        limits: Limits { connections_max: config.limits.connections_max, ..Limits::default() },
        credentials,
        health,
    })
}

impl Gateway {
    /// The same edge, whose public port speaks over `transport`. It is plaintext otherwise.
    #[must_use]
    pub fn over(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// Where the public port is bound.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.public.local_addr()
    }

    /// Where the admin port is bound; `None` if there is none.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// The state that probes and `/health` show.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Serves until the shutdown; returns when the last connection has ended.
    pub fn run(self, drain: Drain) -> BoxFuture<'static, ()> {
        Box::pin(self.serve(drain))
    }

    async fn serve(self, drain: Drain) {
        if let Ok(address) = self.public.local_addr() {
            info!(%address, "the edge is listening");
        }
        let service = self.cors.layer(Edge::new(self.edge, drain.clone()));
        let edge = server::serve(self.public, self.transport, self.limits, service, drain.clone());
        let admin = admin::serve(self.admin, self.health, drain);
        let background = async {
            if let Some(watch) = self.credentials {
                watch.run().await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = futures_util::future::join(edge, admin) => {}
            () = background => {}
        }
    }
}

/// What this process answers itself.
struct Local {
    routes: Routes,
    names: Vec<&'static str>,
}

impl Local {
    fn new(
        config: &Config,
        policies: &Policies,
        upstreams: &Upstreams,
        health: &Health,
        tokens: Option<Arc<AccessTokens>>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BuildError> {
        let mut local = Self { routes: Routes::default(), names: Vec::new() };
        let serves_accounts = policies.services().any(|service| policies.served_by(service) == Some(ACCOUNT));
        if let (true, Some(tokens), Some(Backend::Remote(storage))) =
            (serves_accounts, tokens, upstreams.account(STORAGE))
        {
            let passwords = PasswordHasher::new(config.auth.passwords)?;
            let auth =
                Auth::new(storage, passwords, tokens, clock).with_sessions_max(config.auth.sessions_max).with_scopes(
                    scopes(policies, &Transcoder::new(policies.pool()).map_err(ContractError::from)?)
                        .into_values()
                        .collect(),
                );
            local.add(AuthServiceServer::new(auth));
        }
        local.add(health.grpc());
        let mut shown: Vec<&str> = exposed_services(policies);
        for service in &shown {
            health.add_service(service);
        }
        shown.push(HealthService::NAME);
        let health_set = health::file_descriptor_set();
        let sets = [policies.encoded(), health_set.as_slice()];
        local.add(reflection::v1(&sets, &shown)?);
        local.add(reflection::v1alpha(&sets, &shown)?);
        Ok(local)
    }

    fn add<S>(&mut self, service: S)
    where
        S: tower::Service<
                http::Request<tonic::body::Body>,
                Response = http::Response<tonic::body::Body>,
                Error = std::convert::Infallible,
            > + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.routes = std::mem::take(&mut self.routes).add_service(service);
        self.names.push(S::NAME);
    }

    fn backend(&self, policies: &Policies, service: &str) -> Option<Backend> {
        let is_ours = self.names.contains(&service) || policies.served_by(service) == Some(ACCOUNT);
        is_ours.then(|| Backend::Local(self.routes.clone()))
    }
}

/// Services with an RPC that people may call; what only peers may call is not shown to them.
fn exposed_services(policies: &Policies) -> Vec<&str> {
    let is_exposed = |service: &&str| {
        policies.methods().any(|(_, policy)| policy.service == **service && policy.auth != PolicyAuth::Internal)
    };
    policies.services().filter(is_exposed).collect()
}

/// Who can be asked about API tokens, where the contract has any.
fn api_tokens(policies: &Policies, upstreams: &Upstreams) -> Option<ApiTokens<Backend>> {
    policies.method(FIND_API_TOKEN)?;
    upstreams.account(STORAGE).map(ApiTokens::new)
}

fn access_tokens(config: &Config, policies: &Policies) -> Result<Option<Arc<AccessTokens>>, BuildError> {
    let needed = policies.methods().any(|(_, policy)| policy.auth == PolicyAuth::User);
    match &config.auth.jwt_secret {
        Some(secret) => Ok(Some(Arc::new(AccessTokens::new(secret.expose().as_bytes())?))),
        None if needed => Err(BuildError::NoSecret),
        None => Ok(None),
    }
}
