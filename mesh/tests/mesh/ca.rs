//! The development authority: what it writes, and when it renews.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use focusflow_mesh::ca::{CaError, DevelopmentCa, LeafDirectory, LeafRequest, describe, renew_due, renew_forever};
use focusflow_mesh::tls::watch_directory;
use tokio::time::{Instant, sleep};

use crate::pki::{Pki, TRUST_DOMAIN, load, meet};

#[test]
fn an_authority_opens_as_it_was_created() {
    let pki = Pki::new();

    let opened = DevelopmentCa::open(pki.path("ca")).unwrap();

    assert_eq!(opened.trust_domain().as_str(), TRUST_DOMAIN);
    assert_eq!(opened.bundle_pem(), pki.ca.bundle_pem());
    assert_eq!(opened.revocations_pem(), None);
}

#[test]
fn creating_an_authority_does_not_overwrite_one() {
    let pki = Pki::new();

    let again = DevelopmentCa::create(pki.path("ca"), pki.trust_domain(), SystemTime::now());

    assert!(matches!(again, Err(CaError::Exists(_))));
    let opened = DevelopmentCa::open_or_create(pki.path("ca"), pki.trust_domain(), SystemTime::now()).unwrap();
    assert_eq!(opened.bundle_pem(), pki.ca.bundle_pem());
}

#[test]
fn a_directory_without_an_authority_is_said_to_have_none() {
    let pki = Pki::new();
    assert!(matches!(DevelopmentCa::open(pki.path("elsewhere")), Err(CaError::Absent(_))));
}

#[test]
fn an_authority_whose_key_is_not_its_certificates_is_refused() {
    let (pki, other) = (Pki::new(), Pki::new());
    let certificate = pki.ca.bundle_pem();
    let other_issuer = fs::read_to_string(other.path("ca").join("issuer.pem")).unwrap();
    let other_key = &other_issuer[other_issuer.find("-----BEGIN PRIVATE KEY").unwrap()..];
    let path = pki.path("ca").join("issuer.pem");

    for (text, reason) in [
        (format!("{certificate}{other_key}"), "the private key is not the certificate's"),
        (certificate.to_owned(), "there is no private key"),
        (other_key.to_owned(), "no items found"),
    ] {
        fs::write(&path, text).unwrap();
        let error = DevelopmentCa::open(pki.path("ca")).err().unwrap().to_string();
        assert!(error.starts_with(&format!("{}: ", path.display())) && error.contains(reason), "{error}");
    }
}

