//! Files that do not make usable credentials, and what is said about them.

use std::fs;
use std::time::{Duration, SystemTime};

use focusflow_mesh::ca::LeafRequest;
use focusflow_mesh::tls::{CredentialFiles, Credentials, watch_directory};
use rcgen::{CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair};

use crate::pki::{Pki, load, trust_also, two_days_ago};

/// What loading the files as they stand says.
fn complaint(pki: &Pki, files: &CredentialFiles) -> String {
    Credentials::new(files, pki.trust_domain(), SystemTime::now()).unwrap_err().to_string()
}

fn files(pki: &Pki, service_account: &str) -> CredentialFiles {
    CredentialFiles::read(&pki.write(service_account)).unwrap()
}

#[test]
fn good_files_tell_who_one_is_and_until_when() {
    let pki = Pki::new();
    let now = SystemTime::now();

    let credentials = pki.credentials_as_of("storage", now);

    assert_eq!(credentials.identity().to_string(), "spiffe://mesh.test/ns/default/sa/storage");
    let life = credentials.not_after().duration_since(now).unwrap();
    assert!(life > Duration::from_hours(24) - Duration::from_secs(2) && life <= Duration::from_hours(24), "{life:?}");
}

#[test]
fn a_missing_file_is_named() {
    let pki = Pki::new();
    for name in ["ca.pem", "cert.pem", "key.pem"] {
        let directory = pki.write("storage");
        fs::remove_file(directory.join(name)).unwrap();

        let error = watch_directory(&directory, pki.trust_domain()).unwrap_err().to_string();

        let path = directory.join(name);
        assert!(error.contains(&format!("{} cannot be read", path.display())), "{error}");
    }
}

#[test]
fn every_kind_of_broken_file_is_named() {
    let pki = Pki::new();
    let good = files(&pki, "storage");
    let half = |pem: &[u8]| pem[..pem.len() / 2].to_vec();
    let not_x509 = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();

    let cases = [
        (CredentialFiles { ca: Vec::new(), ..good.clone() }, "ca.pem holds no certificate"),
        (CredentialFiles { ca: half(&good.ca), ..good.clone() }, "ca.pem is not PEM"),
        (CredentialFiles { ca: not_x509.clone(), ..good.clone() }, "ca.pem, item 1"),
        (CredentialFiles { certificate: Vec::new(), ..good.clone() }, "cert.pem holds no certificate"),
        (CredentialFiles { certificate: half(&good.certificate), ..good.clone() }, "cert.pem is not PEM"),
        (CredentialFiles { certificate: not_x509, ..good.clone() }, "cert.pem, item 1"),
        (CredentialFiles { key: Vec::new(), ..good.clone() }, "key.pem holds no private key"),
        (CredentialFiles { key: half(&good.key), ..good.clone() }, "key.pem is not PEM"),
        (CredentialFiles { revocations: Some(half(&good.ca)), ..good.clone() }, "crl.pem is not PEM"),
        (CredentialFiles { revocations: Some(Vec::new()), ..good.clone() }, "crl.pem holds no list"),
        (CredentialFiles { revocations: Some(b"junk".to_vec()), ..good.clone() }, "crl.pem holds no list"),
    ];
    for (files, expected) in cases {
        let complaint = complaint(&pki, &files);
        assert!(complaint.contains(expected), "{complaint} does not say {expected}");
    }
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let pki = Pki::new();
    let other = files(&pki, "ai");

    let mixed = CredentialFiles { key: other.key, ..files(&pki, "storage") };

    assert_eq!(complaint(&pki, &mixed), "key.pem is not the key of cert.pem");
}

#[test]
fn a_certificate_that_its_own_roots_do_not_vouch_for_is_refused() {
    let (pki, other) = (Pki::new(), Pki::new());

    let mixed = CredentialFiles { ca: files(&other, "storage").ca, ..files(&pki, "storage") };

    let expected =
        "cert.pem would be refused by peers that trust ca.pem: the certificate was issued by no trusted root";
    assert_eq!(complaint(&pki, &mixed), expected);
}

#[test]
fn an_expired_certificate_is_refused() {
    let pki = Pki::new();
    let directory = pki.write_as_of("storage", two_days_ago());

    let complaint = complaint(&pki, &CredentialFiles::read(&directory).unwrap());

    assert!(complaint.contains("the certificate has expired"), "{complaint}");
}

#[test]
fn a_certificate_from_a_clock_that_runs_a_little_ahead_is_accepted_and_one_far_ahead_is_not() {
    let pki = Pki::new();
    let now = SystemTime::now();
    let backdated = Duration::from_mins(5);

    let little = pki.write_as_of("storage", now + backdated + Duration::from_secs(30));
    load(&little, pki.trust_domain(), now);

    let far = pki.write_as_of("storage", now + backdated + Duration::from_mins(5));
    let complaint = complaint(&pki, &CredentialFiles::read(&far).unwrap());
    assert!(complaint.contains("is not valid for another 300 seconds"), "{complaint}");
}

#[test]
fn a_certificate_of_another_trust_domain_is_refused() {
    let other = Pki::of("other.test");
    let files = files(&other, "storage");

    let complaint = complaint(&Pki::new(), &files);

    assert!(complaint.contains("which is not in the trust domain mesh.test"), "{complaint}");
}

#[test]
fn a_revocation_list_that_the_named_root_has_not_signed_is_refused() {
    let pki = Pki::new();
    let files = CredentialFiles { revocations: Some(forged_list(&pki)), ..files(&pki, "storage") };

    let complaint = complaint(&pki, &files);

    assert!(complaint.starts_with("crl.pem, list 1: CN=mesh.test development CA"), "{complaint}");
}

#[test]
fn a_revocation_list_of_a_root_that_is_not_trusted_touches_nobody() {
    let (pki, mut other) = (Pki::new(), Pki::new());
    other.ca.revoke("01:02", SystemTime::now()).unwrap();
    let files = CredentialFiles {
        revocations: other.ca.revocations_pem().map(|pem| pem.as_bytes().to_vec()),
        ..files(&pki, "storage")
    };

    Credentials::new(&files, pki.trust_domain(), SystemTime::now()).unwrap();
}

#[test]
fn a_bundle_may_hold_several_roots() {
    let (pki, other) = (Pki::new(), Pki::new());
    let directory = pki.write("storage");
    trust_also(&directory, &other.ca);

    load(&directory, pki.trust_domain(), SystemTime::now());
}

#[test]
fn private_keys_do_not_reach_a_log() {
    let pki = Pki::new();
    let leaf = pki.ca.issue(&LeafRequest::new("storage"), SystemTime::now()).unwrap();

    let files = CredentialFiles {
        ca: pki.ca.bundle_pem().into(),
        certificate: leaf.certificate_pem.into(),
        key: leaf.key_pem.into(),
        revocations: None,
    };

    assert_eq!(format!("{files:?}"), "CredentialFiles { .. }");
}

/// A list that names the authority's root as its issuer, signed with another key.
fn forged_list(pki: &Pki) -> Vec<u8> {
    let forger = Issuer::from_ca_cert_pem(pki.ca.bundle_pem(), KeyPair::generate().unwrap()).unwrap();
    let now = SystemTime::now();
    let list = CertificateRevocationListParams {
        this_update: now.into(),
        next_update: (now + Duration::from_hours(1)).into(),
        crl_number: 1.into(),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    list.signed_by(&forger).unwrap().pem().unwrap().into_bytes()
}
