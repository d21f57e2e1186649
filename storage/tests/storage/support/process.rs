//! The service as a process of its own, which can be killed.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use focusflow_mesh::channel::Channel;
use tokio::sync::oneshot;

use super::{Machine, TRUST_DOMAIN};

/// What a process logs once it serves, with its address.
const SERVES: &str = "listening to the mesh";
const LOG_FILTER: &str = "off,focusflow_mesh::node=info";

/// The service as a process of its own; it is killed when it is dropped, if not before.
pub(crate) struct Process {
    child: Child,
    /// To the process, as the gateway.
    pub(crate) gateway: Channel,
}

impl Process {
    /// Starts a process and waits until it serves.
    pub(crate) async fn start(machine: &Machine) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_focusflow-storage"))
            .env("STORAGE_PORT", "0")
            .env("ADMIN_PORT", "off")
            .env("DATABASE_URL", machine.database_url())
            .env("MESH_CERT_DIR", machine.certificates("storage"))
            .env("MESH_TRUST_DOMAIN", TRUST_DOMAIN)
            .env("RUST_LOG", LOG_FILTER)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (serves, address) = oneshot::channel();
        std::thread::spawn(move || {
            let mut lines = log.lines().map_while(Result::ok);
            let address = lines.find(|line| line.contains(SERVES)).map(|line| address_in(&line));
            let _ = serves.send(address);
            // A pipe that nobody reads would hold the process up.
            lines.for_each(drop);
        });
        let address = address.await.unwrap().expect("the process ended before it served");
        Self { child, gateway: machine.channel("gateway", address) }
    }

    /// Ends the process as a lost machine would: nothing of it runs any more, not even to say so.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// The service listens on all addresses; the one of this machine reaches it.
fn address_in(line: &str) -> SocketAddr {
    let fields: serde_json::Value = serde_json::from_str(line).unwrap();
    let address: SocketAddr = fields["address"].as_str().unwrap().parse().unwrap();
    SocketAddr::from(([127, 0, 0, 1], address.port()))
}
