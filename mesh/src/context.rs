//! What travels with a request through every hop: its id, its trace, its deadline, its person and its caller.
//!
//! The server reads a [`Context`] from a request's headers, puts it into the request's extensions and makes it
//! [current](Context::current) while the handler and its response stream run. A [`Channel`](crate::channel::Channel)
//! takes it from there and writes it into the headers of the next hop.

mod scope;
mod timeout;
mod trace;

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;
use tonic::Status;
use uuid::Uuid;

use crate::identity::SpiffeId;
use crate::refusal::{Reason, Refusal};

pub(crate) use self::scope::Entered;
pub use self::scope::Scoped;
pub use self::timeout::{GRPC_TIMEOUT_HEADER, InvalidTimeout, format_timeout, parse_timeout};
pub use self::trace::Trace;

/// Carries the signed-in person's id between services; only the gateway may set it.
pub const USER_ID_HEADER: HeaderName = HeaderName::from_static("x-focusflow-user-id");

/// Carries the request's id.
pub const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Carries the W3C trace context.
pub const TRACEPARENT_HEADER: HeaderName = HeaderName::from_static("traceparent");

/// Carries what tracing systems add to the trace context.
pub const TRACESTATE_HEADER: HeaderName = HeaderName::from_static("tracestate");

/// Longer request ids are replaced.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// What travels with a request.
#[derive(Clone, Debug)]
pub struct Context {
    /// Names the request in every log line that it causes.
    pub request_id: RequestId,
    /// Its place in a distributed trace.
    pub trace: Trace,
    /// When its answer is no longer wanted; `None`: never.
    pub deadline: Option<Instant>,
    /// The signed-in person whose request it is.
    pub user_id: Option<Uuid>,
    /// Who is at the other end of the connection it came over; `None` without mTLS.
    pub peer: Option<SpiffeId>,
}

/// Names a request: what the caller chose if that is sane, else a UUIDv7.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl Context {
    /// The context of work that no request caused.
    pub fn root() -> Self {
        Self { request_id: RequestId::generate(), trace: Trace::root(), deadline: None, user_id: None, peer: None }
    }

    /// Reads request id and trace from headers. Deadline, person and peer are for the caller to decide: whether they
    /// are believed depends on where the request came from.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        Self {
            request_id: RequestId::from_headers(headers),
            trace: Trace::from_headers(headers),
            deadline: None,
            user_id: None,
            peer: None,
        }
    }

    /// The context of the request that this task is working on.
    pub fn current() -> Option<Self> {
        scope::current()
    }

    /// Makes this context current while `future` runs.
    pub fn scope<F: Future>(self, future: F) -> Scoped<F> {
        Scoped::new(self, future)
    }

    /// Makes this context current while `work` runs.
    pub fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        scope::enter(self, work)
    }

    /// The same context with a deadline that is not later than `deadline`.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(self.deadline.map_or(deadline, |earlier| earlier.min(deadline)));
        self
    }

    /// Writes request id and trace into the headers of the next hop.
    pub fn write(&self, headers: &mut HeaderMap) {
        headers.insert(REQUEST_ID_HEADER, sent_once(self.request_id.to_header()));
        headers.insert(TRACEPARENT_HEADER, sent_once(self.trace.to_header()));
        match &self.trace.state {
            Some(state) => headers.insert(TRACESTATE_HEADER, state.clone()),
            None => headers.remove(TRACESTATE_HEADER),
        };
    }
}

/// Keeps a value that will not come again out of HPACK's table, where it would push out those that do.
///
/// The library calls this sensitive; nothing here is secret.
pub(crate) fn sent_once(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

impl RequestId {
    /// A new UUIDv7.
    pub fn generate() -> Self {
        // Not `Uuid::now_v7`, which asks the operating system for randomness each time.
        let millis = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid();
        let mut text = Uuid::encode_buffer();
        let id = id.hyphenated().encode_lower(&mut text);
        Self(HeaderValue::from_str(id).unwrap_or_else(|_| HeaderValue::from_static("unknown")))
    }

    /// The caller's choice if it is 1 to 128 printable ASCII characters without spaces, else a new one.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        match headers.get(REQUEST_ID_HEADER) {
            Some(id) if is_sane(id.as_bytes()) => Self(id.clone()),
            _ => Self::generate(),
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        // Both constructors admit ASCII only.
        self.0.to_str().unwrap_or_default()
    }

    /// The id as the value of `x-request-id`.
    pub fn to_header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The signed-in person of a request; UNAUTHENTICATED if it has none.
pub fn user_id<T>(request: &tonic::Request<T>) -> Result<Uuid, Status> {
    let context = request.extensions().get::<Context>();
    context.and_then(|context| context.user_id).ok_or_else(|| {
        Refusal::new(Reason::Unauthenticated, "this call needs a signed-in person and names none").into()
    })
}

fn is_sane(id: &[u8]) -> bool {
    (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sane_request_id_is_kept_and_another_replaced() {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID_HEADER, HeaderValue::from_static("client-7"));
        assert_eq!(RequestId::from_headers(&headers).as_str(), "client-7");

        for insane in ["", "has a space", &"x".repeat(129)] {
            headers.insert(REQUEST_ID_HEADER, HeaderValue::from_str(insane).unwrap());
            let id = RequestId::from_headers(&headers);
            assert_eq!(Uuid::parse_str(id.as_str()).unwrap().get_version_num(), 7, "{insane:?}");
        }
    }

    #[test]
    fn a_deadline_is_only_ever_brought_forward() {
        let now = Instant::now();
        let soon = now + std::time::Duration::from_secs(1);
        let context = Context::root().with_deadline(soon).with_deadline(soon + std::time::Duration::from_secs(1));
        assert_eq!(context.deadline, Some(soon));
    }

    #[test]
    fn a_request_without_a_person_is_unauthenticated() {
        let mut request = tonic::Request::new(());
        assert_eq!(user_id(&request).unwrap_err().code(), tonic::Code::Unauthenticated);

        let person = Uuid::now_v7();
        request.extensions_mut().insert(Context { user_id: Some(person), ..Context::root() });
        assert_eq!(user_id(&request).unwrap(), person);
    }
}
