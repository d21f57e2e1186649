//! Whether a client speaks HTTPS, as far as the edge can know.

use focusflow_mesh::server::Peer;
use http::Request;

use crate::limits::TrustedProxies;

/// How a client reaches the edge, or the proxy before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// In plaintext.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// By the connection, or where that is a trusted proxy's, by what the proxy says.
    pub(super) fn of<B>(request: &Request<B>, proxies: &TrustedProxies) -> Self {
        let is_https = request.extensions().get::<Peer>().is_some_and(|peer| {
            peer.is_tls || proxies.scheme(peer.addr.ip(), request.headers()).is_some_and(|scheme| scheme == "https")
        });
        if is_https { Self::Https } else { Self::Http }
    }
}
