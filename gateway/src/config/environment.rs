//! The configuration as environment variables.

use std::fs;
use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use focusflow_mesh::channel::{SecureTarget, Target};
use focusflow_mesh::environment::{Environment, EnvironmentError};
use focusflow_mesh::policy::Policies;
use http::{HeaderValue, Uri};
use ipnet::IpNet;

use super::{
    AuthConfig, BrowserConfig, Config, ConnectionLimits, ContractConfig, CorsConfig, EdgeLimits, ForwardedHeader,
    HealthConfig, ListenConfig, MeshConfig, NamedUpstream, Rate, RateConfig, RateLimits, RedisUrl, Secret,
    TrustedProxies, WebSocketLimits,
};
use crate::auth::{KeyRing, PasswordLimits, SESSIONS_MAX};

const DEFAULT_STORAGE_URL: &str = "https://localhost:7000";
const DEFAULT_AI_URL: &str = "https://localhost:8000";
const DEFAULT_FRONTEND_URL: &str = "http://localhost:3000";
const DEFAULT_PORT: u16 = 5000;
/// Units of cost per minute, and at once.
const DEFAULT_USER_RATE: (u32, u32) = (6_000, 1_200);
const DEFAULT_ADDRESS_RATE: (u32, u32) = (1_200, 600);

pub(super) fn read(variables: &Environment<'_>) -> Result<Config, EnvironmentError> {
    Ok(Config {
        listen: ListenConfig { public: variables.port_or("PORT", DEFAULT_PORT)?, admin: variables.admin()? },
        tls: super::tls::read(variables)?,
        contract: contract(variables)?,
        mesh: MeshConfig { certificates: variables.certificates(), trust_domain: variables.trust_domain()? },
        auth: auth(variables)?,
        cors: cors(variables)?,
        browsers: browsers(variables)?,
        limits: limits(variables)?,
        rates: rates(variables)?,
        health: HealthConfig { has_redis: variables.text("REDIS_URL").is_some(), ..HealthConfig::default() },
    })
}

fn contract(variables: &Environment<'_>) -> Result<ContractConfig, EnvironmentError> {
    let descriptor_set = descriptor_set(variables)?;
    let url = |variable, default| peer_url(variables, &descriptor_set, variable, default);
    Ok(ContractConfig {
        storage: url("STORAGE_SERVICE_URL", DEFAULT_STORAGE_URL)?,
        ai: url("AI_SERVICE_URL", DEFAULT_AI_URL)?,
        descriptor_set,
        upstreams: variables.list_or::<NamedUpstream>("GATEWAY_UPSTREAMS", "")?,
    })
}

/// Where a peer of the mesh is. Whom a contract with policies names as serving it speaks mTLS only, and would not answer
/// at an address that begins with `http:`.
fn peer_url(
    variables: &Environment<'_>,
    descriptor_set: &[u8],
    variable: &'static str,
    default: &str,
) -> Result<Target, EnvironmentError> {
    // A set that cannot be read is refused when the edge is built.
    if Policies::from_descriptor_set(descriptor_set).is_ok_and(|policies| policies.are_declared()) {
        return variables.parsed_or::<SecureTarget>(variable, default).map(|target| target.0);
    }
    variables.parsed_or(variable, default)
}

fn descriptor_set(variables: &Environment<'_>) -> Result<Vec<u8>, EnvironmentError> {
    const VARIABLE: &str = "GATEWAY_DESCRIPTOR_SET";
    match variables.text(VARIABLE) {
        None => Ok(focusflow_proto::FILE_DESCRIPTOR_SET.to_vec()),
        Some(path) => {
            fs::read(&path).map_err(|error| EnvironmentError::new(VARIABLE, format!("{path} cannot be read: {error}")))
        }
    }
}

