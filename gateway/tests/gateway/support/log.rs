//! What the edge of a test writes to its log.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::sync::Notify;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::EnvFilter;

/// Takes the log lines of this thread, which runs all of a test, for as long as it lives.
pub(crate) struct Log {
    lines: Lines,
    _taken: DefaultGuard,
}

#[derive(Clone, Default)]
struct Lines {
    text: Arc<Mutex<Vec<u8>>>,
    written: Arc<Notify>,
}

impl Log {
    pub(crate) fn taken(filter: &str) -> Self {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_env_filter(EnvFilter::new(filter))
            .with_writer(move || writer.clone())
            .finish();
        Self { lines, _taken: tracing::subscriber::set_default(subscriber) }
    }

    /// The first line of the access log that has this value in this field; waits for it.
    pub(crate) async fn access_line(&self, field: &str, value: &str) -> Value {
        loop {
            let written = self.lines.written.notified();
            let lines = self.text();
            let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let mut lines = lines.filter(|line| line["target"] == "focusflow::access");
            if let Some(line) = lines.find(|line| line[field] == value) {
                return line;
            }
            written.await;
        }
    }

    /// All that was written.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.lines.text.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.lock().unwrap().extend_from_slice(bytes);
        self.written.notify_one();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
