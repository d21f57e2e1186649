//! TLS with the certificates that suites hand out, or with one made for the day. They name hosts and no service of a mesh, so the edge's TLS is
//! what they can be used with; the mesh's own is tested by `mesh/tests`.

use std::sync::Arc;

use anyhow::Result;
use focusflow_mesh::server::Transport;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;

/// A certificate and its key, in PEM.
#[derive(Clone, Copy)]
pub(crate) struct Identity<'a> {
    pub(crate) certificate: &'a [u8],
    pub(crate) key: &'a [u8],
}

/// A server whose certificate nobody has reason to trust.
pub(crate) fn self_signed() -> Result<Transport> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let own = Identity { certificate: certificate.as_bytes(), key: key.as_bytes() };
    Ok(transport(server(own, &[])?))
}

/// A port that speaks TLS by this configuration for good.
pub(crate) fn transport(config: ServerConfig) -> Transport {
    // The sender may go: a configuration that never changes stays readable.
    let (_, current) = watch::channel(Arc::new(config));
    Transport::Tls(current)
}

/// A server that shows `own`, and asks for a client certificate where there is one to trust.
pub(crate) fn server(own: Identity<'_>, client: &[u8]) -> Result<ServerConfig> {
    let provider = provider();
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(rustls::DEFAULT_VERSIONS)?;
    let builder = if client.is_empty() {
        builder.with_no_client_auth()
    } else {
        let roots = Arc::new(roots(client)?);
        builder.with_client_cert_verifier(WebPkiClientVerifier::builder_with_provider(roots, provider).build()?)
    };
    let mut config =
        builder.with_single_cert(certificates(own.certificate)?, PrivateKeyDer::from_pem_slice(own.key)?)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// A client that trusts `server`, and shows `own` where it has one.
pub(crate) fn client(server: &[u8], own: Option<Identity<'_>>) -> Result<ClientConfig> {
    let provider = provider();
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots(server)?), Arc::clone(&provider)).build()?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::DEFAULT_VERSIONS)?
        .with_webpki_verifier(verifier);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            builder.with_client_auth_cert(certificates(own.certificate)?, PrivateKeyDer::from_pem_slice(own.key)?)?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    Ok(CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>()?)
}

fn roots(pem: &[u8]) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}
