//! What the edge is told at start-up: one small struct per concern, all of it readable from the environment.
//!
//! Every problem names the variable and says what is wrong with its value, so that a deployment can be corrected from
//! the message alone.

mod environment;
mod tls;
mod upstream;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use focusflow_mesh::channel::Target;
use focusflow_mesh::environment::{Environment, EnvironmentError};
use focusflow_mesh::identity::TrustDomain;
use focusflow_mesh::server::Limits;
use http::HeaderValue;

use crate::auth::PasswordLimits;

pub use crate::limits::{ForwardedHeader, Rate, RateLimits, RedisUrl, TrustedProxies};
pub use tls::{AcmeSettings, CertificateFiles, TlsConfig};
pub use upstream::{NamedUpstream, ParseUpstreamError};

/// Everything that [`build`](crate::build) needs.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the edge listens.
    pub listen: ListenConfig,
    /// How the public port proves who it is.
    pub tls: TlsConfig,
    /// What is served, and who serves it.
    pub contract: ContractConfig,
    /// Who the edge is in the mesh.
    pub mesh: MeshConfig,
    /// How people prove who they are.
    pub auth: AuthConfig,
    /// Which browsers may read answers.
    pub cors: CorsConfig,
    /// What browsers are told to keep to.
    pub browsers: BrowserConfig,
    /// What a request may cost.
    pub limits: EdgeLimits,
    /// How much callers may ask for.
    pub rates: RateConfig,
    /// What `/health` reports on.
    pub health: HealthConfig,
}

/// Where the edge listens.
#[derive(Debug, Clone, Copy)]
pub struct ListenConfig {
    /// The public port: gRPC, gRPC-Web and REST. `PORT`, default 5000, on all addresses; 0 takes a free port.
    pub public: SocketAddr,
    /// Probes and metrics, in plaintext and not for the public. `ADMIN_PORT`, default 9090; `off` leaves it out.
    pub admin: Option<SocketAddr>,
}

/// What is served, and who serves it.
#[derive(Debug, Clone)]
pub struct ContractConfig {
    /// An encoded `google.protobuf.FileDescriptorSet` with all options intact. `GATEWAY_DESCRIPTOR_SET` names a file;
    /// default: the contract of FocusFlow.
    pub descriptor_set: Vec<u8>,
    /// Services that the contract assigns to the account `storage`. `STORAGE_SERVICE_URL`, default
    /// `https://localhost:7000`; not `http:` if the contract has policies.
    pub storage: Target,
    /// Services that the contract assigns to the account `ai`. `AI_SERVICE_URL`, default `https://localhost:8000`;
    /// not `http:` if the contract has policies.
    pub ai: Target,
    /// Services by name, before what the contract says. `GATEWAY_UPSTREAMS`, a comma list of `PACKAGE.SERVICE=URL`,
    /// default empty.
    pub upstreams: Vec<NamedUpstream>,
}

/// Who the edge is in the mesh.
#[derive(Debug, Clone)]
pub struct MeshConfig {
    /// The directory with `ca.pem`, `cert.pem` and `key.pem`. `MESH_CERT_DIR`; needed for upstreams with `https:`.
    pub certificates: Option<PathBuf>,
    /// The name that every identity of the mesh begins with. `MESH_TRUST_DOMAIN`, default `focusflow.local`.
    pub trust_domain: TrustDomain,
}

/// How people prove who they are.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// Signs access tokens, at least 32 bytes. `JWT_SECRET`, no default; needed if the contract has RPCs for signed-in
    /// people.
    pub jwt_secret: Option<Secret>,
    /// Secrets that `jwt_secret` has replaced, whose tokens are still good. `JWT_SECRET_PREVIOUS`, a comma list, default
    /// empty.
    pub jwt_secrets_previous: Vec<Secret>,
    /// A directory of Ed25519 keys, `*.pem`, the last of which signs in place of `jwt_secret`. `JWT_KEYS_DIR`, default
    /// none.
    pub jwt_keys: Option<PathBuf>,
    /// How much password hashing goes on at once. `PASSWORD_HASHES_MAX` at the same time, default one per processor;
    /// `PASSWORD_QUEUE_MAX` waiting, default 64.
    pub passwords: PasswordLimits,
    /// How many sessions a person has at most; one more ends that which was not used for longest. `SESSIONS_MAX`,
    /// default 5.
    pub sessions_max: u16,
}

