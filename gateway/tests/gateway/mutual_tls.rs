//! The edge among peers of the mesh.

use std::path::Path;
use std::time::SystemTime;

use focusflow_gateway::config::Config;
use focusflow_mesh::ca::{DevelopmentCa, LeafRequest};
use focusflow_mesh::identity::TrustDomain;
use focusflow_mesh::server::Transport;
use focusflow_mesh::tls::watch_directory;
use http::StatusCode;
use tempfile::TempDir;

use crate::support::{Edge, contract, upstream};

/// An edge whose storage is served by `account`, both with certificates of one authority.
async fn edge_with_storage_served_by(account: &str, directory: &Path) -> Edge {
    let trust_domain: TrustDomain = "focusflow.test".parse().unwrap();
    let ca = DevelopmentCa::create(directory.join("ca"), &trust_domain, SystemTime::now()).unwrap();
    for name in ["gateway", account] {
        ca.write_leaf(&directory.join(name), &LeafRequest::new(name), SystemTime::now()).unwrap();
    }
    let (credentials, _unwatched) = watch_directory(directory.join(account), &trust_domain).unwrap();
    let storage = upstream::start_over(Transport::Mtls(credentials)).await;
    let variables = [
        ("JWT_SECRET", "a secret that is long enough to be one".to_owned()),
        ("MESH_CERT_DIR", directory.join("gateway").display().to_string()),
        ("MESH_TRUST_DOMAIN", trust_domain.to_string()),
        ("STORAGE_SERVICE_URL", format!("https://{storage}")),
    ];
    let find = |name: &str| variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| value.clone());
    let mut config = Config::from_variables(find).unwrap();
    config.listen.public = ([127, 0, 0, 1], 0).into();
    config.listen.admin = None;
    config.contract.descriptor_set = contract();
    Edge::run(config).await
}

#[tokio::test]
async fn a_service_sees_the_edge_and_the_person_it_speaks_for() {
    let directory = TempDir::new().unwrap();
    let edge = edge_with_storage_served_by("storage", directory.path()).await;
    let values = edge.get_signed_in("/api/v1/metadata").await.json()["values"].clone();
    assert_eq!(values["peer"], "spiffe://focusflow.test/ns/default/sa/gateway");
    assert_eq!(values["x-focusflow-user-id"], edge.user_id.to_string());
}

#[tokio::test]
async fn the_edge_tells_nothing_to_a_peer_that_is_not_the_one_the_contract_names() {
    let directory = TempDir::new().unwrap();
    let edge = edge_with_storage_served_by("ai", directory.path()).await;
    let answer = edge.get_signed_in("/api/v1/metadata").await;
    assert_eq!((answer.status, answer.reason().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "NO_ENDPOINT"));
}
