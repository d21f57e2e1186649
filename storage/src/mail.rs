//! Mail to people, through the SMTP server that `EMAIL_SMTP_URL` names.
//!
//! A mail has the same Message-ID however often it is sent, so that who receives it twice can tell. That happens in one
//! case only: the server has taken the mail, and the process ends, or loses the server or the database, before that is
//! written down.

mod config;
mod letter;
mod message;

use std::fmt::{self, Debug, Formatter};
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp::PoolConfig;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use tokio::time::timeout;

pub use self::config::MailConfig;
pub(crate) use self::letter::Letter;
pub(crate) use self::message::{Content, Item, Mail};

/// How long an attempt to send may take, from the connection to the server's last word.
pub(crate) const SEND_TIMEOUT: Duration = Duration::from_mins(1);
/// How long a step of connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Mails are sent one after the other; a second connection is for the test of a server that refused one.
const CONNECTIONS_MAX: u32 = 2;

/// Sends mail.
pub(crate) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    link: Option<String>,
}

/// Where mail goes.
#[derive(Debug)]
pub(crate) enum Outlet {
    /// To people.
    Server(Mailer),
    /// Nowhere: the log says that a mail was not sent.
    Log {
        /// Where links of mails lead to, which the log then shows. They open accounts: for the person at the keyboard
        /// only.
        links: Option<String>,
    },
}

/// Why a mail was not sent. Nothing in it names the person.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// Sending it again will not help.
    #[error("the mail is refused for good: {0}")]
    Refused(String),
    /// This mail may be taken later.
    #[error("the mail is not taken now: {0}")]
    Later(String),
    /// There is nobody to send mail by.
    #[error("there is no mail server")]
    NoServer,
    /// No mail is taken now.
    #[error("the mail server cannot be used: {0}")]
    Server(String),
}

impl Mailer {
    /// Prepares connections, of which the first is made for the first mail. Needs a Tokio runtime.
    pub(crate) fn new(config: MailConfig) -> Self {
        let pool = PoolConfig::new().max_size(CONNECTIONS_MAX);
        let transport = config.transport.timeout(Some(CONNECT_TIMEOUT)).pool_config(pool).build();
        Self { transport, from: config.from, link: config.link }
    }

    /// Sends a mail. Without an error, the server has taken it.
    pub(crate) async fn send(&self, mail: &Mail) -> Result<(), SendError> {
        let message = message::build(mail, &self.from, self.link.as_deref())?;
        match timeout(SEND_TIMEOUT, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.explain(&error).await),
            Err(_) => Err(SendError::Server("it takes too long".to_owned())),
        }
    }

    /// A reply that refuses can mean this mail, or this client whatever it sends: a wrong password is refused for good,
    /// too, but no mail deserves to be given up for it. A server that lets the client in meant the mail.
    async fn explain(&self, error: &lettre::transport::smtp::Error) -> SendError {
        let Some(code) = error.status() else { return SendError::Server(error.to_string()) };
        let is_in = timeout(CONNECT_TIMEOUT, self.transport.test_connection()).await;
        match is_in {
            Ok(Ok(true)) if error.is_permanent() => SendError::Refused(code.to_string()),
            Ok(Ok(true)) => SendError::Later(code.to_string()),
            _ => SendError::Server(code.to_string()),
        }
    }

    /// Says goodbye to the server.
    pub(crate) async fn close(&self) {
        self.transport.shutdown().await;
    }
}

impl Outlet {
    /// Sends a mail, or says that there is no way to.
    pub(crate) async fn send(&self, mail: &Mail) -> Result<(), SendError> {
        let links = match self {
            Self::Server(mailer) => return mailer.send(mail).await,
            Self::Log { links } => links,
        };
        if let (Some(base), Content::Account(letter)) = (links, &mail.content) {
            let link = letter.link(Some(base)).unwrap_or_default();
            tracing::info!(mail.id = %mail.id, mail.link = link, "not mailed: {}", letter.subject());
        } else {
            tracing::warn!(mail.id = %mail.id, "a mail is not sent: EMAIL_SMTP_URL names no server");
        }
        Err(SendError::NoServer)
    }

    /// Says goodbye to the server.
    pub(crate) async fn close(&self) {
        if let Self::Server(mailer) = self {
            mailer.close().await;
        }
    }
}

impl From<lettre::error::Error> for SendError {
    fn from(error: lettre::error::Error) -> Self {
        Self::Refused(error.to_string())
    }
}

impl Debug for Mailer {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mailer").field("from", &self.from).finish_non_exhaustive()
    }
}
