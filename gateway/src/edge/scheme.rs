//! How the client's bytes reach the edge, or the first proxy before it.

use focusflow_mesh::server::Transport;

/// The scheme of the URL that the client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Scheme {
    /// In plaintext, as far as is known.
    #[default]
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    pub(crate) fn of(transport: &Transport) -> Self {
        match transport {
            Transport::Plaintext => Self::Http,
            Transport::Mtls(_) | Transport::Tls(_) => Self::Https,
        }
    }
}
