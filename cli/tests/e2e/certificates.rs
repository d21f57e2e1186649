//! `focusflow cert`.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::BINARY;

fn cert(data_dir: &Path, arguments: &[&str]) -> Output {
    Command::new(BINARY).arg("cert").args(arguments).env("FOCUSFLOW_DATA_DIR", data_dir).output().unwrap()
}

#[test]
fn an_authority_issues_certificates_that_say_who_they_are_for() {
    let home = tempfile::tempdir().unwrap();
    assert!(cert(home.path(), &["init"]).status.success());
    assert!(cert(home.path(), &["issue", "storage", "--hours", "2"]).status.success());

    let directory = home.path().join("certs/storage");
    let shown = cert(home.path(), &["show", "--json", directory.to_str().unwrap()]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["spiffeId"], "spiffe://focusflow.local/ns/default/sa/storage");
    assert_eq!(shown["dnsNames"], serde_json::json!(["storage", "localhost"]));
}

#[test]
fn an_authority_is_not_overwritten() {
    let home = tempfile::tempdir().unwrap();
    assert!(cert(home.path(), &["init"]).status.success());
    let root = std::fs::read(home.path().join("ca/ca.pem")).unwrap();
    let again = cert(home.path(), &["init"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("holds a certificate authority already"));
    assert_eq!(std::fs::read(home.path().join("ca/ca.pem")).unwrap(), root);
}

#[test]
fn issuing_without_an_authority_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let refused = cert(home.path(), &["issue", "storage"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("focusflow cert init"));
}

#[test]
fn a_revoked_certificate_stands_on_the_authoritys_list() {
    let home = tempfile::tempdir().unwrap();
    assert!(cert(home.path(), &["init"]).status.success());
    assert!(cert(home.path(), &["issue", "gateway"]).status.success());
    let shown = cert(home.path(), &["show", "--json", home.path().join("certs/gateway").to_str().unwrap()]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();

    assert!(cert(home.path(), &["revoke", shown["serial"].as_str().unwrap()]).status.success());
    let list = std::fs::read_to_string(home.path().join("ca/crl.pem")).unwrap();
    assert!(list.starts_with("-----BEGIN X509 CRL-----"), "{list}");
    assert_eq!(cert(home.path(), &["revoke", "not hexadecimal"]).status.code(), Some(1));
}