fn auth(variables: &Environment<'_>) -> Result<AuthConfig, EnvironmentError> {
    const SECRET: &str = "JWT_SECRET";
    const PREVIOUS: &str = "JWT_SECRET_PREVIOUS";
    const KEYS: &str = "JWT_KEYS_DIR";
    let jwt_secret = variables.text(SECRET);
    let previous = variables.list_or::<String>(PREVIOUS, "")?;
    for (variable, secret) in
        jwt_secret.iter().map(|secret| (SECRET, secret)).chain(previous.iter().map(|secret| (PREVIOUS, secret)))
    {
        KeyRing::new(secret.as_bytes(), &[]).map_err(|error| EnvironmentError::new(variable, error))?;
    }
    let jwt_keys = variables.text(KEYS).map(PathBuf::from);
    if let Some(directory) = &jwt_keys
        && !directory.is_dir()
    {
        return Err(EnvironmentError::new(KEYS, format!("{} is not a directory", directory.display())));
    }
    let defaults = PasswordLimits::default();
    Ok(AuthConfig {
        jwt_secret: jwt_secret.map(Secret::new),
        jwt_secrets_previous: previous.into_iter().map(Secret::new).collect(),
        jwt_keys,
        passwords: PasswordLimits {
            concurrent_max: variables.parsed_positive("PASSWORD_HASHES_MAX")?.unwrap_or(defaults.concurrent_max),
            queue_max: variables.parsed("PASSWORD_QUEUE_MAX")?.unwrap_or(defaults.queue_max),
        },
        sessions_max: variables.parsed::<NonZeroU16>("SESSIONS_MAX")?.map_or(SESSIONS_MAX, NonZeroU16::get),
    })
}

fn cors(variables: &Environment<'_>) -> Result<CorsConfig, EnvironmentError> {
    let origins = variables.list_or::<Origin>("FRONTEND_URL", DEFAULT_FRONTEND_URL)?;
    Ok(CorsConfig { origins: origins.into_iter().map(|origin| origin.0).collect() })
}

fn browsers(variables: &Environment<'_>) -> Result<BrowserConfig, EnvironmentError> {
    let hsts_seconds = variables.parsed::<u32>("HSTS_SECONDS")?;
    let defaults = BrowserConfig::default();
    Ok(BrowserConfig { hsts: hsts_seconds.map_or(defaults.hsts, |seconds| Duration::from_secs(seconds.into())) })
}

fn limits(variables: &Environment<'_>) -> Result<EdgeLimits, EnvironmentError> {
    let defaults = EdgeLimits::default();
    Ok(EdgeLimits {
        body_bytes_max: variables.parsed_positive("GATEWAY_BODY_BYTES_MAX")?.unwrap_or(defaults.body_bytes_max),
        connections: connections(variables)?,
        keep_alive: variables
            .parsed_positive("GATEWAY_KEEP_ALIVE_SECONDS")?
            .map_or(defaults.keep_alive, |seconds| Duration::from_secs(seconds as u64)),
        compression_bytes_min: variables
            .parsed::<Least>("GATEWAY_COMPRESSION_BYTES_MIN")?
            .map_or(defaults.compression_bytes_min, |least| least.0),
        websocket: websocket(variables)?,
    })
}

fn connections(variables: &Environment<'_>) -> Result<ConnectionLimits, EnvironmentError> {
    let defaults = ConnectionLimits::default();
    let number = |variable, default| Ok(variables.parsed::<NonZeroU32>(variable)?.map_or(default, NonZeroU32::get));
    let max = variables.parsed_positive("GATEWAY_CONNECTIONS_MAX")?.unwrap_or(defaults.max);
    // A proxy connects for all its clients.
    let has_proxies = variables.text("TRUSTED_PROXIES").is_some();
    let per_address_max = if has_proxies { max } else { defaults.per_address_max.min(max) };
    Ok(ConnectionLimits {
        max,
        per_address_max: variables.parsed_positive("GATEWAY_CONNECTIONS_PER_ADDRESS_MAX")?.unwrap_or(per_address_max),
        handshake_timeout: seconds(variables, "GATEWAY_HANDSHAKE_SECONDS", defaults.handshake_timeout)?,
        headers_timeout: seconds(variables, "GATEWAY_HEADERS_SECONDS", defaults.headers_timeout)?,
        headers_bytes_max: headers_bytes_max(variables, defaults.headers_bytes_max)?,
        stall_timeout: seconds(variables, "GATEWAY_STALL_SECONDS", defaults.stall_timeout)?,
        streams_max: number("GATEWAY_STREAMS_MAX", defaults.streams_max)?,
        ..defaults
    })
}

