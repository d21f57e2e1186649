//! Processes of a mesh, within the test.

use std::net::SocketAddr;
use std::time::Duration;

use focusflow_mesh::channel::{Channel, ChannelConfig, Target};
use focusflow_mesh::drain::{self, Drain, DrainConfig, DrainHandle};
use focusflow_mesh::health::Health;
use focusflow_mesh::server::{self, Limits, Mesh, MeshBuilder, Transport};
use focusflow_mesh::tls::{Credentials, CredentialsReader};
use focusflow_mesh::{admin, telemetry};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::echo::{Client, Echo, EchoService, FeedService, ForgottenService, policies};
use crate::pki::Pki;

/// Nothing in a test takes this long unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A server of the echo contract, over mTLS unless said otherwise.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    pub(crate) echo: Echo,
    pub(crate) health: Health,
    pub(crate) drain: DrainHandle,
    pub(crate) serving: JoinHandle<()>,
    watching: Drain,
}

/// What differs from one test's server to another's.
pub(crate) struct Options {
    pub(crate) echo: Echo,
    pub(crate) limits: Limits,
    pub(crate) drain: DrainConfig,
    pub(crate) build: fn(MeshBuilder) -> MeshBuilder,
    pub(crate) addr: SocketAddr,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            echo: Echo::default(),
            limits: Limits::default(),
            drain: DrainConfig::default(),
            build: |mesh| mesh,
            addr: ([127, 0, 0, 1], 0).into(),
        }
    }
}

impl Server {
    pub(crate) async fn start(pki: &Pki) -> Self {
        Self::with(pki, Options::default()).await
    }

    pub(crate) async fn with(pki: &Pki, options: Options) -> Self {
        let credentials = CredentialsReader::fixed(pki.credentials("storage"));
        Self::over(Transport::Mtls(credentials), options).await
    }

    pub(crate) async fn over(transport: Transport, options: Options) -> Self {
        telemetry::prometheus().unwrap();
        let health = Health::new();
        let (handle, drain) = drain::channel(options.drain, health.clone());
        let builder = Mesh::builder(policies())
            .add_service(EchoService(options.echo.clone()))
            .add_service(FeedService(options.echo.clone()))
            .add_service(ForgottenService(options.echo.clone()))
            .health(&health)
            .drain(&drain);
        let mesh = (options.build)(builder).build().unwrap();
        let listener = TcpListener::bind(options.addr).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let serving = tokio::spawn(server::serve(listener, transport, options.limits, mesh, drain.clone()));
        Self { addr, echo: options.echo, health, drain: handle, serving, watching: drain }
    }

    /// A client with the identity of a service account.
    pub(crate) fn client(&self, pki: &Pki, service_account: &str) -> Client {
        self.client_with(pki.credentials(service_account))
    }

    pub(crate) fn client_with(&self, credentials: Credentials) -> Client {
        Client::new(self.channel(CredentialsReader::fixed(credentials)))
    }

    pub(crate) fn channel(&self, credentials: CredentialsReader) -> Channel {
        Channel::new(self.target(), Some(credentials), ChannelConfig::default())
    }

    pub(crate) fn target(&self) -> Target {
        format!("https://{}#storage", self.addr).parse().unwrap()
    }

    /// An admin port over this server's health.
    pub(crate) async fn admin(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(admin::serve(Some(listener), self.health.clone(), self.watching.clone()));
        addr
    }
}

/// Asks again and again until the answer is yes, and lets others run meanwhile.
pub(crate) async fn until(mut ask: impl AsyncFnMut() -> bool) {
    within(async {
        while !ask().await {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Ends a test that hangs.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("took too long")
}