/// Which browsers may read answers.
#[derive(Debug, Clone, Default)]
pub struct CorsConfig {
    /// Origins of web clients, as `https://app.example.org`. `FRONTEND_URL`, a comma list, default
    /// `http://localhost:3000`.
    pub origins: Vec<HeaderValue>,
}

/// What browsers are told to keep to.
#[derive(Debug, Clone, Copy)]
pub struct BrowserConfig {
    /// How long a browser that came over TLS comes back over TLS only (HSTS). `HSTS_SECONDS`, default a year; 0 makes
    /// browsers forget it.
    pub hsts: Duration,
}

/// What a request may cost.
#[derive(Debug, Clone, Copy)]
pub struct EdgeLimits {
    /// The largest REST body, and the largest single message of a gRPC request, in bytes. `GATEWAY_BODY_BYTES_MAX`,
    /// default 4 MiB.
    pub body_bytes_max: usize,
    /// What connections on the public port may cost.
    pub connections: ConnectionLimits,
    /// How long a stream of events may be silent before a comment keeps it open. `GATEWAY_KEEP_ALIVE_SECONDS`, default
    /// 15 seconds.
    pub keep_alive: Duration,
    /// Bodies of REST answers from this length on are compressed for clients that ask for it, in bytes.
    /// `GATEWAY_COMPRESSION_BYTES_MIN`, default 1 KiB; `off` compresses none.
    pub compression_bytes_min: usize,
    /// What a WebSocket may cost.
    pub websocket: WebSocketLimits,
}

/// What connections on the public port may cost.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// Open connections. `GATEWAY_CONNECTIONS_MAX`, default 10000.
    pub max: usize,
    /// Open connections from one address, for IPv6 from one /64 network. `GATEWAY_CONNECTIONS_PER_ADDRESS_MAX`, default
    /// 1000; behind trusted proxies, which connect for many, as many as there may be.
    pub per_address_max: usize,
    /// From the accepted connection to the end of its TLS handshake. `GATEWAY_HANDSHAKE_SECONDS`, default 5.
    pub handshake_timeout: Duration,
    /// For the headers of a request, and how long an idle HTTP/1.1 connection is kept. `GATEWAY_HEADERS_SECONDS`, default
    /// 30.
    pub headers_timeout: Duration,
    /// Size of all headers of a request, in bytes. `GATEWAY_HEADERS_BYTES_MAX`, default 16 KiB.
    pub headers_bytes_max: u32,
    /// How long a client may take nothing of an answer. `GATEWAY_STALL_SECONDS`, default 30.
    pub stall_timeout: Duration,
    /// Streams of one HTTP/2 connection at the same time. `GATEWAY_STREAMS_MAX`, default 250.
    pub streams_max: u32,
    /// How often a silent HTTP/2 client is asked whether it is there. Not from the environment; 30 seconds.
    pub ping_interval: Duration,
    /// How long it may take to answer. Not from the environment; 10 seconds.
    pub ping_timeout: Duration,
}

/// What WebSockets may cost.
#[derive(Debug, Clone, Copy)]
pub struct WebSocketLimits {
    /// Open sockets. `WEBSOCKET_CONNECTIONS_MAX`, default 10000.
    pub connections_max: usize,
    /// Open sockets of one person. `WEBSOCKET_CONNECTIONS_PER_USER_MAX`, default 50.
    pub connections_per_user_max: usize,
    /// Open sockets of one address, for IPv6 of one /64 network. `WEBSOCKET_CONNECTIONS_PER_ADDRESS_MAX`, default 1000.
    pub connections_per_address_max: usize,
    /// Calls under way on one socket. `WEBSOCKET_CALLS_MAX`, default 100.
    pub calls_max: usize,
    /// What one socket's requests may take before services have read them, in bytes. `WEBSOCKET_BUFFER_BYTES_MAX`,
    /// default 32 MiB, which is as many of the largest messages as may be sent ahead of a call.
    pub buffer_bytes_max: u32,
    /// How long a new socket may take to say whose it is. `WEBSOCKET_TOKEN_SECONDS`, default 10.
    pub token_timeout: Duration,
    /// How long a socket may be silent; halfway it is asked whether it is there. `WEBSOCKET_IDLE_SECONDS`, default 60.
    pub idle_timeout: Duration,
}

