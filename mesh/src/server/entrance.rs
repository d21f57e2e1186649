//! Whether a request is one of gRPC at all, before anything else is asked.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body as _;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::StdError;

use crate::deadline::Timer;
use crate::media_type::MediaType;
use crate::refusal::{MESH_DOMAIN, Reason, Refusal};

/// How long, and how far, the body of a request is read that is turned away.
const HEARD_OUT_MAX: Duration = Duration::from_secs(1);
const HEARD_OUT_BYTES_MAX: usize = 64 * 1024;

/// To clients of Connect, who call the same paths, plain `application/json` is an error in the form of their own.
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// What becomes of a request.
pub(super) enum Entrance {
    /// It is gRPC.
    Open,
    /// It is gRPC with messages in another format; its caller can read a status.
    OtherCodec(Refusal),
    /// It is something else, and is answered as HTTP.
    Closed(StatusCode, Refusal),
}

/// Looks at method and media type.
pub(super) fn check<B>(request: &Request<B>) -> Entrance {
    if request.method() != Method::POST {
        let message = format!("gRPC is spoken by POST, not by {}", request.method());
        return Entrance::Closed(StatusCode::METHOD_NOT_ALLOWED, Refusal::new(Reason::NotGrpc, message));
    }
    match MediaType::of(request.headers()) {
        MediaType::Grpc => Entrance::Open,
        MediaType::OtherCodec => Entrance::OtherCodec(wrong_media_type("messages are protobuf here")),
        MediaType::Other => {
            Entrance::Closed(StatusCode::UNSUPPORTED_MEDIA_TYPE, wrong_media_type("only gRPC is spoken here"))
        }
    }
}

fn wrong_media_type(why: &str) -> Refusal {
    Refusal::new(Reason::NotGrpc, format!("the header content-type has to be application/grpc: {why}"))
        .with("header", CONTENT_TYPE.as_str())
}

/// The answer to a request that is not gRPC.
///
/// It waits for the request's body, within limits: a client that is still sending may lose an answer that overtakes it.
pub(super) struct TurnedAway {
    http: StatusCode,
    answer: Vec<u8>,
    body: Body,
    bytes_left: usize,
    timer: Timer,
}

impl TurnedAway {
    pub(super) fn new<B>(http: StatusCode, refusal: &Refusal, body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<StdError>,
    {
        Self {
            http,
            answer: status_json(refusal),
            body: Body::new(body),
            bytes_left: HEARD_OUT_BYTES_MAX,
            timer: Timer::new(Instant::now().checked_add(HEARD_OUT_MAX)),
        }
    }

    pub(super) fn poll_heard_out(&mut self, cx: &mut Context<'_>) -> Poll<Response<Body>> {
        if self.timer.poll_elapsed(cx).is_pending() {
            ready!(self.poll_body(cx));
        }
        Poll::Ready(self.answer())
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(Ok(frame)) = ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            match self.bytes_left.checked_sub(bytes) {
                Some(left) => self.bytes_left = left,
                None => break,
            }
        }
        Poll::Ready(())
    }

    fn answer(&mut self) -> Response<Body> {
        let answer = Bytes::from(std::mem::take(&mut self.answer));
        let mut response = Response::new(Body::new(http_body_util::Full::new(answer)));
        *response.status_mut() = self.http;
        response.headers_mut().insert(CONTENT_TYPE, JSON);
        if self.http == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        }
        response
    }
}

/// A `google.rpc.Status` as the edge writes it too, for who does not read gRPC.
fn status_json(refusal: &Refusal) -> Vec<u8> {
    let info = serde_json::json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": refusal.reason().as_str(),
        "domain": MESH_DOMAIN,
    });
    let code = refusal.reason().code() as i32;
    serde_json::json!({ "code": code, "message": refusal.message(), "details": [info] }).to_string().into_bytes()
}
