//! `focusflow up`: the whole mesh in one process, on SQLite, with an authority of its own.
//!
//! The services speak to each other through sockets and mutual TLS, as they do apart. What they need and nobody has set
//! is made under the data directory: the database, certificates that renew themselves, the key that signs tokens.

mod data;
mod greeting;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use anyhow::{Context as _, Result};
use focusflow_ai::Ai;
use focusflow_gateway::Gateway;
use focusflow_mesh::ca;
use focusflow_mesh::drain::{self, Drain, DrainConfig, DrainHandle, Signals};
use focusflow_mesh::health::Health;
use focusflow_mesh::identity::TrustDomain;
use focusflow_mesh::process;
use focusflow_mesh::telemetry::LogFormat;
use focusflow_storage::Storage;
use tracing::info;

use self::data::{AI, DEVELOPER, Data, GATEWAY, STORAGE};
use self::greeting::Greeting;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The edge's port; 0 takes a free one
    #[arg(long, env = "PORT", default_value_t = 5000)]
    port: u16,
    /// Storage's port; 0 takes a free one
    #[arg(long, env = "STORAGE_PORT", default_value_t = 7000)]
    storage_port: u16,
    /// ai's port; 0 takes a free one
    #[arg(long, env = "AI_PORT", default_value_t = 8000)]
    ai_port: u16,
    /// The port of probes and metrics; 0 takes a free one
    #[arg(long, env = "ADMIN_PORT", default_value_t = 9090)]
    admin_port: u16,
    /// The address to listen on; 0.0.0.0 opens everything to the network
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// Where to keep the database, certificates and keys
    #[arg(long, env = "FOCUSFLOW_DATA_DIR", default_value = ".focusflow")]
    data_dir: PathBuf,
    /// The name that every identity of the mesh begins with
    #[arg(long, env = "MESH_TRUST_DOMAIN", default_value = "focusflow.local")]
    trust_domain: TrustDomain,
    /// Once ready, print what is where as one line of JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let begun = Instant::now();
    // What the person asked for is on standard output; the log speaks up only when something is wrong.
    process::prepare_with_filter(LogFormat::Plain, "warn,focusflow_storage::mail=info")?;

    let data = Data::prepare(&arguments.data_dir, &arguments.trust_domain, SystemTime::now())?;
    let services = Services::build(&arguments, &data).await?;
    let greeting = services.greeting(&arguments)?;
    let (running, drains) = services.start();
    tokio::spawn(ca::renew_forever(data.ca_directory(), data.leaves(), SystemTime::now));
    greeting.print(arguments.json, begun.elapsed());

    let mut signals = Signals::new()?;
    let signal = signals.next().await;
    info!(signal, "shutdown begins");
    tokio::select! {
        () = drains.in_order() => {}
        signal = signals.next() => info!(signal, "a second signal ends it at once"),
    }
    running.abort_all();
    Ok(())
}

/// All three, with their ports bound.
struct Services {
    storage: Storage,
    ai: Ai,
    gateway: Gateway,
    /// Of the public port.
    scheme: &'static str,
    sends_mail: bool,
}

/// Services under way.
struct Running(Vec<tokio::task::JoinHandle<()>>);

/// One shutdown for each service.
struct Drains {
    gateway: DrainHandle,
    ai: DrainHandle,
    storage: DrainHandle,
}

