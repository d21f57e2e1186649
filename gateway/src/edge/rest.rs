//! REST: JSON in, one RPC, JSON out. Paths, verbs and shapes come from the contract.

mod preconditions;
mod request_stream;
mod response_stream;
mod stream_format;

use std::sync::Arc;

use bytes::Bytes;
use focusflow_mesh::context::Context;
use focusflow_mesh::deadline;
use focusflow_mesh::refusal::internal;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use super::Inner;
use super::admission::Admitted;
use super::answer::Failure;
use super::caching::{NO_STORE, REVALIDATED};
use super::etag::Validator;
use super::headers::rest_metadata;
use super::hear_out::{discard, hear_out};
use super::media_type::{charset, essence, is_json};
use super::methods::with_head;
use super::metrics::RouteLabel;
use super::representation::{Representation, Selection, coded, is_read, is_worth_coding, without_body};
use super::verdict::Verdict;
use crate::backend::Backend;
use crate::codec::BytesCodec;
use crate::config::EdgeLimits;
use crate::contract::{Contract, RestRoute};
use crate::limits::Caller;
use crate::refusal::invalid_request;
use crate::transcode::{Incoming, Lookup, Match, Outgoing, RequestError, Route};

use self::preconditions::{check_read, is_etag_mismatch, required_etag};
use self::stream_format::Format;

/// The largest single message that the edge takes from a service. Services page what is long; this only keeps a
/// broken one from filling the edge's memory.
const RESPONSE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a browser sends when it connects again to a stream of events.
const LAST_EVENT_ID: &str = "last-event-id";

/// How many times the limit of a body is read and dropped beyond it, so that a client hears why it is refused.
const DISCARDED_LIMITS: usize = 4;

/// A call on its way: what was asked, and of whom.
struct Call {
    contract: Arc<Contract>,
    matched: Arc<Match>,
    route: Arc<RestRoute>,
    backend: Backend,
    admitted: Admitted,
    limits: EdgeLimits,
}

pub(super) async fn serve(inner: &Inner, context: Context, request: Request<Body>) -> Response<Body> {
    let has_token = request.headers().contains_key(AUTHORIZATION);
    let is_head = request.method() == Method::HEAD;
    let caller = Caller::of(request.extensions());
    let (label, result) = match find(inner, request.method(), request.uri().path()) {
        Ok((matched, route)) => {
            let label = RouteLabel(Arc::clone(&route.label));
            (Some(label), call(inner, matched, route, context, request).await)
        }
        Err(failure) => {
            hear_out(request.into_body(), inner.limits.body_bytes_max).await;
            (None, Err(failure))
        }
    };
    let mut response = result.unwrap_or_else(|failure| {
        caller.set_code(failure.code());
        failure.render(inner.contract.transcoder(), has_token)
    });
    if is_head {
        response = without_body(response);
    }
    if let Some(label) = label {
        response.extensions_mut().insert(label);
    }
    response
}

/// A route that exists but is not exposed is answered like one that does not exist.
fn find(inner: &Inner, method: &Method, path: &str) -> Result<(Match, Arc<RestRoute>), Failure> {
    let transcoder = inner.contract.transcoder();
    let lookup = match transcoder.find(method.as_str(), path) {
        Lookup::WrongMethod(allowed) if method == Method::HEAD && allowed.iter().any(|verb| verb == "GET") => {
            transcoder.find("GET", path)
        }
        lookup => lookup,
    };
    match lookup {
        Lookup::Found(matched) => match inner.contract.rest_route(&matched).cloned() {
            Some(route) => Ok((matched, route)),
            None => Err(Failure::unknown_path(path)),
        },
        Lookup::WrongMethod(allowed) => Err(Failure::wrong_verb(method.as_str(), &with_head(allowed))),
        Lookup::NotFound => Err(Failure::unknown_path(path)),
    }
}

async fn call(
    inner: &Inner,
    matched: Match,
    route: Arc<RestRoute>,
    context: Context,
    request: Request<Body>,
) -> Result<Response<Body>, Failure> {
    let (parts, body) = request.into_parts();
    let caller = Caller::of(&parts.extensions);
    let admitted = inner.admission.admit(context, &route.rpc, &parts.headers, caller).await?;
    let backend = inner.backend(&route.rpc)?;
    let contract = Arc::clone(&inner.contract);
    let call = Call { contract, matched: Arc::new(matched), route, backend, admitted, limits: inner.limits };
    call.answer(parts, body).await
}

