//! One call: headers on the way out, a connection, and again where nothing was lost.

use std::error::Error as StdError;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::header::TE;
use http::request::Parts;
use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use tokio::time::{Instant, timeout_at};
use tonic::Status;
use tonic::body::Body;
use tracing::debug;
use uuid::Uuid;

use super::keeper::State;
use super::replay::{Lent, Loan};
use super::response::{self, ACCEPT_ENCODING_HEADER, Receiving};
use super::{Inner, Target};
use crate::context::{Context, GRPC_TIMEOUT_HEADER, USER_ID_HEADER, format_timeout, parse_timeout, sent_once};
use crate::deadline;
use crate::refusal::{Chain, Reason, Refusal};

/// How often a call is sent that peers turn away unseen.
const ATTEMPTS_MAX: usize = 5;

/// Less than a mesh port takes as a whole, since path and authority count there, too.
const HEADERS_BYTES_MAX: usize = 15 * 1024;
/// What each header counts for beside its name and value (RFC 9113, 6.5.2).
const HEADER_OVERHEAD: usize = 32;

/// When to try again after the channel's own limit was reached.
const SHED_RETRY: Duration = Duration::from_millis(100);

/// When to try again, at the least, after a connection was lost or could not be made.
pub(super) const CONNECT_RETRY_MIN: Duration = Duration::from_secs(1);

/// A call's place among those under way on a channel.
#[derive(Debug)]
pub(super) struct InFlight(Arc<AtomicUsize>);

/// How an attempt failed.
enum Failure {
    /// The peer has not looked at the call; here is its body, if it can be had back.
    Unseen(Option<(Loan, Lent)>, hyper::Error),
    /// The peer may have looked at it.
    Lost(hyper::Error),
}

/// The context of a call: what its caller attached, else that of the request which the calling task works on.
pub(super) fn context<B>(request: &Request<B>) -> Context {
    let attached = request.extensions().get::<Context>().cloned();
    attached.or_else(Context::current).unwrap_or_else(|| Context::from_headers(request.headers()))
}

/// Makes a call; every failure is a response.
pub(super) async fn send(channel: &Inner, context: Context, request: Request<Body>) -> Response<Body> {
    let rpc = channel.rpc(request.uri().path());
    let mut call = rpc.metrics.start();
    let accepted_encodings = request.headers().get(ACCEPT_ENCODING_HEADER).cloned();
    match try_send(channel, &context, request).await {
        Ok(Answer { response, deadline, in_flight }) => {
            let target = channel.target.clone();
            let rules = rpc.response;
            response::receive(response, Receiving { call, deadline, in_flight, target, rules, accepted_encodings })
        }
        Err(refusal) => {
            let status = Status::from(refusal);
            call.ended(status.code());
            status.into_http()
        }
    }
}

async fn try_send(channel: &Inner, context: &Context, request: Request<Body>) -> Result<Answer, Refusal> {
    let in_flight = channel.enter()?;
    let sending = Sending::begin(channel, context, request)?;
    let deadline = sending.deadline;
    let response = match deadline {
        None => sending.send().await?,
        Some(deadline) => timeout_at(deadline, sending.send()).await.map_err(|_| deadline::exceeded())??,
    };
    Ok(Answer { response, deadline, in_flight })
}

/// A response's head, and what holds until its body has ended.
struct Answer {
    response: Response<Incoming>,
    deadline: Option<Instant>,
    in_flight: InFlight,
}

/// A call before its response.
struct Sending<'a> {
    channel: &'a Inner,
    head: Parts,
    body: Body,
    deadline: Option<Instant>,
}

impl<'a> Sending<'a> {
    fn begin(channel: &'a Inner, context: &Context, request: Request<Body>) -> Result<Self, Refusal> {
        let (mut head, body) = request.into_parts();
        // What the mesh trusts may come from the contexts of its own only, and extensions do not travel.
        head.extensions.clear();
        let deadline = earliest_deadline(channel, context, &head.headers)?;
        context.write(&mut head.headers);
        if let Some(user_id) = context.user_id.filter(|_| channel.forward_user) {
            head.headers.insert(USER_ID_HEADER, user_header(user_id));
        }
        head.headers.entry(TE).or_insert(HeaderValue::from_static("trailers"));
        check_size(&head.headers)?;
        head.version = Version::HTTP_2;
        head.uri = absolute(&channel.target, &head.uri)?;
        Ok(Self { channel, head, body, deadline })
    }

    async fn send(self) -> Result<Response<Incoming>, Refusal> {
        let Self { channel, head, body, deadline } = self;
        let (mut loan, mut lent) = Loan::new(body);
        let mut attempt = 1;
        loop {
            let sender = channel.connection().await?;
            let mut request = Request::new(loan);
            *request.version_mut() = head.version;
            *request.method_mut() = head.method.clone();
            *request.uri_mut() = head.uri.clone();
            *request.headers_mut() = head.headers.clone();
            write_timeout(request.headers_mut(), deadline);
            match attempt_once(sender, request, &lent).await {
                Ok(response) => return Ok(response),
                Err(Failure::Unseen(Some(again), _)) if attempt < ATTEMPTS_MAX => {
                    (loan, lent) = again;
                    attempt += 1;
                }
                Err(Failure::Unseen(_, error)) => return Err(unseen(&channel.target, &error)),
                Err(Failure::Lost(error)) => return Err(lost(&channel.target, &error)),
            }
        }
    }
}

