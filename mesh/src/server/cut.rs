//! Why a connection ended before its peer wanted it to, in the words of the metric.

use std::error::Error as StdError;
use std::io;

/// Counts a connection that ended by the server's rules; one that only broke is nobody's fault.
pub(super) fn count(error: &hyper::Error) {
    if let Some(reason) = reason(error) {
        metrics::counter!("server_connections_cut_total", "reason" => reason).increment(1);
    }
}

fn reason(error: &hyper::Error) -> Option<&'static str> {
    if error.is_parse() {
        return Some("malformed");
    }
    let causes = || std::iter::successors(error.source(), |cause| (*cause).source());
    if causes().filter_map(|cause| cause.downcast_ref()).any(is_stall) {
        return Some("stalled");
    }
    if error.is_timeout() {
        return Some("timeout");
    }
    causes().find_map(|cause| cause.downcast_ref::<h2::Error>()).and_then(of_http2)
}

fn of_http2(error: &h2::Error) -> Option<&'static str> {
    if let Some(broken) = error.get_io() {
        return is_stall(broken).then_some("stalled");
    }
    if error.is_remote() {
        return None;
    }
    match error.reason() {
        Some(h2::Reason::ENHANCE_YOUR_CALM) => Some("flood"),
        Some(h2::Reason::NO_ERROR) | None => None,
        Some(_) => Some("malformed"),
    }
}

/// Ours, of [`Stalling`](super::stall::Stalling), or the system's, which gives a peer up that acknowledges nothing. Only
/// the kind comes through h2.
fn is_stall(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::TimedOut
}
