//! The gRPC stack of the mesh port: routing, policy, context, deadline, limit and metrics around the services.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use thiserror::Error;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, StdError};
use tonic::server::NamedService;
use tower::{Service, ServiceExt};

use super::authorize::Authorizer;
use super::entrance::{self, Entrance, TurnedAway};
use super::response::{ResponseFuture, Running, Telling};
use super::{Ending, Peer, ResponseBody};
use crate::context::{Context, GRPC_TIMEOUT_HEADER, USER_ID_HEADER, parse_timeout};
use crate::deadline::{self, DeadlineBody, Timer};
use crate::drain::Drain;
use crate::framing::{Cardinality, CheckedBody, MESSAGE_BYTES_MAX_DEFAULT, Rules};
use crate::health::{self, Health, HealthService};
use crate::policy::{MethodPolicy, Policies};
use crate::reflection;
use crate::refusal::{Reason, Refusal};
use crate::telemetry::{RpcMetrics, Side};

/// When to try again after a call was shed.
const SHED_RETRY: Duration = Duration::from_millis(100);

/// Calls at the same time where the builder does not say.
const CALLS_MAX_DEFAULT: usize = 10_000;

/// The gRPC services of a process, each RPC guarded by its policy. Clones share everything.
#[derive(Clone)]
pub struct Mesh {
    inner: Arc<Inner>,
}

/// Puts a [`Mesh`] together.
pub struct MeshBuilder {
    policies: Policies,
    services: HashMap<&'static str, Arc<dyn Handler>>,
    impersonators: Vec<String>,
    calls_max: usize,
    message_bytes_max: usize,
    health: Option<Health>,
    reflection: bool,
    drain: Drain,
}

/// Why a mesh cannot be put together.
#[derive(Debug, Error)]
pub enum MeshError {
    /// A service was added that the contract does not declare, so nothing is known about who may call it.
    #[error("the contract does not declare the service {0}")]
    UnknownService(&'static str),
    /// The descriptor set cannot be served by reflection.
    #[error("reflection cannot serve the contract")]
    Reflection(#[from] tonic_reflection::server::Error),
}

struct Inner {
    /// By path. One look-up finds all that is to be known about a call.
    routes: HashMap<String, Route>,
    authorizer: Authorizer,
    message_bytes_max: usize,
    explains: bool,
    load: Arc<Load>,
    drain: Drain,
}

struct Route {
    policy: Arc<MethodPolicy>,
    metrics: Arc<RpcMetrics>,
    handler: Arc<dyn Handler>,
}

/// Counts calls under way.
#[derive(Debug)]
struct Load {
    calls: AtomicUsize,
    calls_max: usize,
}

/// A call's place among those under way.
#[derive(Debug)]
pub(super) struct InFlight {
    load: Arc<Load>,
}

/// A generated service, whatever its type.
trait Handler: Send + Sync {
    fn call(&self, request: Request<Body>) -> BoxFuture<Response<Body>, Infallible>;
}

impl<S> Handler for S
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    fn call(&self, request: Request<Body>) -> BoxFuture<Response<Body>, Infallible> {
        Box::pin(self.clone().oneshot(request))
    }
}

impl Mesh {
    /// Begins a mesh that enforces `policies`.
    pub fn builder(policies: Policies) -> MeshBuilder {
        MeshBuilder {
            policies,
            services: HashMap::new(),
            impersonators: Vec::new(),
            calls_max: CALLS_MAX_DEFAULT,
            message_bytes_max: MESSAGE_BYTES_MAX_DEFAULT,
            health: None,
            reflection: true,
            drain: Drain::never(),
        }
    }
}

impl MeshBuilder {
    /// Serves what `tonic` generated for a service of the contract.
    #[must_use]
    pub fn add_service<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + NamedService,
        S: Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.services.insert(S::NAME, Arc::new(service));
        self
    }

    /// Service accounts that may say for whom they call, as the gateway may. None by default.
    #[must_use]
    pub fn impersonators(mut self, accounts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.impersonators = accounts.into_iter().map(Into::into).collect();
        self
    }

    /// How many calls may be under way, streams included; further ones are shed. 10,000 by default.
    #[must_use]
    pub fn calls_max(mut self, calls_max: usize) -> Self {
        self.calls_max = calls_max;
        self
    }

    /// How large a message of a request may be on the wire, in bytes. 4 MiB by default, which is also what tonic
    /// decodes: a service that takes more has to be told so as well.
    #[must_use]
    pub fn message_bytes_max(mut self, message_bytes_max: usize) -> Self {
        self.message_bytes_max = message_bytes_max;
        self
    }

    /// Serves `grpc.health.v1` from this state and makes the services known to it.
    #[must_use]
    pub fn health(mut self, health: &Health) -> Self {
        self.health = Some(health.clone());
        self
    }

    /// Ends streams that only read and could go on for ever when a shutdown asks for it.
    #[must_use]
    pub fn drain(mut self, drain: &Drain) -> Self {
        self.drain = drain.clone();
        self
    }

    /// Whether to tell peers the contract; by default, yes.
    #[must_use]
    pub fn reflection(mut self, enabled: bool) -> Self {
        self.reflection = enabled;
        self
    }

