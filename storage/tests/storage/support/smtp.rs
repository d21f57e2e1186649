//! A real SMTP server, of which the test decides each answer.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use focusflow_mesh::environment::Environment;
use focusflow_storage::mail::MailConfig;
use serde::Deserialize;
use tokio::sync::mpsc::{self, UnboundedReceiver};

/// Debian's own Python has Debian's aiosmtpd; another one may come first in the path.
const PYTHONS: [&str; 2] = ["/usr/bin/python3", "python3"];
pub(crate) const ACCEPTED: &str = "250 OK";

/// aiosmtpd as a process of its own.
pub(crate) struct SmtpServer {
    pub(crate) port: u16,
    questions: UnboundedReceiver<String>,
    replies: ChildStdin,
    process: Child,
}

/// A client's step, which waits for its reply.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Question {
    number: u64,
    pub(crate) step: Step,
    pub(crate) sender: String,
    #[serde(default)]
    pub(crate) recipient: String,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) text: String,
    #[serde(default)]
    pub(crate) html: String,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Step {
    Mail,
    Rcpt,
    /// After the whole message.
    Data,
}

#[derive(Deserialize)]
struct Listening {
    port: u16,
}

impl SmtpServer {
    pub(crate) async fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/storage/support/smtp_server.py");
        for python in PYTHONS {
            let mut command = Command::new(python);
            command.arg(&script).stdin(Stdio::piped()).stdout(Stdio::piped());
            let Ok(mut process) = command.spawn() else { continue };
            let mut questions = lines_of(&mut process);
            if let Some(line) = questions.recv().await {
                let Listening { port } = serde_json::from_str(&line).unwrap();
                return Self { port, questions, replies: process.stdin.take().unwrap(), process };
            }
            process.wait().unwrap();
        }
        panic!("the tests need Python with aiosmtpd: install python3-aiosmtpd")
    }

    pub(crate) fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    pub(crate) fn config(&self) -> MailConfig {
        let url = self.url();
        let variable = |name: &str| match name {
            "EMAIL_SMTP_URL" => Some(url.clone()),
            "EMAIL_FROM" => Some("FocusFlow <focusflow@focusflow.test>".to_owned()),
            "FRONTEND_URL" => Some("https://app.focusflow.test".to_owned()),
            _ => None,
        };
        MailConfig::read(&Environment::new(&variable)).unwrap().unwrap()
    }

    /// The next step of any client.
    pub(crate) async fn question(&mut self) -> Question {
        serde_json::from_str(&self.questions.recv().await.unwrap()).unwrap()
    }

    pub(crate) fn reply(&mut self, question: &Question, reply: &str) {
        writeln!(self.replies, "{} {reply}", question.number).unwrap();
    }

    /// Takes the next mail.
    pub(crate) async fn mail(&mut self) -> Question {
        loop {
            let question = self.question().await;
            self.reply(&question, ACCEPTED);
            if question.step == Step::Data {
                return question;
            }
        }
    }

    /// Answers the next recipient with `reply`, and everything before as if the mail were wanted.
    pub(crate) async fn refuse_recipient(&mut self, reply: &str) -> Question {
        loop {
            let question = self.question().await;
            if question.step == Step::Rcpt {
                self.reply(&question, reply);
                return question;
            }
            self.reply(&question, ACCEPTED);
        }
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn lines_of(process: &mut Child) -> UnboundedReceiver<String> {
    let output = BufReader::new(process.stdout.take().unwrap());
    let (sender, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    lines
}