/// HTTP/1.1 needs room for its first line, and a table of headers of HTTP/2 is of no use without any.
fn headers_bytes_max(variables: &Environment<'_>, default: u32) -> Result<u32, EnvironmentError> {
    const VARIABLE: &str = "GATEWAY_HEADERS_BYTES_MAX";
    const LEAST: u32 = 4 * 1024;
    const MOST: u32 = 1024 * 1024;
    match variables.parsed::<u32>(VARIABLE)?.unwrap_or(default) {
        bytes @ LEAST..=MOST => Ok(bytes),
        _ => Err(EnvironmentError::new(VARIABLE, format!("must be from {LEAST} to {MOST}"))),
    }
}

fn seconds(
    variables: &Environment<'_>,
    variable: &'static str,
    default: Duration,
) -> Result<Duration, EnvironmentError> {
    let seconds = variables.parsed::<NonZeroU32>(variable)?;
    Ok(seconds.map_or(default, |seconds| Duration::from_secs(seconds.get().into())))
}

fn websocket(variables: &Environment<'_>) -> Result<WebSocketLimits, EnvironmentError> {
    let defaults = WebSocketLimits::default();
    let count = |variable, default| Ok(variables.parsed_positive(variable)?.unwrap_or(default));
    let seconds = |variable, default| seconds(variables, variable, default);
    Ok(WebSocketLimits {
        connections_max: count("WEBSOCKET_CONNECTIONS_MAX", defaults.connections_max)?,
        connections_per_user_max: count("WEBSOCKET_CONNECTIONS_PER_USER_MAX", defaults.connections_per_user_max)?,
        connections_per_address_max: count(
            "WEBSOCKET_CONNECTIONS_PER_ADDRESS_MAX",
            defaults.connections_per_address_max,
        )?,
        calls_max: count("WEBSOCKET_CALLS_MAX", defaults.calls_max)?,
        buffer_bytes_max: variables
            .parsed::<NonZeroU32>("WEBSOCKET_BUFFER_BYTES_MAX")?
            .map_or(defaults.buffer_bytes_max, NonZeroU32::get),
        token_timeout: seconds("WEBSOCKET_TOKEN_SECONDS", defaults.token_timeout)?,
        idle_timeout: seconds("WEBSOCKET_IDLE_SECONDS", defaults.idle_timeout)?,
    })
}

fn rates(variables: &Environment<'_>) -> Result<RateConfig, EnvironmentError> {
    let rate = |per_minute, burst, default: (u32, u32)| -> Result<Rate, EnvironmentError> {
        let per_minute = variables.parsed::<NonZeroU32>(per_minute)?.map_or(default.0, NonZeroU32::get);
        Ok(Rate::new(per_minute, variables.parsed::<NonZeroU32>(burst)?.map_or(default.1, NonZeroU32::get)))
    };
    let limits = RateLimits {
        person: rate("RATE_LIMIT_USER_PER_MINUTE", "RATE_LIMIT_USER_BURST", DEFAULT_USER_RATE)?,
        address: rate("RATE_LIMIT_ADDRESS_PER_MINUTE", "RATE_LIMIT_ADDRESS_BURST", DEFAULT_ADDRESS_RATE)?,
    };
    let is_on = variables.parsed_or::<Switch>("RATE_LIMIT", "on")?.0;
    let header = variables.parsed_or::<ForwardedHeader>("TRUSTED_PROXY_HEADER", "x-forwarded-for")?;
    let networks = variables.list_or::<Network>("TRUSTED_PROXIES", "")?.into_iter().map(|network| network.0).collect();
    Ok(RateConfig {
        limits: is_on.then_some(limits),
        proxies: TrustedProxies { networks, header },
        redis: variables.parsed::<RedisUrl>("REDIS_URL")?,
    })
}

