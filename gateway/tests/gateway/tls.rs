//! TLS on the public port, with a certificate from files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use focusflow_gateway::config::{CertificateFiles, Config, TlsConfig};
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::startup::{SECRET, config, in_plaintext, refusal};
use crate::support::{Edge, contract, upstream};

/// An authority, and a folder with the certificate that it gave to the edge.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { issuer, folder: TempDir::new().unwrap() };
        authority.renew();
        authority
    }

    /// Replaces certificate and key.
    fn renew(&self) -> Bytes {
        let (certificate, key) = self.issue(|_| {});
        fs::write(self.path("cert.pem"), certificate.pem()).unwrap();
        fs::write(self.path("key.pem"), key.serialize_pem()).unwrap();
        certificate.der().to_vec().into()
    }

    fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn files(&self) -> TlsConfig {
        TlsConfig::Files(CertificateFiles { certificate: self.path("cert.pem"), key: self.path("key.pem") })
    }

    /// An edge that speaks TLS.
    pub(crate) async fn edge(&self, change: impl FnOnce(&mut Config)) -> Edge {
        let mut config = Edge::config(contract(), upstream::start().await).await;
        config.tls = self.files();
        change(&mut config);
        Edge::run(config).await
    }

    fn client(&self, protocol: &str, versions: &[&'static SupportedProtocolVersion]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        TlsConnector::from(Arc::new(config))
    }

    pub(crate) async fn connect(&self, edge: &Edge, protocol: &str) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(edge.address).await.unwrap();
        self.client(protocol, &[&TLS12, &TLS13]).connect("localhost".try_into().unwrap(), stream).await.unwrap()
    }

    /// Whether a new client is served.
    pub(crate) async fn is_served(&self, edge: &Edge) -> bool {
        get(&mut http1(self.connect(edge, "http/1.1").await).await).await == StatusCode::OK
    }

    /// The certificate that a new connection is shown.
    async fn shown(&self, edge: &Edge) -> Bytes {
        let stream = self.connect(edge, "h2").await;
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec().into()
    }
}

type Http1 = hyper::client::conn::http1::SendRequest<Empty<Bytes>>;

