//! A FocusFlow of a test's own: free ports, a folder of its own, gone with the test.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};

use focusflow_mesh::channel::{Channel, ChannelConfig, Target};
use focusflow_mesh::tls;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tonic::Request;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_focusflow");
pub(crate) const PASSWORD: &str = "correct horse battery";

/// `focusflow up`, ready.
pub(crate) struct FocusFlow {
    process: Child,
    where_is: Addresses,
    home: TempDir,
    http: reqwest::Client,
}

/// What `focusflow up --json` prints.
#[derive(Deserialize)]
struct Addresses {
    gateway: String,
    storage: String,
    ai: String,
    admin: String,
}

/// A signed-in person.
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
}

/// An answer over REST.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl FocusFlow {
    pub(crate) async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap()).await
    }

    /// Starts on what an earlier one has left.
    pub(crate) async fn start_in(home: TempDir) -> Self {
        let mut process = Command::new(BINARY)
            .args(["up", "--json", "--port=0", "--storage-port=0", "--ai-port=0", "--admin-port=0", "--data-dir"])
            .arg(home.path())
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let ready = lines.next_line().await.unwrap().expect("focusflow up ended before it was ready");
        let where_is = serde_json::from_str(&ready).unwrap();
        Self { process, where_is, home, http: reqwest::Client::new() }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.where_is.gateway)
    }

    pub(crate) fn admin_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.where_is.admin)
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn certificates(&self, account: &str) -> PathBuf {
        self.home.path().join("certs").join(account)
    }

    /// A request to `/api/v1` and what is said to it.
    pub(crate) async fn rest(&self, method: Method, path: &str, token: Option<&str>, body: Option<Value>) -> Answer {
        let mut request = self.http.request(method, format!("{}/api/v1{path}", self.url()));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        Answer { status: response.status().as_u16(), body: response.json().await.unwrap_or(Value::Null) }
    }

    pub(crate) async fn get(&self, path: &str, person: &Person) -> Value {
        let answer = self.rest(Method::GET, path, Some(&person.access_token), None).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    pub(crate) async fn post(&self, path: &str, person: &Person, body: Value) -> Value {
        let answer = self.rest(Method::POST, path, Some(&person.access_token), Some(body)).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    pub(crate) async fn register(&self, email: &str) -> Person {
        let body = json!({
            "email": email, "password": PASSWORD, "firstName": "Ada", "lastName": "Lovelace",
            "timeZone": "Europe/London",
        });
        let answer = self.rest(Method::POST, "/auth/register", None, Some(body)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        Person::from(&answer.body)
    }

    /// The edge over native gRPC.
    pub(crate) fn edge(&self) -> Channel {
        Channel::new(self.url().parse().unwrap(), None, ChannelConfig::default())
    }

    /// Storage, seen by whoever has the certificate of `account`.
    pub(crate) fn storage_as(&self, account: &str) -> Channel {
        self.inside(&self.where_is.storage, account)
    }

    /// ai, seen by whoever has the certificate of `account`.
    pub(crate) fn ai_as(&self, account: &str) -> Channel {
        self.inside(&self.where_is.ai, account)
    }

    fn inside(&self, address: &str, account: &str) -> Channel {
        let trust_domain = "focusflow.local".parse().unwrap();
        let (credentials, _) = tls::watch_directory(self.certificates(account), &trust_domain).unwrap();
        let target: Target = format!("https://{address}").parse().unwrap();
        Channel::new(target, Some(credentials), ChannelConfig::default())
    }

    /// Ends it as a power cut does, and hands over what is left.
    pub(crate) async fn kill(mut self) -> TempDir {
        self.process.kill().await.unwrap();
        self.home
    }

    /// Ends it as a platform does.
    pub(crate) fn terminate(&self) {
        let pid = self.process.id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) async fn wait(mut self) -> ExitStatus {
        self.process.wait().await.unwrap()
    }

    /// `focusflow import renzo FILE` for a person: its summary.
    pub(crate) async fn import(&self, person: &Person, file: &Path) -> Value {
        let output = self.try_import(person, file).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub(crate) async fn try_import(&self, person: &Person, file: &Path) -> Output {
        self.command(person, &["import", "--json", "renzo"], file).await
    }

    /// `focusflow` with these arguments and a file, for a person.
    pub(crate) async fn command(&self, person: &Person, arguments: &[&str], file: &Path) -> Output {
        Command::new(BINARY)
            .args(arguments)
            .arg(file)
            .env("FOCUSFLOW_URL", self.url())
            .env("FOCUSFLOW_TOKEN", &person.access_token)
            .output()
            .await
            .unwrap()
    }
}

impl From<&Value> for Person {
    fn from(session: &Value) -> Self {
        let text = |pointer: &str| session.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        Self { id: text("/user/id"), access_token: text("/accessToken"), refresh_token: text("/refreshToken") }
    }
}

impl Person {
    /// A gRPC request that carries the access token.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", format!("Bearer {}", self.access_token).parse().unwrap());
        request
    }

    /// A gRPC request that names the person, as only the gateway and impersonators may.
    pub(crate) fn named_in<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("x-focusflow-user-id", self.id.parse().unwrap());
        request
    }
}