/// `on` or `off`.
struct Switch(bool);

impl FromStr for Switch {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "on" => Ok(Self(true)),
            "off" => Ok(Self(false)),
            _ => Err("expected on or off"),
        }
    }
}

/// From how many on, or `off` for never.
struct Least(usize);

impl FromStr for Least {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self(usize::MAX)),
            _ => text.parse().map(Self).map_err(|_| "expected a number of bytes, or off"),
        }
    }
}

/// A network, or one address.
struct Network(IpNet);

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map(Self).map_err(|_| "expected networks as 10.0.0.0/8 or addresses")
    }
}

/// The origin of a web client: scheme, host and port, as a browser writes it.
struct Origin(HeaderValue);

impl FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected an origin as https://app.example.org";
        let uri: Uri = text.parse().map_err(|_| EXPECTED)?;
        let has_only_origin = matches!(uri.path(), "" | "/") && uri.query().is_none();
        match (uri.scheme_str(), uri.authority()) {
            (Some(scheme @ ("http" | "https")), Some(authority)) if has_only_origin => {
                let origin = format!("{scheme}://{authority}").to_lowercase();
                origin.parse().map(Self).map_err(|_| EXPECTED)
            }
            _ => Err(EXPECTED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(variables: &[(&str, &str)]) -> Result<Config, EnvironmentError> {
        Config::from_variables(|name| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn an_empty_environment_is_a_development_machine() {
        let config = read_from(&[]).unwrap();
        assert_eq!(config.listen.public.port(), 5000);
        assert_eq!(config.listen.admin.map(|address| address.port()), Some(9090));
        assert_eq!(config.contract.storage.to_string(), DEFAULT_STORAGE_URL);
        assert_eq!(config.contract.ai.to_string(), DEFAULT_AI_URL);
        assert_eq!(config.contract.descriptor_set, focusflow_proto::FILE_DESCRIPTOR_SET);
        assert_eq!(config.mesh.trust_domain.as_str(), "focusflow.local");
        assert_eq!(config.limits.body_bytes_max, 4 * 1024 * 1024);
        assert!(config.auth.jwt_secret.is_none());
    }

    #[test]
    fn variables_are_taken_and_empty_ones_count_as_absent() {
        let config = read_from(&[
            ("PORT", "8081"),
            ("ADMIN_PORT", "off"),
            ("STORAGE_SERVICE_URL", ""),
            ("FRONTEND_URL", "https://App.example.org/, http://localhost:3000"),
            ("GATEWAY_UPSTREAMS", "a.B=http://localhost:1,c.D=https://localhost:2#d"),
            ("JWT_SECRET", "0123456789abcdef0123456789abcdef"),
        ])
        .unwrap();
        assert_eq!(config.listen.public.port(), 8081);
        assert_eq!(config.listen.admin, None);
        assert_eq!(config.contract.storage.to_string(), DEFAULT_STORAGE_URL);
        assert_eq!(config.cors.origins, ["https://app.example.org", "http://localhost:3000"]);
        assert_eq!(config.contract.upstreams[1].target.to_string(), "https://localhost:2#d");
        assert_eq!(config.auth.jwt_secret.unwrap().expose().len(), 32);
    }

    #[test]
    fn a_problem_names_its_variable() {
        for (variable, value) in [
            ("PORT", "70000"),
            ("ADMIN_PORT", "none"),
            ("STORAGE_SERVICE_URL", "localhost"),
            ("AI_SERVICE_URL", "ftp://localhost"),
            ("GATEWAY_UPSTREAMS", "http://localhost:1"),
            ("GATEWAY_DESCRIPTOR_SET", "/nowhere/descriptors.bin"),
            ("JWT_SECRET", "too short"),
            ("JWT_SECRET_PREVIOUS", "0123456789abcdef0123456789abcdef,too short"),
            ("JWT_KEYS_DIR", "/nowhere"),
            ("RATE_LIMIT", "maybe"),
            ("RATE_LIMIT_USER_BURST", "0"),
            ("TRUSTED_PROXIES", "10.0.0.0/33"),
            ("TRUSTED_PROXY_HEADER", "x-real-ip"),
            ("REDIS_URL", "http://localhost"),
            ("MESH_TRUST_DOMAIN", "UPPER case"),
            ("FRONTEND_URL", "example.org/app"),
            ("GATEWAY_BODY_BYTES_MAX", "0"),
            ("GATEWAY_KEEP_ALIVE_SECONDS", "0"),
            ("GATEWAY_COMPRESSION_BYTES_MIN", "on"),
            ("HSTS_SECONDS", "a year"),
            ("GATEWAY_CONNECTIONS_PER_ADDRESS_MAX", "0"),
            ("GATEWAY_HANDSHAKE_SECONDS", "0"),
            ("GATEWAY_HEADERS_SECONDS", "soon"),
            ("GATEWAY_HEADERS_BYTES_MAX", "1024"),
            ("GATEWAY_STALL_SECONDS", "0"),
            ("GATEWAY_STREAMS_MAX", "0"),
            ("PASSWORD_HASHES_MAX", "0"),
            ("SESSIONS_MAX", "0"),
            ("WEBSOCKET_CONNECTIONS_MAX", "0"),
            ("WEBSOCKET_BUFFER_BYTES_MAX", "lots"),
            ("WEBSOCKET_IDLE_SECONDS", "0"),
        ] {
            let error = read_from(&[(variable, value)]).unwrap_err();
            assert_eq!(error.variable, variable);
            assert!(error.to_string().starts_with(variable), "{error}");
        }
    }

    #[test]
    fn one_address_may_have_all_connections_only_where_it_may_be_a_proxys() {
        let per_address = |variables: &[(&str, &str)]| read_from(variables).unwrap().limits.connections.per_address_max;
        assert_eq!(per_address(&[]), 1_000);
        assert_eq!(per_address(&[("GATEWAY_CONNECTIONS_MAX", "10")]), 10);
        assert_eq!(per_address(&[("TRUSTED_PROXIES", "10.0.0.0/8")]), 10_000);
    }

    #[test]
    fn services_of_the_mesh_are_not_reached_in_plaintext_but_named_upstreams_may_be() {
        for variable in ["STORAGE_SERVICE_URL", "AI_SERVICE_URL"] {
            let error = read_from(&[(variable, "http://localhost:7000")]).unwrap_err();
            assert_eq!(error.variable, variable);
            assert!(error.to_string().contains("must be https: services speak mutual TLS only"), "{error}");
        }
        assert!(read_from(&[("GATEWAY_UPSTREAMS", "a.B=http://localhost:1")]).is_ok());
    }

    #[test]
    fn a_strangers_contract_says_nothing_about_the_mesh() {
        let strangers = tempfile::NamedTempFile::new().unwrap();
        let path = strangers.path().to_str().unwrap();
        let variables = [("GATEWAY_DESCRIPTOR_SET", path), ("STORAGE_SERVICE_URL", "http://localhost:7000")];
        assert!(!read_from(&variables).unwrap().contract.storage.is_secure());
    }

    #[test]
    fn a_secret_is_not_printed() {
        let error = read_from(&[("JWT_SECRET", "hunter2")]).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        let config = read_from(&[("JWT_SECRET", "0123456789abcdef0123456789abcdef")]).unwrap();
        assert!(!format!("{config:?}").contains("0123456789abcdef"));
    }
}
