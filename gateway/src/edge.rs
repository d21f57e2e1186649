//! The one public port: gRPC, gRPC-Web, REST, WebSockets, `/health` and the reference, told apart by path and media type.

mod access_log;
mod admission;
mod answer;
mod caching;
mod compression;
mod cors;
mod etag;
mod grpc;
mod grpc_web;
mod headers;
mod health;
mod hear_out;
mod keys;
mod media_type;
mod message_check;
mod message_limit;
mod methods;
mod metrics;
mod reference;
mod representation;
mod rest;
mod scheme;
mod security;
mod verdict;
mod websocket;

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use focusflow_mesh::context::{Context, REQUEST_ID_HEADER, TRACEPARENT_HEADER};
use focusflow_mesh::drain::Drain;
use focusflow_mesh::server::Peer;
use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE, ORIGIN};
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, Version};
use http_body::Body as _;
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use crate::backend::Backend;
use crate::config::{BrowserConfig, EdgeLimits};
use crate::contract::{Contract, Rpc};
use crate::limits::{Caller, TrustedProxies};
use crate::transcode::Lookup;

use self::answer::Failure;
use self::cors::Cors;
use self::hear_out::HeardOut;
use self::media_type::Protocol;
use self::metrics::HttpMetrics;
use self::scheme::Scheme;
use self::security::Security;
use self::websocket::Sockets;

pub(crate) use self::admission::Admission;
pub(crate) use self::health::Dependencies;
pub(crate) use self::reference::Reference;

/// Where the health of what the edge depends on is answered.
const HEALTH_PATH: &str = "/health";

/// Headers that every answer gets beside its own, at most.
const HEADERS_ADDED: usize = 18;

/// The service of the public port. Clones share everything.
#[derive(Clone)]
pub(crate) struct Edge {
    inner: Arc<Inner>,
}

/// What an edge is made of.
pub(crate) struct Parts {
    pub(crate) contract: Contract,
    pub(crate) admission: Admission,
    pub(crate) dependencies: Dependencies,
    pub(crate) limits: EdgeLimits,
    pub(crate) reference: Reference,
    /// Whose pages may read answers and open WebSockets.
    pub(crate) origins: Vec<HeaderValue>,
    pub(crate) browsers: BrowserConfig,
    pub(crate) proxies: TrustedProxies,
}

struct Inner {
    contract: Arc<Contract>,
    admission: Admission,
    dependencies: Dependencies,
    limits: EdgeLimits,
    reference: Reference,
    cors: Cors,
    security: Security,
    sockets: Sockets,
    proxies: TrustedProxies,
    metrics: Arc<HttpMetrics>,
    drain: Drain,
}

impl Edge {
    /// An edge that ends streams which would not end by themselves when `drain` asks for it.
    pub(crate) fn new(parts: Parts, drain: Drain) -> Self {
        let Parts { contract, admission, dependencies, limits, reference, origins, browsers, proxies } = parts;
        let inner = Inner {
            contract: Arc::new(contract),
            admission,
            dependencies,
            limits,
            reference,
            cors: Cors::new(origins),
            security: Security::new(browsers.hsts),
            sockets: Sockets::new(limits.websocket),
            proxies,
            metrics: Arc::default(),
            drain,
        };
        Self { inner: Arc::new(inner) }
    }
}

impl<B> Service<Request<B>> for Edge
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<tonic::codegen::StdError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let inner = Arc::clone(&self.inner);
        let version = request.version();
        let request = request.map(Body::new).map(|body| {
            let is_followed = version <= Version::HTTP_11 && !body.is_end_stream();
            if is_followed { Body::new(HeardOut::new(body, inner.limits.body_bytes_max)) } else { body }
        });
        Box::pin(async move { Ok(inner.serve(request).await) })
    }
}

impl Inner {
    async fn serve(self: &Arc<Self>, mut request: Request<Body>) -> Response<Body> {
        let caller = self.caller(&request);
        request.extensions_mut().insert(caller.clone());
        let context = Context::from_headers(request.headers());
        let measurement = self.metrics.begin(request.method(), &context, &caller);
        let request_id = context.request_id.to_header();
        let traceparent = context.trace.to_header();
        let origin = request.headers().get(ORIGIN).cloned();
        let scheme = Scheme::of(&request, &self.proxies);
        let mut response = self.dispatch(context, request).await;
        let headers = response.headers_mut();
        headers.reserve(HEADERS_ADDED);
        headers.insert(REQUEST_ID_HEADER, request_id);
        headers.insert(TRACEPARENT_HEADER, traceparent);
        self.cors.mark(origin, headers);
        self.security.protect(headers, scheme);
        caller.write(headers);
        measurement.measure(response)
    }

    fn caller(&self, request: &Request<Body>) -> Caller {
        let peer = request.extensions().get::<Peer>().map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.addr.ip());
        let address = self.proxies.client(peer, request.headers());
        Caller::new(address, request.uri().authority().map(Authority::as_str), request.headers())
    }

    async fn dispatch(self: &Arc<Self>, context: Context, request: Request<Body>) -> Response<Body> {
        let path = request.uri().path();
        if let Some(origin) = cors::preflight_origin(&request) {
            return self.cors.preflight(origin);
        }
        if path == HEALTH_PATH {
            return health::serve(self, request.method()).await;
        }
        if path == keys::PATH
            && let Some(keys) = self.admission.jwks()
        {
            return keys::serve(self, request.method(), keys).await;
        }
        if path == websocket::PATH {
            return websocket::serve(self, &context, request);
        }
        if let Some(page) = self.reference.page(path) {
            return reference::serve(self, page, request.method(), request.headers()).await;
        }
        match Protocol::of(request.headers()) {
            Protocol::Grpc => grpc::serve(self, context, request, None).await,
            Protocol::GrpcWeb(encoding) => grpc::serve(self, context, request, Some(encoding)).await,
            Protocol::UnsupportedGrpc => {
                let failure = Failure::wrong_media_type("gRPC with messages that are not protobuf", "application/grpc");
                grpc::turn_away(self, failure, request).await
            }
            Protocol::Rest if methods::is_question(self, &request) => methods::of_contract(self, request).await,
            Protocol::Rest if self.is_rpc_only(&request) => self.not_rpc(request).await,
            Protocol::Rest => rest::serve(self, context, request).await,
        }
    }

    /// Who answers an RPC.
    fn backend(&self, rpc: &Rpc) -> Result<Backend, Status> {
        let backend = rpc.backend()?;
        Ok(if rpc.policy.may_end_early() { backend.ending_with(&self.drain) } else { backend })
    }

    /// Whether a path is that of an RPC, and no REST route has it too.
    fn is_rpc_only(&self, request: &Request<Body>) -> bool {
        let path = request.uri().path();
        let routes = self.contract.transcoder();
        self.contract.rpc(path).is_some() && matches!(routes.find(request.method().as_str(), path), Lookup::NotFound)
    }

    /// The answer where an RPC is called in a way that no RPC is.
    async fn not_rpc(&self, request: Request<Body>) -> Response<Body> {
        let failure = if request.method() == Method::POST {
            let found = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            Failure::wrong_media_type(found.unwrap_or("of no type"), "application/grpc or application/grpc-web")
        } else {
            Failure::wrong_verb(request.method().as_str(), &[Method::POST.to_string()])
        };
        grpc::turn_away(self, failure, request).await
    }

    fn render<B>(&self, failure: &Failure, request: &Request<B>) -> Response<Body> {
        failure.render(self.contract.transcoder(), request.headers().contains_key(AUTHORIZATION))
    }
}
