//! Puts the edge together from its configuration.

mod upstreams;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use focusflow_mesh::admin;
use focusflow_mesh::drain::Drain;
use focusflow_mesh::environment::{BindError, bind};
use focusflow_mesh::health::{self, Health, HealthService};
use focusflow_mesh::policy::{Auth as PolicyAuth, Policies, PolicyError};
use focusflow_mesh::reflection;
use focusflow_mesh::refusal::Chain;
use focusflow_mesh::server::{self, Limits, Transport};
use focusflow_mesh::tls::{CredentialsWatch, LoadError};
use focusflow_proto::v1::auth_service_server::AuthServiceServer;
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;
use tonic::server::NamedService;
use tonic::service::Routes;
use tracing::{info, warn};

use crate::auth::{
    AccessTokens, ApiTokens, Auth, Clock, KeyFileError, KeyRing, PasswordError, PasswordHasher, SecretTooShort,
    Sessions, SystemClock,
};
use crate::backend::Backend;
use crate::config::Config;
use crate::contract::{ACCOUNT, Contract, ContractError, scopes};
use crate::edge::{self, Admission, Dependencies, Edge, Reference};
use crate::limits::{RateLimiter, Shared, SignInGuard};
use crate::tls::{self, TlsError, Upkeep};
use crate::transcode::Transcoder;

use self::upstreams::Upstreams;

const STORAGE: &str = "storage";
const AI: &str = "ai";
const FIND_API_TOKEN: &str = "/focusflow.internal.v1.CredentialService/FindApiToken";
const GET_SESSION: &str = "/focusflow.internal.v1.CredentialService/GetSession";
/// How often the directory of keys is read.
const KEYS_INTERVAL: Duration = Duration::from_secs(10);

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
    /// The directory of keys cannot be used.
    #[error("JWT_KEYS_DIR")]
    Keys(#[from] KeyFileError),
    /// No keys could be derived from the secret.
    #[error("JWT_SECRET: {0}")]
    Vault(Box<dyn std::error::Error + Send + Sync>),
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
    /// The public port cannot speak TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A port cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// The edge with its ports bound, ready to serve.
pub struct Gateway {
    public: TcpListener,
    transport: Transport,
    certificate: Upkeep,
    admin: Option<TcpListener>,
    edge: edge::Parts,
    limits: Limits,
    credentials: Option<CredentialsWatch>,
    health: Health,
    limiter: RateLimiter,
    keys: Option<Keys>,
}

/// A directory of keys that is followed.
struct Keys {
    tokens: Arc<AccessTokens>,
    directory: PathBuf,
    clock: Arc<dyn Clock>,
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
    let tokens = access_tokens(&config, &policies, clock.now())?;
    let shared = config.rates.redis.as_ref().filter(|_| config.rates.limits.is_some()).map(Shared::connect);
    let guard = SignInGuard::new(config.rates.limits.is_some(), shared.clone());
    // Costs are the contract's to say; a stranger's knows none.
    let limiter = RateLimiter::new(config.rates.limits.filter(|_| policies.are_declared()), shared);
    let local = Local::new(&config, &policies, &upstreams, &health, tokens.clone(), guard, Arc::clone(&clock))?;
    let keys = keys(&config, tokens.as_ref(), &clock);
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
    let asked = |method| policies.method(method).and_then(|_| upstreams.account(STORAGE));
    let admission = Admission {
        tokens,
        api_tokens: asked(FIND_API_TOKEN).map(ApiTokens::new),
        sessions: asked(GET_SESSION).map(Sessions::new),
        limiter: limiter.clone(),
        clock,
    };
    let (transport, certificate) = tls::open(config.tls)?;
    let admin = match config.listen.admin {
        Some(address) => Some(bind("ADMIN_PORT", address).await?),
        None => None,
    };
    Ok(Gateway {
        public: bind("PORT", config.listen.public).await?,
        transport,
        certificate,
        admin,
        edge: edge::Parts {
            contract,
            admission,
            dependencies,
            limits: config.limits,
            reference: Reference::new(&crate::openapi::document(&policies)?),
            origins: config.cors.origins,
            browsers: config.browsers,
            proxies: config.rates.proxies,
        },
        limits: config.limits.connections.into(),
        credentials,
        health,
        limiter,
        keys,
    })
}

impl Gateway {
    /// The same edge, whose public port speaks over `transport`, whatever was configured.
    #[must_use]
    pub fn over(mut self, transport: Transport) -> Self {
        (self.transport, self.certificate) = (transport, Upkeep::Nothing);
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
        let service = Edge::new(self.edge, drain.clone());
        let edge = server::serve(self.public, self.transport, self.limits, service, drain.clone());
        let admin = admin::serve(self.admin, self.health, drain);
        let certificates = async {
            if let Some(watch) = self.credentials {
                watch.run().await;
            }
        };
        let keys = async {
            if let Some(keys) = self.keys {
                keys.follow().await;
            }
        };
        let background = async {
            tokio::join!(certificates, keys, self.certificate.run(), self.limiter.settle());
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
        guard: SignInGuard,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BuildError> {
        let mut local = Self { routes: Routes::default(), names: Vec::new() };
        let serves_accounts = policies.services().any(|service| policies.served_by(service) == Some(ACCOUNT));
        if let (true, Some(tokens), Some(Backend::Remote(storage))) =
            (serves_accounts, tokens, upstreams.account(STORAGE))
        {
            let passwords = PasswordHasher::new(config.auth.passwords)?;
            let transcoder = Transcoder::new(policies.pool()).map_err(ContractError::from)?;
            let auth = Auth::new(storage, passwords, tokens, &secrets(config), clock)
                .map_err(|error| BuildError::Vault(error.into()))?
                .with_guard(guard)
                .with_origins(config.cors.origins.clone())
                .with_sessions_max(config.auth.sessions_max)
                .with_scopes(scopes(policies, &transcoder).into_values().collect());
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

impl Keys {
    async fn follow(self) {
        loop {
            tokio::time::sleep(KEYS_INTERVAL).await;
            if let Err(error) = self.tokens.reload(&self.directory, self.clock.now()) {
                warn!(error = %Chain(&error), "the keys of access tokens stay as they were");
            }
        }
    }
}

fn keys(config: &Config, tokens: Option<&Arc<AccessTokens>>, clock: &Arc<dyn Clock>) -> Option<Keys> {
    let (directory, tokens) = (config.auth.jwt_keys.clone()?, Arc::clone(tokens?));
    Some(Keys { tokens, directory, clock: Arc::clone(clock) })
}

/// The secrets of the key ring, the current one first.
fn secrets(config: &Config) -> Vec<&[u8]> {
    let secrets = config.auth.jwt_secret.iter().chain(&config.auth.jwt_secrets_previous);
    secrets.map(|secret| secret.expose().as_bytes()).collect()
}

fn access_tokens(
    config: &Config,
    policies: &Policies,
    now: SystemTime,
) -> Result<Option<Arc<AccessTokens>>, BuildError> {
    let needed = policies.methods().any(|(_, policy)| policy.auth == PolicyAuth::User);
    if config.auth.jwt_secret.is_none() {
        return if needed { Err(BuildError::NoSecret) } else { Ok(None) };
    }
    let secrets = secrets(config);
    let [current, previous @ ..] = secrets.as_slice() else { return Err(BuildError::NoSecret) };
    let tokens = AccessTokens::with_ring(KeyRing::new(current, previous)?);
    if let Some(directory) = &config.auth.jwt_keys {
        tokens.reload(directory, now)?;
    }
    Ok(Some(Arc::new(tokens)))
}
