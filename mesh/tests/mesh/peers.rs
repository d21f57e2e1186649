//! Who is admitted to a connection, and who is not.

use std::fs;
use std::sync::Arc;
use std::time::SystemTime;

use focusflow_mesh::ca::{LeafRequest, describe};
use focusflow_mesh::tls::{ExpectedPeer, PeerError};
use rcgen::{CertificateParams, Issuer, KeyPair, SanType};
use rustls::crypto::aws_lc_rs;
use rustls::version::TLS13;
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::pki::{Pki, handshake, load, meet, trust_also, two_days_ago};

#[tokio::test]
async fn the_right_peer_is_admitted_and_both_sides_learn_who_the_other_is() {
    let pki = Pki::new();

    let met = meet(&pki.credentials("storage"), &pki.credentials("gateway"), "storage").await.unwrap();

    assert_eq!(met.client_saw.to_string(), "spiffe://mesh.test/ns/default/sa/storage");
    assert_eq!(met.server_saw.to_string(), "spiffe://mesh.test/ns/default/sa/gateway");
    assert_eq!(met.protocol.as_deref(), Some(b"h2".as_slice()));
}

#[tokio::test]
async fn a_server_of_another_service_account_is_refused() {
    let pki = Pki::new();

    let refused = meet(&pki.credentials("ai"), &pki.credentials("gateway"), "storage").await.unwrap_err();

    refused.by_client("ServiceAccount { expected: \"storage\"");
}

#[tokio::test]
async fn a_host_name_does_not_make_an_identity() {
    let pki = Pki::new();
    // The certificate of "ai" is valid for the host name that is dialled, and that is not enough.
    let mut request = LeafRequest::new("ai");
    request.dns_names.push("storage".to_owned());
    pki.ca.write_leaf(&pki.path("ai"), &request, SystemTime::now()).unwrap();
    let server = load(&pki.path("ai"), pki.trust_domain(), SystemTime::now());

    let refused = meet(&server, &pki.credentials("gateway"), "storage").await.unwrap_err();

    refused.by_client("ServiceAccount { expected: \"storage\"");
}

#[tokio::test]
async fn anybody_of_the_trust_domain_will_do_if_nobody_in_particular_is_expected() {
    let pki = Pki::new();
    let (server, client) = (pki.credentials("ai"), pki.credentials("gateway"));
    let anybody = ExpectedPeer::AnyInTrustDomain;

    let met = handshake(server.server_config(), client.client_config(&anybody), anybody.server_name()).await.unwrap();

    assert_eq!(met.client_saw.service_account(), "ai");
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let pki = Pki::new();
    let server = pki.credentials("storage");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pki.ca.bundle_pem().as_bytes()).unwrap()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();

    let refused = handshake(server.server_config(), Arc::new(client), "storage".try_into().unwrap()).await.unwrap_err();

    refused.by_server("peer sent no certificates");
}

#[tokio::test]
async fn an_expired_client_is_refused() {
    let pki = Pki::new();
    let client = pki.credentials_as_of("gateway", two_days_ago());

    let refused = meet(&pki.credentials("storage"), &client, "storage").await.unwrap_err();

    refused.by_server("certificate expired");
}

#[tokio::test]
async fn an_expired_server_is_refused() {
    let pki = Pki::new();
    let server = pki.credentials_as_of("storage", two_days_ago());

    let refused = meet(&server, &pki.credentials("gateway"), "storage").await.unwrap_err();

    refused.by_client("certificate expired");
}

#[tokio::test]
async fn a_peer_of_another_authority_is_refused_on_both_sides() {
    let (pki, stranger) = (Pki::new(), Pki::new());
    let stranger_directory = stranger.write("gateway");
    // The stranger would gladly talk to us.
    trust_also(&stranger_directory, &pki.ca);
    let stranger = load(&stranger_directory, stranger.trust_domain(), SystemTime::now());

    meet(&pki.credentials("storage"), &stranger, "storage").await.unwrap_err().by_server("UnknownIssuer");
    meet(&stranger, &pki.credentials("storage"), "gateway").await.unwrap_err().by_client("UnknownIssuer");
}

#[tokio::test]
async fn a_peer_of_another_trust_domain_is_refused_even_if_its_root_is_trusted() {
    let (pki, other) = (Pki::new(), Pki::of("other.test"));
    let (storage_directory, other_directory) = (pki.write("storage"), other.write("gateway"));
    trust_also(&storage_directory, &other.ca);
    trust_also(&other_directory, &pki.ca);
    let storage = load(&storage_directory, pki.trust_domain(), SystemTime::now());
    let other = load(&other_directory, other.trust_domain(), SystemTime::now());

    meet(&storage, &other, "storage").await.unwrap_err().by_client("TrustDomain { expected: TrustDomain(other.test)");
    meet(&other, &storage, "gateway").await.unwrap_err().by_client("TrustDomain { expected: TrustDomain(mesh.test)");
}

#[tokio::test]
async fn a_client_of_another_trust_domain_is_refused_by_the_server() {
    let (pki, other) = (Pki::new(), Pki::of("other.test"));
    let storage_directory = pki.write("storage");
    trust_also(&storage_directory, &other.ca);
    let storage = load(&storage_directory, pki.trust_domain(), SystemTime::now());
    let leaf = other.ca.issue(&LeafRequest::new("gateway"), SystemTime::now()).unwrap();
    let client = plain_client(pki.ca.bundle_pem(), &leaf.certificate_pem, &leaf.key_pem);

    let refused = handshake(storage.server_config(), client, "storage".try_into().unwrap()).await.unwrap_err();

    refused.by_server("TrustDomain { expected: TrustDomain(mesh.test)");
}

