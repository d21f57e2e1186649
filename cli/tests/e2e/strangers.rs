//! `focusflow gateway --descriptor-set FILE --upstream PACKAGE.SERVICE=URL`: a contract that it has never seen.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::harness::{BINARY, FocusFlow, PASSWORD};

/// Starts a gateway and answers where it listens, which its log says.
async fn gateway(descriptor_set: &Path, upstream: &str) -> (Child, String) {
    let mut process = Command::new(BINARY)
        .args(["gateway", "--upstream", upstream, "--descriptor-set"])
        .arg(descriptor_set)
        .envs([("PORT", "0"), ("ADMIN_PORT", "off"), ("RUST_LOG", "info")])
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["message"] == "the edge is listening" {
            let (_, port) = line["address"].as_str().unwrap().rsplit_once(':').unwrap();
            return (process, format!("http://localhost:{port}"));
        }
    }
    panic!("the gateway ended before it listened");
}

#[tokio::test]
async fn a_contract_of_others_is_served_by_its_own_routes() {
    let focusflow = FocusFlow::start().await;
    let ada = focusflow.register("ada@example.com").await;

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut compiler = protox::Compiler::new([root.join("tests/e2e"), root.join("../proto")]).unwrap();
    compiler.include_imports(true).open_file("strangers.proto").unwrap();
    let descriptor_set = focusflow.home().join("strangers.binpb");
    std::fs::write(&descriptor_set, compiler.encode_file_descriptor_set()).unwrap();
    let upstream = format!("focusflow.v1.AuthService={}", focusflow.url());
    let (_process, url) = gateway(&descriptor_set, &upstream).await;

    let http = reqwest::Client::new();
    let user = http.post(format!("{url}/people/ada%40example.com:signIn")).json(&json!(PASSWORD)).send().await.unwrap();
    assert_eq!(user.status(), 200);
    // The fields that this contract does not declare stay behind.
    assert_eq!(user.json::<Value>().await.unwrap(), json!({"id": ada.id, "email": "ada@example.com"}));

    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    let session: Value = http.put(format!("{url}/session")).json(&body).send().await.unwrap().json().await.unwrap();
    assert_eq!(session["expiresIn"], 900);

    let unknown = http.get(format!("{url}/api/v1/tasks")).send().await.unwrap();
    assert_eq!(unknown.status(), 404);
}