    /// The finished mesh. Set up [telemetry](crate::telemetry) before, or its calls are not counted.
    pub fn build(mut self) -> Result<Mesh, MeshError> {
        for name in self.services.keys() {
            if self.policies.pool().get_service_by_name(name).is_none() {
                return Err(MeshError::UnknownService(name));
            }
        }
        self.add_health();
        self.add_reflection()?;
        let inner = Inner {
            routes: self.routes(),
            authorizer: Authorizer::new(self.impersonators),
            message_bytes_max: self.message_bytes_max,
            explains: self.policies.are_declared(),
            drain: self.drain,
            load: Arc::new(Load { calls: AtomicUsize::new(0), calls_max: self.calls_max }),
        };
        Ok(Mesh { inner: Arc::new(inner) })
    }

    fn add_health(&mut self) {
        let Some(health) = &self.health else { return };
        for name in self.services.keys() {
            health.add_service(name);
        }
        self.services.insert(HealthService::NAME, Arc::new(health.grpc()));
    }

    fn add_reflection(&mut self) -> Result<(), MeshError> {
        if !self.reflection {
            return Ok(());
        }
        let mut names: Vec<&str> = self.services.keys().copied().collect();
        names.extend(["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"]);
        let health = health::file_descriptor_set();
        let sets = [self.policies.encoded(), health.as_slice()];
        let (v1, v1alpha) = (reflection::v1(&sets, &names)?, reflection::v1alpha(&sets, &names)?);
        self.services.insert(name_of(&v1), Arc::new(v1));
        self.services.insert(name_of(&v1alpha), Arc::new(v1alpha));
        Ok(())
    }

    fn routes(&self) -> HashMap<String, Route> {
        let served = |(path, policy): (&str, &Arc<MethodPolicy>)| {
            let handler = self.services.get(policy.service.as_str())?;
            let metrics = Arc::new(RpcMetrics::new(Side::Server, &policy.service, &policy.method));
            Some((path.to_owned(), Route { policy: Arc::clone(policy), metrics, handler: Arc::clone(handler) }))
        };
        self.policies.methods().filter_map(served).collect()
    }
}

impl<B> Service<Request<B>> for Mesh
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<StdError>,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _cx: &mut std::task::Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        let mut context = Context::from_headers(request.headers());
        let telling = Telling { request_id: context.request_id.to_header(), explains: self.inner.explains };
        match entrance::check(&request) {
            Entrance::Open => {}
            Entrance::OtherCodec(refusal) => return ResponseFuture::refused(refusal, None, telling),
            Entrance::Closed(http, refusal) => {
                return ResponseFuture::turned_away(TurnedAway::new(http, &refusal, request.into_body()), telling);
            }
        }
        let Some(route) = self.inner.routes.get(request.uri().path()) else {
            return ResponseFuture::refused(unknown_method(request.uri().path()), None, telling);
        };
        let call = route.metrics.start();
        context.peer = request.extensions().get::<Peer>().and_then(|peer| peer.identity.clone());
        match self.inner.admit(route, &mut context, &request) {
            Ok(in_flight) => ResponseFuture::running(self.inner.run(route, request, context, in_flight), call, telling),
            Err(refusal) => ResponseFuture::refused(refusal, Some(call), telling),
        }
    }
}

impl Inner {
    /// Everything that can refuse a call before its handler sees it; fills in person and deadline.
    fn admit<B>(&self, route: &Route, context: &mut Context, request: &Request<B>) -> Result<InFlight, Refusal> {
        let headers = request.headers();
        context.user_id = self.authorizer.authorize(&route.policy, context.peer.as_ref(), headers)?;
        let asked = parse_timeout(headers).map_err(|error| {
            Refusal::new(Reason::BadHeader, error.to_string()).with("header", GRPC_TIMEOUT_HEADER.as_str())
        })?;
        let timeout = deadline::clamp(asked, &route.policy);
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(deadline::exceeded());
        }
        context.deadline = timeout.and_then(deadline::after);
        self.load.enter()
    }

    fn run<B>(&self, route: &Route, mut request: Request<B>, context: Context, in_flight: InFlight) -> Running
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<StdError>,
    {
        let deadline = context.deadline;
        // It has been read, and a handler should ask the context.
        request.headers_mut().remove(USER_ID_HEADER);
        request.extensions_mut().insert(context.clone());
        let rules = Rules {
            message_bytes_max: self.message_bytes_max,
            cardinality: Cardinality::of(route.policy.client_streaming),
        };
        let request = if route.policy.client_streaming {
            request.map(|body| Body::new(CheckedBody::new(DeadlineBody::new(body, deadline), rules)))
        } else {
            request.map(|body| Body::new(CheckedBody::new(body, rules)))
        };
        Running {
            handler: route.handler.call(request),
            context: Some(context),
            timer: Timer::new(deadline),
            streaming: route.policy.server_streaming,
            ending: route.policy.may_end_early().then(|| Ending::new(&self.drain)),
            in_flight,
        }
    }
}

impl Load {
    fn enter(self: &Arc<Self>) -> Result<InFlight, Refusal> {
        // Taken before it is compared, so that two calls cannot share the last place.
        let before = self.calls.fetch_add(1, Ordering::Relaxed);
        let in_flight = InFlight { load: Arc::clone(self) };
        if before < self.calls_max {
            return Ok(in_flight);
        }
        let message = format!("the server is busy: {} calls are under way", self.calls_max);
        Err(Refusal::new(Reason::LoadShed, message).with("limit", self.calls_max.to_string()).retry_after(SHED_RETRY))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.load.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

fn name_of<S: NamedService>(_service: &S) -> &'static str {
    S::NAME
}

fn unknown_method(path: &str) -> Refusal {
    // The path is the caller's; a longer one is not worth repeating.
    let shown: String = path.chars().take(200).collect();
    Refusal::new(Reason::UnknownMethod, format!("no service here has the RPC {shown}")).with("method", shown)
}