async fn http1(stream: TlsStream<TcpStream>) -> Http1 {
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn get(sender: &mut Http1) -> StatusCode {
    let request = Request::get("/api/v1/open/a").header("host", "localhost").body(Empty::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = response.status();
    response.into_body().collect().await.unwrap();
    status
}

/// Asks again and again until the answer is yes.
async fn until(mut ask: impl AsyncFnMut() -> bool) {
    while !ask().await {
        // The files are looked at every second; this only spares the processor.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn one_port_speaks_http_2_and_http_1_over_tls_as_the_client_asks() {
    let authority = Authority::new();
    let edge = authority.edge(|_| {}).await;
    assert_eq!(get(&mut http1(authority.connect(&edge, "http/1.1").await).await).await, StatusCode::OK);

    let stream = TokioIo::new(authority.connect(&edge, "h2").await);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://localhost/api/v1/open/a").body(Empty::<Bytes>::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_2));
}

#[tokio::test]
async fn clients_of_tls_1_2_and_1_3_are_served_and_others_are_not() {
    let authority = Authority::new();
    let edge = authority.edge(|_| {}).await;
    for (version, expected) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let stream = TcpStream::connect(edge.address).await.unwrap();
        let client = authority.client("http/1.1", &[version]);
        let stream = client.connect("localhost".try_into().unwrap(), stream).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(expected));
    }
    let stream = TcpStream::connect(edge.address).await.unwrap();
    let other = authority.client("spdy/3", &[&TLS13]);
    assert!(other.connect("localhost".try_into().unwrap(), stream).await.is_err(), "no protocol in common");
}

#[tokio::test]
async fn changed_files_are_shown_to_the_next_client_and_an_open_connection_stays() {
    let authority = Authority::new();
    let edge = authority.edge(|_| {}).await;
    let mut open = http1(authority.connect(&edge, "http/1.1").await).await;
    assert_eq!(get(&mut open).await, StatusCode::OK);

    let renewed = authority.renew();
    until(async || authority.shown(&edge).await == renewed).await;
    assert_eq!(get(&mut open).await, StatusCode::OK);
}

/// The only test whose files are refused, so that the count is its own.
#[tokio::test]
async fn changed_files_that_do_not_fit_leave_the_last_good_ones_and_are_counted() {
    let metrics = focusflow_mesh::telemetry::prometheus().unwrap();
    let refusals = || {
        let line = "tls_reload_total{result=\"error\"} ";
        metrics.render().lines().find_map(|found| found.strip_prefix(line)?.parse::<u64>().ok()).unwrap_or_default()
    };
    let authority = Authority::new();
    let edge = authority.edge(|_| {}).await;
    let first = authority.shown(&edge).await;
    for (round, bad) in (1..).zip(["not PEM", KeyPair::generate().unwrap().serialize_pem().as_str()]) {
        fs::write(authority.path("key.pem"), bad).unwrap();
        until(async || refusals() == round).await;
        assert_eq!(authority.shown(&edge).await, first);
    }
    let renewed = authority.renew();
    until(async || authority.shown(&edge).await == renewed).await;
    assert!(metrics.render().contains("tls_certificate_expiry_seconds{identity=\"edge\"}"));
}

/// What the edge says when its files are as `change` leaves them.
async fn refused(change: impl FnOnce(&Authority)) -> String {
    let authority = Authority::new();
    change(&authority);
    let mut config = in_plaintext(config(&[SECRET]));
    config.tls = authority.files();
    let refusal = refusal(config).await;
    refusal.replace(&authority.folder.path().display().to_string(), "")
}

fn write(authority: &Authority, name: &str, contents: impl AsRef<[u8]>) {
    fs::write(authority.path(name), contents).unwrap();
}

#[tokio::test]
async fn files_that_cannot_be_used_keep_the_edge_from_starting_and_are_named() {
    let missing = refused(|authority| fs::remove_file(authority.path("key.pem")).unwrap()).await;
    assert!(missing.contains("EDGE_TLS_KEY_FILE") && missing.contains("/key.pem cannot be read"), "{missing}");
    let garbage = refused(|authority| write(authority, "cert.pem", "not a certificate")).await;
    assert_eq!(garbage, "EDGE_TLS_CERT_FILE (/cert.pem) holds no certificate");
    let broken = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    let broken = refused(|authority| write(authority, "cert.pem", broken)).await;
    assert!(broken.starts_with("EDGE_TLS_CERT_FILE (/cert.pem) cannot be used"), "{broken}");
    let swapped = refused(|authority| {
        fs::copy(authority.path("cert.pem"), authority.path("key.pem")).unwrap();
    });
    assert_eq!(swapped.await, "EDGE_TLS_KEY_FILE (/key.pem) holds no private key");
    let other = refused(|authority| write(authority, "key.pem", KeyPair::generate().unwrap().serialize_pem())).await;
    assert_eq!(other, "EDGE_TLS_KEY_FILE (/key.pem) is not the key of EDGE_TLS_CERT_FILE (/cert.pem)");
    let expired = refused(|authority| {
        let (certificate, key) = authority.issue(|params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
        write(authority, "cert.pem", certificate.pem());
        write(authority, "key.pem", key.serialize_pem());
    });
    assert_eq!(expired.await, "EDGE_TLS_CERT_FILE (/cert.pem) has expired");
}

#[tokio::test]
async fn an_authority_that_cannot_be_judged_keeps_the_edge_from_starting() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let acme = |roots: &Path, cache: &str| {
        let roots = roots.display().to_string();
        let variables =
            [SECRET, ("ACME_DOMAINS", "edge.example.org"), ("ACME_CA_FILE", &roots), ("ACME_CACHE_DIR", cache)];
        in_plaintext(config(&variables))
    };
    let absent = refusal(acme(&folder.path().join("roots.pem"), &path("acme"))).await;
    assert!(absent.starts_with("ACME_CA_FILE: "), "{absent}");
    let authority = Authority::new();
    fs::write(authority.path("roots.pem"), authority.issuer.pem()).unwrap();
    let cache = refusal(acme(&authority.path("roots.pem"), "/dev/null/acme")).await;
    assert!(cache.starts_with("ACME_CACHE_DIR: "), "{cache}");
}