#[test]
fn private_keys_are_readable_by_their_owner_only() {
    let mut pki = Pki::new();
    pki.ca.stage_successor(SystemTime::now()).unwrap();
    let leaf = pki.write("storage");

    for path in [pki.path("ca").join("issuer.pem"), pki.path("ca").join("successor.pem"), leaf.join("key.pem")] {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
}

#[test]
fn a_leaf_directory_holds_just_what_a_process_needs() {
    let mut pki = Pki::new();
    assert_eq!(names_in(&pki.write("storage")), ["ca.pem", "cert.pem", "key.pem"]);

    pki.ca.revoke("01", SystemTime::now()).unwrap();
    assert_eq!(names_in(&pki.write("storage")), ["ca.pem", "cert.pem", "crl.pem", "key.pem"]);
}

#[test]
fn a_revocation_list_that_somebody_else_put_there_stays_and_is_no_reason_to_renew() {
    let pki = Pki::new();
    let leaf = leaf(&pki, "storage", Duration::from_hours(24));
    let now = SystemTime::now();
    let renew = || renew_due(&pki.path("ca"), std::slice::from_ref(&leaf), now).unwrap();
    renew();
    let list = leaf.directory.join("crl.pem");
    fs::write(&list, "a peer is locked out").unwrap();
    let serial = describe(&leaf.directory).unwrap().serial;

    renew();
    assert_eq!(describe(&leaf.directory).unwrap().serial, serial);
    pki.write("storage");
    assert_eq!(fs::read_to_string(&list).unwrap(), "a peer is locked out");
}

#[test]
fn names_that_cannot_stand_in_a_certificate_are_refused() {
    let pki = Pki::new();
    let issue = |request: &LeafRequest| pki.ca.issue(request, SystemTime::now()).err();

    assert!(matches!(issue(&LeafRequest::new("gate/way")), Some(CaError::Identity(_))));
    let mut request = LeafRequest::new("gateway");
    request.dns_names.push("gätewäy".to_owned());
    assert!(matches!(issue(&request), Some(CaError::Sign(_))));
}

#[test]
fn a_lifetime_beyond_all_calendars_is_cut_to_ten_years() {
    let pki = Pki::new();
    let now = SystemTime::now();
    let leaf = leaf(&pki, "storage", Duration::MAX);

    renew_due(&pki.path("ca"), std::slice::from_ref(&leaf), now).unwrap();

    let life = describe(&leaf.directory).unwrap().not_after.duration_since(now).unwrap();
    assert!(life <= Duration::from_hours(3650 * 24), "{life:?}");
}

#[test]
fn a_certificate_can_be_described() {
    let pki = Pki::new();
    let now = SystemTime::now();
    let directory = pki.write_as_of("storage", now);

    let description = describe(&directory).unwrap();

    assert_eq!(description.subject, "CN=storage");
    assert!(description.issuer.starts_with("CN=mesh.test development CA "), "{}", description.issuer);
    assert_eq!(description.spiffe_id.unwrap().to_string(), "spiffe://mesh.test/ns/default/sa/storage");
    assert_eq!(description.dns_names, ["storage", "localhost"]);
    assert!(description.not_before < now && now < description.not_after);
    assert_eq!(description.fingerprint_sha256.len(), 32 * 3 - 1);
    assert_ne!(describe(&pki.write("storage")).unwrap().serial, description.serial);
}

#[test]
fn what_is_no_certificate_cannot_be_described() {
    let pki = Pki::new();
    let directory = pki.write("storage");
    fs::write(directory.join("cert.pem"), "nothing of the kind").unwrap();

    assert!(matches!(describe(&directory), Err(CaError::Malformed { .. })));
    assert!(matches!(describe(&pki.path("elsewhere")), Err(CaError::Io { .. })));
}

#[tokio::test]
async fn a_root_is_replaced_in_three_steps_without_parting_old_and_new_leaves() {
    let mut pki = Pki::new();
    let old = pki.credentials("gateway");
    let old_root = pki.ca.bundle_pem().to_owned();

    pki.ca.stage_successor(SystemTime::now()).unwrap();
    let informed = pki.credentials("storage");
    meet(&informed, &old, "storage").await.unwrap();

    pki.ca.promote_successor().unwrap();
    let renewed = pki.credentials("ai");
    meet(&informed, &renewed, "storage").await.unwrap();
    meet(&renewed, &informed, "ai").await.unwrap();

    pki.ca.retire_predecessors().unwrap();
    let final_one = pki.credentials("storage");
    meet(&final_one, &renewed, "storage").await.unwrap();
    meet(&final_one, &informed, "storage").await.unwrap_err().by_server("UnknownIssuer");
    assert!(!pki.ca.bundle_pem().contains(&old_root));
}

#[test]
fn the_steps_of_a_rotation_are_refused_out_of_order() {
    let mut pki = Pki::new();
    assert!(matches!(pki.ca.promote_successor(), Err(CaError::NoSuccessor)));

    pki.ca.stage_successor(SystemTime::now()).unwrap();
    assert!(matches!(pki.ca.stage_successor(SystemTime::now()), Err(CaError::SuccessorStaged)));
    assert!(matches!(pki.ca.retire_predecessors(), Err(CaError::SuccessorStaged)));
}

#[test]
fn renewing_writes_what_is_missing_broken_old_or_somebody_elses_and_leaves_the_rest_alone() {
    let pki = Pki::new();
    let leaf = leaf(&pki, "storage", Duration::from_hours(24));
    let now = SystemTime::now();
    let directory = leaf.directory.clone();
    let mut serials = vec![String::new()];
    let mut renewed_at = |now: SystemTime| {
        renew_due(&pki.path("ca"), std::slice::from_ref(&leaf), now).unwrap();
        serials.push(describe(&directory).unwrap().serial);
        serials[serials.len() - 1] != serials[serials.len() - 2]
    };

    assert!(renewed_at(now), "missing");
    assert!(!renewed_at(now + Duration::from_hours(15)), "fresh");
    fs::write(directory.join("key.pem"), "broken").unwrap();
    assert!(renewed_at(now), "broken");
    assert!(renewed_at(now + Duration::from_hours(17)), "past two thirds of its life");
    assert!(renewed_at(now), "not valid yet");
    pki.ca.write_leaf(&directory, &LeafRequest::new("gateway"), now).unwrap();
    assert!(renewed_at(now), "somebody else's");
}

#[test]
fn renewing_follows_what_happens_to_the_authority() {
    let mut pki = Pki::new();
    let leaf = leaf(&pki, "storage", Duration::from_hours(24));
    let now = SystemTime::now();
    let ca_directory = pki.path("ca");
    let renew = || renew_due(&ca_directory, std::slice::from_ref(&leaf), now).unwrap();
    let issuer = || describe(&leaf.directory).unwrap().issuer;
    renew();
    let old_issuer = issuer();

    pki.ca.stage_successor(now).unwrap();
    renew();
    assert_eq!(fs::read_to_string(leaf.directory.join("ca.pem")).unwrap(), pki.ca.bundle_pem());
    assert_eq!(issuer(), old_issuer);

    pki.ca.promote_successor().unwrap();
    renew();
    assert_ne!(issuer(), old_issuer);

    pki.ca.revoke("01", now).unwrap();
    renew();
    assert!(leaf.directory.join("crl.pem").exists());
}

#[test]
fn one_directory_that_cannot_be_written_does_not_keep_the_others_from_being_renewed() {
    let pki = Pki::new();
    let (blocked, other) =
        (leaf(&pki, "ai", Duration::from_hours(24)), leaf(&pki, "storage", Duration::from_hours(24)));
    fs::write(&blocked.directory, "a file where the directory should be").unwrap();

    let outcome = renew_due(&pki.path("ca"), &[blocked, other.clone()], SystemTime::now());

    assert!(matches!(outcome, Err(CaError::Io { .. })), "{outcome:?}");
    load(&other.directory, pki.trust_domain(), SystemTime::now());
}

#[tokio::test(start_paused = true)]
async fn leaves_renew_themselves_at_two_thirds_of_their_life() {
    let pki = Pki::new();
    let leaf = leaf(&pki, "storage", Duration::from_hours(1));
    let (wall_start, start) = (SystemTime::now(), Instant::now());
    renew_due(&pki.path("ca"), std::slice::from_ref(&leaf), wall_start).unwrap();
    let serial = || describe(&leaf.directory).unwrap().serial;
    let first = serial();

    let clock = move || wall_start + start.elapsed();
    tokio::spawn(renew_forever(pki.path("ca"), vec![leaf.clone()], clock));

    sleep(Duration::from_mins(35)).await;
    assert_eq!(serial(), first);
    sleep(Duration::from_mins(6)).await;
    let second = serial();
    assert_ne!(second, first);
    sleep(Duration::from_mins(41)).await;
    assert_ne!(serial(), second);
}

#[tokio::test(start_paused = true)]
async fn renewing_survives_an_authority_that_is_away_for_a_while() {
    let pki = Pki::new();
    let leaf = leaf(&pki, "storage", Duration::from_hours(1));
    fs::rename(pki.path("ca"), pki.path("away")).unwrap();
    tokio::spawn(renew_forever(pki.path("ca"), vec![leaf.clone()], SystemTime::now));

    sleep(Duration::from_secs(10)).await;
    assert!(!leaf.directory.exists());
    fs::rename(pki.path("away"), pki.path("ca")).unwrap();
    sleep(Duration::from_secs(10)).await;

    watch_directory(&leaf.directory, pki.trust_domain()).unwrap();
}

fn leaf(pki: &Pki, service_account: &str, lifetime: Duration) -> LeafDirectory {
    let request = LeafRequest::new(service_account).with_lifetime(lifetime);
    LeafDirectory { directory: pki.path(service_account), request }
}

fn names_in(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
