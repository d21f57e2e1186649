//! What keeps the edge from starting, and what it then says.

use focusflow_gateway::build;
use focusflow_gateway::config::Config;

use crate::support::contract;

/// A configuration from these variables, on free ports of this machine only.
pub(crate) fn config(variables: &[(&str, &str)]) -> Config {
    let find =
        |name: &str| variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned());
    let mut config = Config::from_variables(find).unwrap();
    config.listen.public = ([127, 0, 0, 1], 0).into();
    config.listen.admin = None;
    config
}

/// The same without certificates, which variables cannot say.
pub(crate) fn in_plaintext(mut config: Config) -> Config {
    config.contract.storage = "http://localhost:1".parse().unwrap();
    config.contract.ai = "http://localhost:1".parse().unwrap();
    config
}

pub(crate) async fn refusal(config: Config) -> String {
    match build(config).await {
        Ok(_) => panic!("the edge started"),
        Err(error) => error.to_string(),
    }
}

pub(crate) const SECRET: (&str, &str) = ("JWT_SECRET", "a secret that is long enough to be one");

#[tokio::test]
async fn a_contract_with_signed_in_people_needs_a_secret() {
    assert!(refusal(in_plaintext(config(&[]))).await.starts_with("JWT_SECRET"));
}

#[tokio::test]
async fn an_upstream_over_mtls_needs_certificates() {
    let refusal = refusal(config(&[SECRET])).await;
    assert!(refusal.starts_with("MESH_CERT_DIR") && refusal.contains("https://localhost:7000#storage"), "{refusal}");
}

#[tokio::test]
async fn an_upstream_for_a_service_that_is_not_in_the_contract_is_a_mistake() {
    let mut config = config(&[SECRET, ("GATEWAY_UPSTREAMS", "edge.test.v1.EchoServise=http://localhost:1")]);
    config.contract.descriptor_set = contract();
    let refusal = refusal(config).await;
    assert!(refusal.contains("edge.test.v1.EchoServise"), "{refusal}");
}

#[tokio::test]
async fn bytes_that_are_no_contract_are_refused() {
    let mut config = config(&[SECRET]);
    config.contract.descriptor_set = b"not a descriptor set".to_vec();
    assert!(refusal(config).await.contains("descriptor set"));
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_by_its_variable() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = in_plaintext(config(&[SECRET]));
    config.listen.public = taken.local_addr().unwrap();
    assert!(refusal(config).await.starts_with("PORT: "));
}

#[tokio::test]
async fn an_upstream_by_name_goes_before_what_the_contract_says() {
    let upstream = crate::support::upstream::start().await;
    let named = format!("edge.test.v1.EchoService=http://{upstream}");
    let mut config = in_plaintext(config(&[SECRET, ("GATEWAY_UPSTREAMS", &named)]));
    config.contract.descriptor_set = contract();
    let edge = crate::support::Edge::run(config).await;
    assert_eq!(edge.get("/api/v1/open/named").await.json()["name"], "named");
}