impl Call {
    async fn answer(self, parts: Parts, body: Body) -> Result<Response<Body>, Failure> {
        check_content_encoding(&parts.headers)?;
        let required_etag = required_etag(&parts, self.transcoder_route());
        if self.route.rpc.policy.client_streaming {
            required_etag?;
            return request_stream::answer(self, &parts, body).await;
        }
        let body = self.read_in_time(read_body(&parts, body, self.limits.body_bytes_max)).await?;
        // Refused only now that the body is read, so that a client that writes first hears it.
        let required_etag = required_etag?;
        let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !self.route.takes_any_media_type {
            check_media_type(content_type, &body)?;
        }
        let incoming = Incoming { query: parts.uri.query(), content_type, body: &body };
        let transcoder = self.contract.transcoder();
        let mut message = transcoder.request(&self.matched, incoming).map_err(request_refused)?;
        if let Some(etag) = &required_etag {
            message = transcoder.require_etag(self.transcoder_route(), message, etag).map_err(request_refused)?;
        }
        if self.route.rpc.policy.server_streaming {
            return self.answer_with_stream(&parts.headers, message).await;
        }
        self.route.rpc.check(&message)?;
        let request = self.grpc_request(&parts.headers, message);
        let response = self.client().unary(request, self.route.rpc.path.clone(), BytesCodec).await;
        match response {
            Err(status) if required_etag.is_some() => Err(conditional_failure(status)),
            response => self.encode(&parts, &response?.into_inner()).await,
        }
    }

    async fn answer_with_stream(self, headers: &HeaderMap, mut message: Bytes) -> Result<Response<Body>, Failure> {
        let format = Format::of(headers);
        if format == Format::Events {
            message = self.resumed(headers, message)?;
        }
        self.route.rpc.check(&message)?;
        let request = self.grpc_request(headers, message);
        let response = self.client().server_streaming(request, self.route.rpc.path.clone(), BytesCodec).await?;
        response_stream::answer(self, response.into_inner(), format, Verdict::never()).await
    }

    /// The backend keeps the deadline once it has the request; until then a slow sender is stopped here.
    async fn read_in_time(&self, reading: impl Future<Output = Result<Bytes, Failure>>) -> Result<Bytes, Failure> {
        match self.admitted.context.deadline {
            None => reading.await,
            Some(end) => tokio::time::timeout_at(end, reading)
                .await
                .unwrap_or_else(|_| Err(Status::from(deadline::exceeded()).into())),
        }
    }

    fn client(&self) -> Grpc<Backend> {
        Grpc::new(self.backend.clone()).max_decoding_message_size(RESPONSE_BYTES_MAX)
    }

    fn grpc_request<T>(&self, headers: &HeaderMap, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        *request.metadata_mut() = MetadataMap::from_headers(rest_metadata(headers, self.route.rpc.policy.auth));
        self.admitted.clone().put_into(request.extensions_mut());
        request
    }

    /// The request of a browser that was cut off, with the last position that it has seen.
    fn resumed(&self, headers: &HeaderMap, message: Bytes) -> Result<Bytes, Status> {
        let Some(position) = headers.get(LAST_EVENT_ID).filter(|position| !position.is_empty()) else {
            return Ok(message);
        };
        let transcoder = self.contract.transcoder();
        let position = position
            .to_str()
            .map_err(|_| invalid_request(LAST_EVENT_ID.to_owned(), "the header is not text".to_owned()))?;
        transcoder.resume_after(self.transcoder_route(), message, position).map_err(request_refused)
    }

    /// The answer with a whole message.
    async fn encode(&self, parts: &Parts, message: &[u8]) -> Result<Response<Body>, Failure> {
        let outgoing = self.outgoing(message)?;
        let content_type = HeaderValue::from_str(&outgoing.content_type)
            .map_err(|error| internal("writing the content type of the service's answer", &error))?;
        // To PUT a validator would say that what was sent is what is kept (RFC 9110, 9.3.4).
        let etag = self.contract.transcoder().etag(self.transcoder_route(), message);
        let etag = etag.filter(|_| parts.method != Method::PUT);
        let validator = etag.map(|etag| Validator::of_answer(etag, &outgoing.body));
        check_read(parts, etag, validator.as_ref()).map_err(conditional_failure)?;
        let is_kept = validator.is_some() && is_read(&parts.method);
        let bytes_min = self.limits.compression_bytes_min;
        let representation = Representation {
            is_coded: !self.route.rpc.answers_secrets && is_worth_coding(&content_type, outgoing.body.len(), bytes_min),
            content_type,
            cache_control: if is_kept { REVALIDATED } else { NO_STORE },
            validator,
        };
        let response = match representation.select(&parts.method, &parts.headers) {
            Selection::Known(coding) => representation.known(coding),
            Selection::Whole(coding) => representation.whole(coding, coded(coding, outgoing.body.into()).await?),
        };
        self.admitted.ended(Code::Ok);
        Ok(response)
    }

