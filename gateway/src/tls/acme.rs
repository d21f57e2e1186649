//! A certificate from an authority that issues them by itself (RFC 8555), proved over the public port (RFC 8737).
//!
//! The authority opens a TLS connection to the public port and asks for the protocol `acme-tls/1`; the handshake shows it
//! what it wants to see. Nothing but the port is needed for that, and it has to be reached at port 443 of the domains.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use focusflow_mesh::refusal::Chain;
use focusflow_mesh::server::ACME_TLS_ALPN;
use futures_util::StreamExt as _;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_acme::{AcmeConfig, AcmeState, EventOk};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::config::AcmeSettings;

use super::cache::Cache;
use super::{provider, server_config};

/// How long an order may take. The library waits for answers without a limit, and one that never came would be the end of
/// renewals.
const ORDER_MAX: Duration = Duration::from_mins(15);

/// The wait after an order that failed doubles up to 2 to this many seconds, some 18 hours.
const BACKOFF_DOUBLINGS_MAX: u32 = 16;

type State = AcmeState<io::Error>;

/// Why no certificate can be asked for.
#[derive(Debug, Error)]
pub enum AcmeError {
    /// The authority's own certificate cannot be judged.
    #[error("ACME_CA_FILE: {} cannot be used: {reason}", path.display())]
    Roots {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The same, without a file.
    #[error("ACME_CA_FILE: needed because this system has no root certificates")]
    NoRoots,
    /// What is obtained cannot be kept.
    #[error("ACME_CACHE_DIR: {} cannot be written to: {source}", path.display())]
    Cache {
        /// The directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The TLS library refuses its configuration.
    #[error("TLS cannot be configured: {0}")]
    Tls(#[from] rustls::Error),
}

/// Obtains the certificate, and renews it when a third of its life is left.
pub(crate) struct Renewal {
    settings: AcmeSettings,
    directory: Arc<ClientConfig>,
    cache: Cache,
    state: State,
    sender: watch::Sender<Arc<ServerConfig>>,
    /// What the port speaks from the next event on: not before a new state has read the certificate that was kept.
    next: Option<ServerConfig>,
}

impl Renewal {
    /// Until there is a certificate, handshakes fail.
    pub(super) fn new(settings: AcmeSettings) -> Result<(watch::Receiver<Arc<ServerConfig>>, Self), AcmeError> {
        let directory = Arc::new(directory_client(&settings)?);
        let cache = Cache::open(settings.cache.clone())
            .map_err(|source| AcmeError::Cache { path: settings.cache.clone(), source })?;
        let state = state(&settings, &directory, &cache);
        let (sender, receiver) = watch::channel(Arc::new(port_config(&state)?));
        Ok((receiver, Self { settings, directory, cache, state, sender, next: None }))
    }

    pub(super) async fn run(mut self) {
        let mut failures = 0;
        loop {
            let heard = timeout(self.patience(failures), self.state.next()).await;
            self.take_over();
            match heard {
                Ok(Some(Ok(event))) => {
                    failures = 0;
                    report(&event);
                }
                Ok(Some(Err(error))) => {
                    failures += 1;
                    metrics::counter!("tls_reload_total", "result" => "error").increment(1);
                    warn!(error = %Chain(&error), failures, "no certificate from the authority; it is asked again");
                }
                Ok(None) | Err(_) => self.begin_again(),
            }
        }
    }

    /// How long nothing may be heard: until the next order is due, and for the time it may take.
    fn patience(&self, failures: u32) -> Duration {
        let pause = Duration::from_secs(1 << failures.min(BACKOFF_DOUBLINGS_MAX));
        let due = self.cache.validity().map(|(not_before, not_after)| {
            let life = not_after.duration_since(not_before).unwrap_or_default();
            (not_after - life / 3).duration_since(SystemTime::now()).unwrap_or_default()
        });
        pause.max(due.unwrap_or_default()) + ORDER_MAX
    }

    /// What has hung is dropped. The certificate comes from the cache, so that the port goes on with it.
    fn begin_again(&mut self) {
        warn!("the authority has not answered in time; it is asked again");
        self.state = state(&self.settings, &self.directory, &self.cache);
        // The same call has succeeded before, with the same arguments but for the state.
        self.next = port_config(&self.state).ok();
        if self.cache.validity().is_none() {
            self.take_over();
        }
    }

    fn take_over(&mut self) {
        if let Some(config) = self.next.take() {
            self.sender.send_replace(Arc::new(config));
        }
    }
}

fn state(settings: &AcmeSettings, directory: &Arc<ClientConfig>, cache: &Cache) -> State {
    let config: AcmeConfig<Infallible> =
        AcmeConfig::new_with_client_config(&settings.domains, Arc::clone(directory)).directory(&settings.directory_url);
    config.contact(settings.contacts.iter().map(|address| format!("mailto:{address}"))).cache(cache.clone()).state()
}

/// What the port speaks: the same as with files, and the protocol in which the authority looks.
fn port_config(state: &State) -> Result<ServerConfig, rustls::Error> {
    let mut config = server_config(state.resolver())?;
    config.alpn_protocols.push(ACME_TLS_ALPN.to_vec());
    Ok(config)
}

fn directory_client(settings: &AcmeSettings) -> Result<ClientConfig, AcmeError> {
    let roots = match &settings.roots {
        Some(path) => roots_of(path).map_err(|reason| AcmeError::Roots { path: path.clone(), reason })?,
        None => system_roots()?,
    };
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn roots_of(path: &PathBuf) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())? {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() { Err("it holds no certificate".to_owned()) } else { Ok(roots) }
}

fn system_roots() -> Result<RootCertStore, AcmeError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(AcmeError::NoRoots) } else { Ok(roots) }
}

fn report(event: &EventOk) {
    match event {
        EventOk::DeployedCachedCert => info!("the public port's certificate is the one that was kept"),
        EventOk::DeployedNewCert => {
            metrics::counter!("tls_reload_total", "result" => "ok").increment(1);
            info!("the public port has a new certificate");
        }
        EventOk::CertCacheStore | EventOk::AccountCacheStore => {}
    }
}
