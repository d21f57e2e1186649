//! A Redis server of a test's own, which the test may kill.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The server, in a folder of its own; it ends with the test.
pub(crate) struct RedisServer {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl RedisServer {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = spawn(&folder, port);
        let server = Self { folder, port, process };
        server.answers().await;
        server
    }

    /// What `REDIS_URL` says.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends the server as a failure would.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts the server again, with what it saved.
    pub(crate) async fn restart(&mut self) {
        self.process = spawn(&self.folder, self.port);
        self.answers().await;
    }

    /// Sends a command and answers the first line of what the server says to it.
    pub(crate) async fn command(&self, command: &str) -> Option<String> {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).await.ok()?;
        connection.write_all(format!("{command}\r\n").as_bytes()).await.ok()?;
        let mut answer = vec![0; 4096];
        let length = connection.read(&mut answer).await.ok()?;
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        answer.lines().next().map(ToOwned::to_owned)
    }

    async fn answers(&self) {
        while self.command("PING").await.as_deref() != Some("+PONG") {
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(folder: &TempDir, port: u16) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("the tests need redis-server")
}