#[tokio::test]
async fn a_certificate_with_two_identities_is_refused() {
    let pki = Pki::new();
    let uris = ["spiffe://mesh.test/ns/default/sa/ai", "spiffe://mesh.test/ns/default/sa/gateway"];
    let client = client_with_uris(&pki, &uris);

    let refused = handshake(pki.credentials("storage").server_config(), client, "storage".try_into().unwrap()).await;

    refused.unwrap_err().by_server("UriCount(2)");
}

#[tokio::test]
async fn a_certificate_without_an_identity_is_refused() {
    let pki = Pki::new();
    let server = pki.credentials("storage").server_config();

    let nobody = client_with_uris(&pki, &[]);
    let refused = handshake(Arc::clone(&server), nobody, "storage".try_into().unwrap()).await;
    refused.unwrap_err().by_server("UriCount(0)");

    let workload = client_with_uris(&pki, &["spiffe://mesh.test/workload"]);
    let refused = handshake(server, workload, "storage".try_into().unwrap()).await;
    refused.unwrap_err().by_server("Identity(Path(");
}

#[tokio::test]
async fn a_revoked_peer_is_refused_on_both_sides_and_others_are_not() {
    let mut pki = Pki::new();
    let revoked = pki.credentials("ai");
    pki.ca.revoke(&describe(&pki.path("ai")).unwrap().serial, SystemTime::now()).unwrap();
    let (storage, gateway) = (pki.credentials("storage"), pki.credentials("gateway"));

    meet(&storage, &revoked, "storage").await.unwrap_err().by_server("Revoked");
    meet(&revoked, &gateway, "ai").await.unwrap_err().by_client("Revoked");
    meet(&storage, &gateway, "storage").await.unwrap();
}

#[tokio::test]
async fn revoking_one_more_keeps_the_earlier_ones_revoked() {
    let mut pki = Pki::new();
    let first = pki.credentials("ai");
    pki.ca.revoke(&describe(&pki.path("ai")).unwrap().serial, SystemTime::now()).unwrap();
    let second = pki.credentials("bench");
    pki.ca.revoke(&describe(&pki.path("bench")).unwrap().serial, SystemTime::now()).unwrap();
    let storage = pki.credentials("storage");

    meet(&storage, &first, "storage").await.unwrap_err().by_server("Revoked");
    meet(&storage, &second, "storage").await.unwrap_err().by_server("Revoked");
}

#[tokio::test]
async fn a_peer_that_was_admitted_can_be_judged_again() {
    let mut pki = Pki::new();
    let storage = pki.credentials("storage");
    let met = meet(&storage, &pki.credentials("gateway"), "storage").await.unwrap();
    let now = SystemTime::now();
    assert_eq!(storage.verify_client(&met.client_chain, now).unwrap(), met.server_saw);

    pki.ca.revoke(&describe(&pki.path("gateway")).unwrap().serial, now).unwrap();
    let storage = pki.credentials("storage");

    let judgement = storage.verify_client(&met.client_chain, now);
    assert!(matches!(judgement, Err(PeerError::Path(webpki::Error::CertRevoked))), "{judgement:?}");
}

#[tokio::test]
async fn a_session_is_never_resumed() {
    let pki = Pki::new();
    let (server, client) = (pki.credentials("storage"), pki.credentials("gateway"));
    let expected = ExpectedPeer::ServiceAccount("storage".to_owned());
    let client = client.client_config(&expected);

    for _ in 0..2 {
        let met = handshake(server.server_config(), Arc::clone(&client), expected.server_name()).await.unwrap();
        assert_eq!(met.kind, Some(HandshakeKind::Full));
    }
}

#[tokio::test]
async fn a_client_that_would_resume_is_given_nothing_to_resume_with() {
    let pki = Pki::new();
    let server = pki.credentials("storage");
    let leaf = pki.ca.issue(&LeafRequest::new("gateway"), SystemTime::now()).unwrap();
    // The library's default client remembers sessions.
    let client = plain_client(pki.ca.bundle_pem(), &leaf.certificate_pem, &leaf.key_pem);

    for _ in 0..2 {
        let name = "storage".try_into().unwrap();
        let met = handshake(server.server_config(), Arc::clone(&client), name).await.unwrap();
        assert_eq!(met.kind, Some(HandshakeKind::Full));
    }
}

/// A client of the plain TLS library, which judges servers by root and host name only.
fn plain_client(roots_pem: &str, certificate_pem: &str, key_pem: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(roots_pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(
            vec![CertificateDer::from_pem_slice(certificate_pem.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).unwrap(),
        )
        .unwrap();
    Arc::new(config)
}

/// A client whose certificate the authority signed, but with these URIs instead of one identity.
fn client_with_uris(pki: &Pki, uris: &[&str]) -> Arc<ClientConfig> {
    let root_pem = fs::read_to_string(pki.path("ca").join("issuer.pem")).unwrap();
    let (certificate_pem, key_pem) = root_pem.split_at(root_pem.find("-----BEGIN PRIVATE KEY").unwrap());
    let issuer = Issuer::from_ca_cert_pem(certificate_pem, KeyPair::from_pem(key_pem).unwrap()).unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())).collect();
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    plain_client(pki.ca.bundle_pem(), &certificate.pem(), &key.serialize_pem())
}