impl Inner {
    fn enter(&self) -> Result<InFlight, Refusal> {
        // Taken before it is compared, so that two calls cannot share the last place.
        let before = self.calls.fetch_add(1, Ordering::Relaxed);
        let in_flight = InFlight(Arc::clone(&self.calls));
        if before < self.config.calls_max {
            return Ok(in_flight);
        }
        let message = format!("{} calls to {} are under way", self.config.calls_max, self.target.service());
        Err(Refusal::new(Reason::LoadShed, message)
            .with("limit", self.config.calls_max.to_string())
            .retry_after(SHED_RETRY))
    }

    /// A connection that takes calls. Waits while one is being dialled; refused if every dial failed.
    async fn connection(&self) -> Result<SendRequest<Loan>, Refusal> {
        self.start();
        if let Some(sender) = self.ready() {
            return Ok(sender);
        }
        let mut changes = self.changes.subscribe();
        loop {
            if let Some(sender) = self.ready() {
                return Ok(sender);
            }
            if let Some(refusal) = self.down() {
                return Err(refusal);
            }
            // The sender lives as long as the channel that we borrow.
            if changes.changed().await.is_err() {
                return Err(no_endpoint(&self.target, CONNECT_RETRY_MIN));
            }
        }
    }

    /// The next connection in turn that takes calls.
    fn ready(&self) -> Option<SendRequest<Loan>> {
        let first = self.next_slot.fetch_add(1, Ordering::Relaxed);
        let count = self.slots.len();
        (0..count).find_map(|offset| self.slots[first.wrapping_add(offset) % count].sender())
    }

    /// The refusal of a call if no connection is coming up.
    fn down(&self) -> Option<Refusal> {
        let mut soonest: Option<Instant> = None;
        for slot in &self.slots {
            let State::Down { until } = slot.state() else { return None };
            soonest = Some(soonest.map_or(until, |instant| instant.min(until)));
        }
        Some(no_endpoint(&self.target, soonest?.saturating_duration_since(Instant::now())))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn attempt_once(
    mut sender: SendRequest<Loan>,
    request: Request<Loan>,
    lent: &Lent,
) -> Result<Response<Incoming>, Failure> {
    let mut error = match sender.try_send_request(request).await {
        Ok(response) => return Ok(response),
        Err(error) => error,
    };
    let returned = error.take_message().is_some();
    let error = error.into_error();
    if returned || is_unseen(&error) {
        return Err(Failure::Unseen(lent.lend_again(), error));
    }
    Err(Failure::Lost(error))
}

/// Whether the peer says that it did not process the call: it refused the stream, or was leaving when the call came.
fn is_unseen(error: &hyper::Error) -> bool {
    let Some(error) = error.source().and_then(|source| source.downcast_ref::<h2::Error>()) else { return false };
    match error.reason() {
        Some(h2::Reason::REFUSED_STREAM) => true,
        Some(h2::Reason::NO_ERROR) => error.is_go_away(),
        _ => false,
    }
}

fn unseen(target: &Target, error: &hyper::Error) -> Refusal {
    debug!(%target, error = %Chain(error), "the peer turns calls away");
    no_endpoint(target, CONNECT_RETRY_MIN)
}

/// The keeper has logged why, with the address.
fn no_endpoint(target: &Target, wait: Duration) -> Refusal {
    Refusal::new(Reason::NoEndpoint, format!("{} cannot be reached", target.service()))
        .retry_after(wait.max(CONNECT_RETRY_MIN))
}

/// The refusal of a call whose connection broke, at whatever point.
pub(super) fn lost(target: &Target, error: &hyper::Error) -> Refusal {
    debug!(%target, error = %Chain(error), "a call lost its connection");
    Refusal::new(Reason::ConnectionLost, format!("the connection to {} was lost", target.service()))
        .retry_after(CONNECT_RETRY_MIN)
}

fn earliest_deadline(channel: &Inner, context: &Context, headers: &HeaderMap) -> Result<Option<Instant>, Refusal> {
    let asked = parse_timeout(headers).map_err(|error| {
        Refusal::new(Reason::BadHeader, error.to_string()).with("header", GRPC_TIMEOUT_HEADER.as_str())
    })?;
    let timeout = match (asked, context.deadline) {
        (None, None) => channel.config.timeout,
        (asked, _) => asked,
    };
    let own = timeout.and_then(deadline::after);
    let deadline = [own, context.deadline].into_iter().flatten().min();
    match deadline {
        Some(deadline) if deadline <= Instant::now() => Err(deadline::exceeded()),
        deadline => Ok(deadline),
    }
}

/// Refuses a call whose headers the peer would not take: it may end the connection for them, which is everybody's.
fn check_size(headers: &HeaderMap) -> Result<(), Refusal> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + HEADER_OVERHEAD).sum();
    if bytes <= HEADERS_BYTES_MAX {
        return Ok(());
    }
    let message = format!("the headers of the call have {bytes} bytes, and {HEADERS_BYTES_MAX} are taken");
    Err(Refusal::new(Reason::BadHeader, message).with("limit", HEADERS_BYTES_MAX.to_string()))
}

/// Tells the peer what is left of the time when the call leaves.
fn write_timeout(headers: &mut HeaderMap, deadline: Option<Instant>) {
    if let Some(deadline) = deadline {
        let left = deadline.saturating_duration_since(Instant::now());
        headers.insert(GRPC_TIMEOUT_HEADER, sent_once(format_timeout(left)));
    }
}

fn user_header(user_id: Uuid) -> HeaderValue {
    let mut text = Uuid::encode_buffer();
    let text = user_id.hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn absolute(target: &Target, uri: &Uri) -> Result<Uri, Refusal> {
    let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    Uri::builder()
        .scheme(target.scheme.clone())
        .authority(target.authority.clone())
        .path_and_query(path)
        .build()
        .map_err(|error| Refusal::new(Reason::UnknownMethod, format!("the RPC has no valid path: {error}")))
}
