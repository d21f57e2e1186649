//! The admin port: probes, health and metrics, in plaintext beside the mesh port.
//!
//! Kubernetes cannot show a client certificate, so a port that demands one cannot be probed. What is served here says
//! how the process is and nothing about anyone's data; keep it off the public network all the same.
//!
//! | path | answers |
//! |---|---|
//! | `/livez` | 200 while the process runs: it depends on nothing, or an outage elsewhere would restart it |
//! | `/readyz` | 200 while the process should get requests, else 503 with what it waits for |
//! | `/startupz` | 200 once the process has finished starting |
//! | `/health` | the state of every component as JSON; 503 if a required one is down |
//! | `/metrics` | Prometheus text format |
//! | `grpc.health.v1` | the same state over gRPC |

use std::convert::Infallible;
use std::pin::Pin;
use std::task::Poll;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tonic::body::Body;
use tower::Service;

use crate::drain::Drain;
use crate::health::{Health, HealthService};
use crate::server::{self, Limits, Transport};
use crate::telemetry;

const PLAIN: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves the admin port until everything else has ended, so that probes see the shutdown.
///
/// Without a listener there is nothing to see, and the metrics are kept within their memory all the same.
pub async fn serve(listener: Option<TcpListener>, health: Health, drain: Drain) {
    let limits = Limits { connections_max: 256, ..Limits::default() };
    let admin = Admin { grpc: health.grpc(), health };
    let served = async {
        match listener {
            Some(listener) => server::serve(listener, Transport::Plaintext, limits, admin, Drain::never()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = served => {}
        () = telemetry::maintain() => {}
        () = drain.finished() => {}
    }
}

#[derive(Clone)]
struct Admin {
    health: Health,
    grpc: HealthService,
}

impl Service<Request<Incoming>> for Admin {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut std::task::Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let is_grpc = request
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|content_type| content_type.as_bytes().starts_with(b"application/grpc"));
        if is_grpc {
            return self.grpc.call(request);
        }
        Box::pin(std::future::ready(Ok(self.answer(request.method(), request.uri().path()))))
    }
}

impl Admin {
    fn answer(&self, method: &Method, path: &str) -> Response<Body> {
        let respond: fn(&Health) -> Response<Body> = match path {
            "/livez" => |_| text(StatusCode::OK, "ok\n"),
            "/readyz" => readiness,
            "/startupz" => startup,
            "/health" => health,
            "/metrics" => |_| metrics(),
            _ => return text(StatusCode::NOT_FOUND, "not found\n"),
        };
        if method != Method::GET && method != Method::HEAD {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        respond(&self.health)
    }
}

fn readiness(health: &Health) -> Response<Body> {
    if health.is_ready() {
        return text(StatusCode::OK, "ok\n");
    }
    text(StatusCode::SERVICE_UNAVAILABLE, format!("waiting on {}\n", health.waiting_on().join("\nwaiting on ")))
}

fn startup(health: &Health) -> Response<Body> {
    if health.is_started() { text(StatusCode::OK, "ok\n") } else { readiness(health) }
}

fn health(health: &Health) -> Response<Body> {
    let report = health.report();
    let status = if report.is_serving() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    respond(status, JSON, report.to_json(SystemTime::now()).to_string())
}

fn metrics() -> Response<Body> {
    match telemetry::prometheus() {
        Some(handle) => respond(StatusCode::OK, PROMETHEUS, handle.render()),
        None => text(StatusCode::SERVICE_UNAVAILABLE, "metrics are recorded elsewhere\n"),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    respond(status, PLAIN, body)
}

fn respond(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::new(body.into())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