impl Services {
    /// Builds in the order of need, so that each is told the address that the one before it got.
    async fn build(arguments: &Arguments, data: &Data) -> Result<Self> {
        let settings = |account: &str| Settings::new(arguments, data, account);

        let mut config = focusflow_storage::Config::from_variables(settings(STORAGE).reader())?;
        config.listen.mesh = SocketAddr::new(arguments.host, arguments.storage_port);
        let sends_mail = config.mail.is_some();
        let mut storage = focusflow_storage::build(config).await.context("storage cannot start")?;
        let storage_url = url("https", storage.local_addr()?);

        let ai_settings = settings(AI).with("STORAGE_SERVICE_URL", &storage_url);
        let mut config = focusflow_ai::Config::from_variables(ai_settings.reader())?;
        config.listen.mesh = SocketAddr::new(arguments.host, arguments.ai_port);
        let ai = focusflow_ai::build(config).await.context("ai cannot start")?;

        let gateway_settings = settings(GATEWAY)
            .with("STORAGE_SERVICE_URL", &storage_url)
            .with("AI_SERVICE_URL", &url("https", ai.local_addr()?))
            .or("JWT_SECRET", data.jwt_secret());
        let mut config = focusflow_gateway::config::Config::from_variables(gateway_settings.reader())?;
        config.listen.public = SocketAddr::new(arguments.host, arguments.port);
        config.listen.admin = Some(SocketAddr::new(arguments.host, arguments.admin_port));
        let scheme = config.tls.scheme();
        if !sends_mail {
            storage = storage.show_mail_links(format!("{scheme}://localhost:{}", arguments.port));
        }
        let gateway = focusflow_gateway::build(config).await.context("the gateway cannot start")?;
        Ok(Self { storage, ai, gateway, scheme, sends_mail })
    }

    fn greeting(&self, arguments: &Arguments) -> Result<Greeting> {
        Ok(Greeting {
            gateway: self.gateway.local_addr()?.port(),
            scheme: self.scheme,
            storage: self.storage.local_addr()?.port(),
            ai: self.ai.local_addr()?.port(),
            admin: self.gateway.admin_addr().map(|address| address.port()),
            data_dir: arguments.data_dir.clone(),
            sends_mail: self.sends_mail,
        })
    }

    fn start(self) -> (Running, Drains) {
        let (storage_handle, storage_drain) = drain_of(self.storage.health());
        let (ai_handle, ai_drain) = drain_of(self.ai.health());
        let (gateway_handle, gateway_drain) = drain_of(self.gateway.health());
        let running = Running(vec![
            tokio::spawn(self.storage.run(storage_drain)),
            tokio::spawn(self.ai.run(ai_drain)),
            tokio::spawn(self.gateway.run(gateway_drain)),
        ]);
        (running, Drains { gateway: gateway_handle, ai: ai_handle, storage: storage_handle })
    }
}

impl Running {
    fn abort_all(self) {
        for task in self.0 {
            task.abort();
        }
    }
}

impl Drains {
    /// Callers before those they call: the edge's last answers need the others.
    async fn in_order(self) {
        self.gateway.drain().await;
        self.ai.drain().await;
        self.storage.drain().await;
    }
}

fn drain_of(health: &Health) -> (DrainHandle, Drain) {
    drain::channel(DrainConfig::default(), health.clone())
}

/// The environment of one service: what `up` decides, else what the person has set, else what `up` suggests.
struct Settings {
    decided: HashMap<&'static str, String>,
    suggested: HashMap<&'static str, String>,
}

impl Settings {
    fn new(arguments: &Arguments, data: &Data, account: &str) -> Self {
        let settings = Self { decided: HashMap::new(), suggested: HashMap::new() };
        settings
            .with("MESH_CERT_DIR", &data.leaf_directory(account).display().to_string())
            .with("MESH_TRUST_DOMAIN", &arguments.trust_domain.to_string())
            .with("FOCUSFLOW_DATA_DIR", &arguments.data_dir.display().to_string())
            // The process has one admin port, the gateway's; metrics are the process's in any case.
            .with("ADMIN_PORT", "off")
            .or("DATABASE_URL", &data.database_url())
            .or("MESH_IMPERSONATORS", DEVELOPER)
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.decided.insert(name, value.to_owned());
        self
    }

    fn or(mut self, name: &'static str, value: &str) -> Self {
        self.suggested.insert(name, value.to_owned());
        self
    }

    fn reader(&self) -> impl Fn(&str) -> Option<String> {
        |name| {
            let set = || std::env::var(name).ok().filter(|value| !value.is_empty());
            self.decided.get(name).cloned().or_else(set).or_else(|| self.suggested.get(name).cloned())
        }
    }
}

/// The address as another service of this process reaches it.
fn url(scheme: &str, bound: SocketAddr) -> String {
    let host = if bound.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { bound.ip() };
    format!("{scheme}://{}", SocketAddr::new(host, bound.port()))
}
