//! What is where, once everything is up.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

/// The ports that were bound, and the folder.
pub(super) struct Greeting {
    pub(super) gateway: u16,
    /// Of the public port: `http` or `https`.
    pub(super) scheme: &'static str,
    pub(super) storage: u16,
    pub(super) ai: u16,
    pub(super) admin: Option<u16>,
    pub(super) data_dir: PathBuf,
    /// Whether mail goes to people.
    pub(super) sends_mail: bool,
}

impl Greeting {
    pub(super) fn print(&self, json: bool, elapsed: Duration) {
        if json {
            println!("{}", self.json());
        } else {
            println!("{}", self.text(elapsed));
        }
    }

    fn json(&self) -> String {
        json!({
            "gateway": format!("localhost:{}", self.gateway),
            "storage": format!("localhost:{}", self.storage),
            "ai": format!("localhost:{}", self.ai),
            "admin": self.admin.map(|port| format!("localhost:{port}")),
            "dataDir": self.data_dir,
        })
        .to_string()
    }

    fn text(&self, elapsed: Duration) -> String {
        let Self { gateway, scheme, storage, ai, .. } = self;
        let plaintext = if *scheme == "http" { "-plaintext " } else { "" };
        let data = self.data_dir.display();
        let admin = self.admin.map_or_else(String::new, |port| {
            format!("\n  admin      http://localhost:{port}    /livez /readyz /startupz /health /metrics")
        });
        let mail = if self.sends_mail { "to people, by EMAIL_SMTP_URL" } else { "not sent: its links are shown here" };
        let certificates = self.data_dir.join("certs/developer");
        let certificates = certificates.display();
        format!(
            "FocusFlow {version} is up after {seconds:.2} s.

  edge       {scheme}://localhost:{gateway}    REST, gRPC-Web and gRPC
  storage    https://localhost:{storage}   gRPC over mutual TLS
  ai         https://localhost:{ai}   gRPC over mutual TLS{admin}
  data       {data}    database, development CA, certificates, signing key
  mail       {mail}

Create an account:
  curl {scheme}://localhost:{gateway}/api/v1/auth/register --json \\
    '{{\"email\": \"you@example.com\", \"password\": \"correct horse battery\", \"firstName\": \"You\"}}'

Look around, at the edge and inside the mesh:
  grpcurl {plaintext}localhost:{gateway} list
  grpcurl -cacert {certificates}/ca.pem -cert {certificates}/cert.pem -key {certificates}/key.pem \\
    localhost:{storage} list

README.md has a tour. Ctrl-C drains and stops.",
            version = env!("CARGO_PKG_VERSION"),
            seconds = elapsed.as_secs_f64(),
        )
    }
}
