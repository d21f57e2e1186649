//! gRPC and gRPC-Web, passed through: metadata and constraints are checked and framing converted, messages stay as they
//! came.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use focusflow_mesh::channel::errors_as_trailers;
use focusflow_mesh::context::{Context, GRPC_TIMEOUT_HEADER};
use focusflow_mesh::framing::{Cardinality, Rules};
use focusflow_mesh::refusal::{Reason, Refusal, withhold_reason};
use focusflow_mesh::telemetry::Call;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TE};
use http::request::Parts;
use http::uri::Uri;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;

use super::Inner;
use super::answer::Failure;
use super::grpc_web::{request_body, response_body};
use super::headers::{strip_browser_headers, strip_for_upstream};
use super::hear_out::hear_out;
use super::media_type::WebEncoding;
use super::metrics::RouteLabel;
use super::verdict::Verdict;
use super::{message_check, message_limit};
use crate::backend::Backend;
use crate::contract::Rpc;
use crate::limits::Caller;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");

const JSON_STATUS: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// Longer paths are not worth repeating to the caller who sent them.
const PATH_CHARACTERS_MAX: usize = 200;

/// Serves native gRPC, or gRPC-Web in the encoding that the request is in.
pub(super) async fn serve(
    inner: &Inner,
    context: Context,
    request: Request<Body>,
    web: Option<WebEncoding>,
) -> Response<Body> {
    if request.method() != Method::POST {
        let failure = Failure::wrong_verb(request.method().as_str(), &[Method::POST.to_string()]);
        return turn_away(inner, failure, request).await;
    }
    if web.is_none() && request.version() < Version::HTTP_2 {
        return inner.render(&Failure::grpc_needs_http2(), &request);
    }
    let answer_encoding = web.map(|encoding| encoding.of_answer(request.headers()));
    let request = match web {
        Some(encoding) => from_web(request, encoding),
        None => request,
    };
    let mut response = if let Some(rpc) = inner.contract.rpc(request.uri().path()).cloned() {
        forward(inner, &rpc, context, request).await
    } else {
        let status = unknown_method(request.uri().path());
        hear_out_over_http1(inner, request.version(), request.into_body()).await;
        status.into_http()
    };
    if !inner.contract.explains() {
        withhold_reason(response.headers_mut());
    }
    match answer_encoding {
        Some(encoding) => to_web(response, encoding),
        None => response,
    }
}

async fn forward(inner: &Inner, rpc: &Arc<Rpc>, context: Context, request: Request<Body>) -> Response<Body> {
    let mut call = rpc.metrics.start();
    let (parts, body) = request.into_parts();
    let version = parts.version;
    let caller = Caller::of(&parts.extensions);
    let mut response = match admit(inner, rpc, context, parts).await {
        Ok((backend, parts)) => {
            let rules = Rules {
                message_bytes_max: inner.limits.body_bytes_max,
                cardinality: Cardinality::of(rpc.policy.client_streaming),
            };
            let (body, verdict) = message_limit::limit(body, rules);
            let (body, verdict) = message_check::check(body, verdict, rpc.rules.clone());
            pass(backend, Request::from_parts(parts, body), verdict).await
        }
        Err(status) => {
            hear_out_over_http1(inner, version, body).await;
            status.into_http()
        }
    };
    call.ended_by(response.headers());
    note_code(&caller, response.headers());
    response.extensions_mut().insert(RouteLabel(Arc::clone(&rpc.label)));
    let explains = inner.contract.explains();
    response.map(|body| Body::new(Counted { inner: body, call, caller, explains }))
}

/// The request's head as its backend gets it.
async fn admit(inner: &Inner, rpc: &Rpc, context: Context, mut parts: Parts) -> Result<(Backend, Parts), Status> {
    let caller = Caller::of(&parts.extensions);
    let admitted = inner.admission.admit(context, rpc, &parts.headers, caller).await?;
    let backend = inner.backend(rpc)?;
    strip_for_upstream(&mut parts.headers, rpc.policy.auth);
    // The channel writes what is left of the deadline.
    parts.headers.remove(GRPC_TIMEOUT_HEADER);
    parts.headers.insert(CONTENT_TYPE, GRPC);
    parts.headers.insert(TE, TRAILERS);
    parts.uri = Uri::from(rpc.path.clone());
    parts.version = Version::HTTP_2;
    admitted.put_into(&mut parts.extensions);
    Ok((backend, parts))
}

/// Hears a refused request out where the connection would end with it.
///
/// Over HTTP/1.1 a connection with an unread body is closed after the answer, and a client that was still writing, as
/// Node's is, loses the answer with it. Over HTTP/2 only the stream ends; a client may even wait there for the answer
/// before it sends more.
async fn hear_out_over_http1(inner: &Inner, version: Version, body: Body) {
    if version < Version::HTTP_2 {
        hear_out(body, inner.limits.body_bytes_max).await;
    }
}

async fn pass(mut backend: Backend, request: Request<Body>, mut verdict: Verdict) -> Response<Body> {
    let response = tokio::select! {
        biased;
        status = &mut verdict => status.into_http(),
        Ok(response) = backend.call(request) => response,
    };
    response.map(|inner| errors_as_trailers(Judged { inner, verdict }))
}

fn from_web(request: Request<Body>, encoding: WebEncoding) -> Request<Body> {
    let (mut parts, body) = request.into_parts();
    strip_browser_headers(&mut parts.headers);
    Request::from_parts(parts, request_body(body, encoding))
}

fn to_web(response: Response<Body>, encoding: WebEncoding) -> Response<Body> {
    let mut response = response.map(|body| response_body(body, encoding));
    response.headers_mut().remove(CONTENT_LENGTH);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(encoding.content_type()));
    response
}

/// Answers what is called in a way that no RPC is.
pub(super) async fn turn_away(inner: &Inner, failure: Failure, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    hear_out(body, inner.limits.body_bytes_max).await;
    let mut response = inner.render(&failure, &Request::from_parts(parts, ()));
    // To clients of Connect, who call the same paths, plain `application/json` is an error in the form of their own.
    response.headers_mut().insert(CONTENT_TYPE, JSON_STATUS);
    response
}

/// Notes the status of a call for the log, if headers or trailers say it.
fn note_code(caller: &Caller, headers: &HeaderMap) {
    if let Some(status) = headers.get(Status::GRPC_STATUS) {
        caller.set_code(Code::from_bytes(status.as_bytes()));
    }
}

/// What is not exposed is answered like what does not exist.
pub(super) fn unknown_method(path: &str) -> Status {
    let shown: String = path.chars().take(PATH_CHARACTERS_MAX).collect();
    Refusal::new(Reason::UnknownMethod, format!("{shown} is not an RPC of this API")).with("method", shown).into()
}

/// A response that fails when its request turns out too large or unreadable.
struct Judged {
    inner: Body,
    verdict: Verdict,
}

impl HttpBody for Judged {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Pending => Pin::new(&mut self.verdict).poll(cx).map(|status| Some(Err(status))),
            ready @ Poll::Ready(_) => ready,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A response that counts how its call ended.
struct Counted {
    inner: Body,
    call: Call,
    caller: Caller,
    explains: bool,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let mut polled = Pin::new(&mut self.inner).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &mut polled
            && let Some(trailers) = frame.trailers_mut()
        {
            self.call.ended_by(trailers);
            note_code(&self.caller, trailers);
            if !self.explains {
                withhold_reason(trailers);
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