    /// The route as the transcoder knows it.
    fn transcoder_route(&self) -> &Route {
        self.contract.transcoder().route(&self.matched)
    }

    /// What a client gets of a service's message.
    fn outgoing(&self, message: &[u8]) -> Result<Outgoing, Status> {
        self.contract
            .transcoder()
            .response(self.transcoder_route(), message)
            .map_err(|error| internal("writing the service's answer as JSON", &error))
    }
}

async fn read_body(parts: &Parts, mut body: Body, bytes_max: usize) -> Result<Bytes, Failure> {
    let announced = parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let outcome = if announced.is_some_and(|bytes| bytes > bytes_max) {
        Err(Failure::too_large(bytes_max))
    } else {
        match Limited::new(&mut body, bytes_max).collect().await {
            Ok(collected) => return Ok(collected.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(Failure::too_large(bytes_max)),
            Err(_) => return Err(body_broke_off().into()),
        }
    };
    // Over HTTP/2 an answer that overtakes the body is followed by a reset of the stream, with which clients as common as
    // curl lose the answer.
    if parts.version == Version::HTTP_2 {
        discard(body, bytes_max.saturating_mul(DISCARDED_LIMITS)).await;
    }
    outcome
}

/// A body that is compressed would be read as one that is malformed.
fn check_content_encoding(headers: &HeaderMap) -> Result<(), Failure> {
    let encodings = headers.get_all(CONTENT_ENCODING).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    match encodings.into_iter().find(|encoding| !encoding.trim().eq_ignore_ascii_case("identity")) {
        Some(encoding) => Err(Failure::wrong_content_encoding(encoding.trim())),
        None => Ok(()),
    }
}

/// JSON is UTF-8 whatever is said; in another charset its text would come out wrong without a failure.
fn check_charset(content_type: &[u8]) -> Result<(), Failure> {
    match charset(content_type) {
        Some(charset) if !matches!(charset.as_str(), "utf-8" | "utf8") => Err(Failure::wrong_charset(&charset)),
        _ => Ok(()),
    }
}

/// Only the media type of a body that is there matters.
fn check_media_type(content_type: Option<&str>, body: &[u8]) -> Result<(), Failure> {
    if !body.is_empty() {
        check_charset(content_type.unwrap_or_default().as_bytes())?;
    }
    match content_type.and_then(|value| essence(value.as_bytes())) {
        Some(essence) if !body.is_empty() && !is_json(&essence) => {
            Err(Failure::wrong_media_type(&essence, "application/json"))
        }
        _ => Ok(()),
    }
}

fn request_refused(error: RequestError) -> Status {
    invalid_request(error.field, error.description)
}

/// The failure of a request with `If-Match`: 412 if that is what failed it.
fn conditional_failure(status: Status) -> Failure {
    if is_etag_mismatch(&status) { Failure::precondition_failed(status) } else { status.into() }
}

fn body_broke_off() -> Status {
    invalid_request(String::new(), "the body ended before its announced length".to_owned())
}

/// Answers of a stream are as private as others.
fn stream_response(content_type: HeaderValue, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    const BYTES_MAX: usize = 1_000;

    /// Sends `pieces` of half the limit and answers how many were taken before the refusal.
    async fn pieces_read_of(pieces: usize, version: Version) -> usize {
        let taken = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&taken);
        let sent = futures_util::stream::iter((0..pieces).map(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[b' '; BYTES_MAX / 2])))
        }));
        let (parts, ()) = Request::builder().version(version).body(()).unwrap().into_parts();
        let refused = read_body(&parts, Body::new(StreamBody::new(sent)), BYTES_MAX).await;
        assert!(refused.is_err());
        taken.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn over_http2_a_body_that_is_too_large_is_heard_out_so_that_the_refusal_is_heard() {
        assert_eq!(pieces_read_of(8, Version::HTTP_2).await, 8);
        assert_eq!(pieces_read_of(8, Version::HTTP_11).await, 3);
    }

    #[tokio::test]
    async fn a_body_without_end_is_heard_out_up_to_a_limit() {
        assert_eq!(pieces_read_of(1_000, Version::HTTP_2).await, 12);
    }
}
