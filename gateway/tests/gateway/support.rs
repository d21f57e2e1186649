//! A real edge before a real service, and clients of the three kinds.

pub(crate) mod cards;
pub(crate) mod client;
pub(crate) mod log;
pub(crate) mod messages;
pub(crate) mod upstream;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use focusflow_gateway::auth::{ACCESS_TOKEN_LIFETIME, AccessTokens, Clock, PasswordLimits};
use focusflow_gateway::build_with_clock;
use focusflow_gateway::config::{
    AuthConfig, BrowserConfig, Config, ContractConfig, CorsConfig, EdgeLimits, HealthConfig, ListenConfig, MeshConfig,
    RateConfig, Secret, TlsConfig, WebSocketLimits,
};
use focusflow_mesh::drain::Drain;
use http::HeaderValue;
use tokio::net::TcpListener;
use uuid::Uuid;

pub(crate) const ORIGIN: &str = "https://app.example.org";
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;
const SECRET: &str = "a secret that is long enough to be one";

/// An edge that serves the test's contract, its service, and what a test needs to call it.
pub(crate) struct Edge {
    pub(crate) address: SocketAddr,
    clock: Arc<HandSetClock>,
    tokens: AccessTokens,
    pub(crate) user_id: Uuid,
}

impl Edge {
    /// With the contract of `edge.proto`.
    pub(crate) async fn start() -> Self {
        let upstream = upstream::start().await;
        Self::serving(contract(), upstream).await
    }

    /// With another contract, served by whoever listens at `upstream`.
    pub(crate) async fn serving(descriptor_set: Vec<u8>, upstream: SocketAddr) -> Self {
        Self::run(Self::config(descriptor_set, upstream).await).await
    }

    /// What a test may change before it runs the edge.
    pub(crate) async fn config(descriptor_set: Vec<u8>, upstream: SocketAddr) -> Config {
        let nobody = address_where_nobody_listens().await;
        Config {
            listen: ListenConfig { public: ([127, 0, 0, 1], 0).into(), admin: None },
            tls: TlsConfig::Off,
            contract: ContractConfig {
                descriptor_set,
                storage: format!("http://{upstream}").parse().unwrap(),
                ai: format!("http://{nobody}").parse().unwrap(),
                upstreams: Vec::new(),
            },
            mesh: MeshConfig { certificates: None, trust_domain: "focusflow.test".parse().unwrap() },
            auth: AuthConfig {
                jwt_secret: Some(Secret::new(SECRET)),
                jwt_secrets_previous: Vec::new(),
                jwt_keys: None,
                passwords: PasswordLimits::default(),
                sessions_max: 5,
            },
            cors: CorsConfig { origins: vec![HeaderValue::from_static(ORIGIN)] },
            browsers: BrowserConfig::default(),
            limits: EdgeLimits { body_bytes_max: BODY_BYTES_MAX, ..EdgeLimits::default() },
            rates: RateConfig::default(),
            health: HealthConfig::default(),
        }
    }

    /// With the contract of `edge.proto` and other limits of WebSockets.
    pub(crate) async fn start_with(change: impl FnOnce(&mut WebSocketLimits)) -> Self {
        let mut config = Self::config(contract(), upstream::start().await).await;
        change(&mut config.limits.websocket);
        Self::run(config).await
    }

    /// With the contract of `edge.proto`, until the shutdown.
    pub(crate) async fn start_until(drain: Drain) -> Self {
        let upstream = upstream::start().await;
        Self::run_until(Self::config(contract(), upstream).await, drain).await
    }

    /// With the contract of `edge.proto` and limits.
    pub(crate) async fn limiting(rates: RateConfig) -> Self {
        let config = Self::config(contract(), upstream::start().await).await;
        Self::run(Config { rates, ..config }).await
    }

    /// With a configuration of the test's own.
    pub(crate) async fn run(config: Config) -> Self {
        Self::run_until(config, Drain::never()).await
    }

    async fn run_until(config: Config, drain: Drain) -> Self {
        let clock = Arc::new(HandSetClock(Mutex::new(SystemTime::now())));
        let gateway = build_with_clock(config, clock.clone()).await.unwrap();
        let address = gateway.local_addr().unwrap();
        tokio::spawn(gateway.run(drain));
        let tokens = AccessTokens::new(SECRET.as_bytes()).unwrap();
        Self { address, clock, tokens, user_id: Uuid::now_v7() }
    }

    /// An access token of this edge's person.
    pub(crate) fn token(&self) -> String {
        self.token_of(self.user_id)
    }

    /// An access token of somebody.
    pub(crate) fn token_of(&self, user_id: Uuid) -> String {
        self.tokens.issue(user_id, Uuid::now_v7(), self.clock.now()).unwrap()
    }

    /// An access token of this edge's person that was issued long ago.
    pub(crate) fn token_that_lasts(&self, time: Duration) -> String {
        let issued = self.clock.now() + time - ACCESS_TOKEN_LIFETIME;
        self.tokens.issue(self.user_id, Uuid::now_v7(), issued).unwrap()
    }

    /// Lets every token that was issued so far expire.
    pub(crate) fn let_tokens_expire(&self) {
        *self.clock.0.lock().unwrap() += ACCESS_TOKEN_LIFETIME + Duration::from_secs(1);
    }
}

/// The encoded descriptors of `edge.proto`.
pub(crate) fn contract() -> Vec<u8> {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gateway");
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto");
    let mut compiler = protox::Compiler::new([here, ours]).unwrap();
    compiler.include_imports(true).open_file("edge.proto").unwrap();
    compiler.encode_file_descriptor_set()
}

/// A port that was free a moment ago.
pub(crate) async fn address_where_nobody_listens() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// A clock that the test moves.
struct HandSetClock(Mutex<SystemTime>);

impl Clock for HandSetClock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}