/// How much callers may ask for, and how they are told apart.
#[derive(Debug, Clone, Default)]
pub struct RateConfig {
    /// Units of cost that a person and an address may spend. `RATE_LIMIT`: `on`, or `off` for no limits, default `on`.
    /// `RATE_LIMIT_USER_PER_MINUTE`, default 6000, `RATE_LIMIT_USER_BURST`, default 1200,
    /// `RATE_LIMIT_ADDRESS_PER_MINUTE`, default 1200, `RATE_LIMIT_ADDRESS_BURST`, default 600.
    pub limits: Option<RateLimits>,
    /// Whose word on the client's address is taken. `TRUSTED_PROXIES`, a comma list of networks as `10.0.0.0/8`, default
    /// none; `TRUSTED_PROXY_HEADER`, `x-forwarded-for` (default) or `forwarded`.
    pub proxies: TrustedProxies,
    /// Where replicas share what was asked for. `REDIS_URL`, default none: each replica limits by itself.
    pub redis: Option<RedisUrl>,
}

/// What `/health` reports on.
#[derive(Debug, Clone, Copy)]
pub struct HealthConfig {
    /// How long each check may take. Not from the environment; 1 s.
    pub check_timeout: Duration,
    /// Whether the deployment has Redis: whether `REDIS_URL` is set. Without it storage does Redis's duties in its own
    /// process, and the report says so.
    pub has_redis: bool,
}

impl Config {
    /// Reads the process's environment.
    pub fn from_env() -> Result<Self, EnvironmentError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// Reads variables by name; one that is empty counts as absent.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, EnvironmentError> {
        environment::read(&Environment::new(&variable))
    }
}

impl Default for BrowserConfig {
    fn default() -> Self {
        const DAYS: u64 = 365;
        Self { hsts: Duration::from_hours(24 * DAYS) }
    }
}

impl Default for EdgeLimits {
    fn default() -> Self {
        Self {
            body_bytes_max: 4 * 1024 * 1024,
            connections: ConnectionLimits::default(),
            keep_alive: Duration::from_secs(15),
            compression_bytes_min: 1024,
            websocket: WebSocketLimits::default(),
        }
    }
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        let mesh = Limits::default();
        Self {
            max: mesh.connections_max,
            per_address_max: 1_000,
            handshake_timeout: mesh.handshake_timeout,
            headers_timeout: mesh.header_read_timeout,
            headers_bytes_max: mesh.header_list_bytes_max,
            stall_timeout: mesh.stall_timeout,
            streams_max: 250,
            ping_interval: mesh.keepalive_interval,
            ping_timeout: mesh.keepalive_timeout,
        }
    }
}

impl From<ConnectionLimits> for Limits {
    fn from(limits: ConnectionLimits) -> Self {
        Self {
            connections_max: limits.max,
            connections_per_address_max: limits.per_address_max,
            // Who stalls in a handshake only holds a connection: strangers must not keep others waiting for a turn.
            handshakes_max: limits.max,
            handshake_timeout: limits.handshake_timeout,
            header_read_timeout: limits.headers_timeout,
            header_list_bytes_max: limits.headers_bytes_max,
            stall_timeout: limits.stall_timeout,
            stream_stall_timeout: limits.stall_timeout,
            concurrent_streams_max: limits.streams_max,
            keepalive_interval: limits.ping_interval,
            keepalive_timeout: limits.ping_timeout,
            ..Self::default()
        }
    }
}

impl Default for WebSocketLimits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            connections_per_user_max: 50,
            connections_per_address_max: 1000,
            calls_max: 100,
            buffer_bytes_max: 32 * 1024 * 1024,
            token_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_mins(1),
        }
    }
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self { check_timeout: Duration::from_secs(1), has_redis: false }
    }
}

/// A value that must not reach a log.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps the value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}
