//! The services of `echo.proto`, and a client for them.

use std::convert::Infallible;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use focusflow_mesh::channel::Channel;
use focusflow_mesh::context::{self, Context};
use focusflow_mesh::policy::Policies;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, Stream, StreamExt};
use http::uri::PathAndQuery;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::server::NamedService;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

type Codec = ProstCodec<String, String>;

/// The contract as its compiler wrote it, options included.
pub(crate) fn descriptor_set() -> Vec<u8> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mesh");
    let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto");
    let mut compiler = protox::Compiler::new([tests.as_path(), contract.as_path()]).unwrap();
    compiler.include_imports(true).open_file(tests.join("echo.proto")).unwrap();
    compiler.encode_file_descriptor_set()
}

pub(crate) fn policies() -> Policies {
    Policies::from_descriptor_set(&descriptor_set()).unwrap()
}

/// What the test sees of the handlers.
#[derive(Clone, Default)]
pub(crate) struct Echo {
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Where `Relay` goes.
    next: Option<Channel>,
    entered: Notify,
    release: Notify,
    dropped: Notify,
}

impl Echo {
    pub(crate) fn relaying_to(next: Channel) -> Self {
        Self { state: Arc::new(State { next: Some(next), ..State::default() }) }
    }

    /// Returns when a handler of `Hang` or `Stall` has begun.
    pub(crate) async fn entered(&self) {
        self.state.entered.notified().await;
    }

    /// Returns when a handler of `Hang` or a stream of `Stall` was dropped before its end.
    pub(crate) async fn dropped(&self) {
        self.state.dropped.notified().await;
    }

    /// Lets a handler of `Hang` answer.
    pub(crate) fn release(&self) {
        self.state.release.notify_one();
    }

    async fn unary(self, method: String, request: Request<String>) -> Result<Response<String>, Status> {
        let answer = match method.as_str() {
            "Say" => match request.get_ref().strip_prefix("large:").and_then(|length| length.parse().ok()) {
                Some(length) => "x".repeat(length),
                None => request.into_inner(),
            },
            "WhoAmI" => context::user_id(&request)?.to_string(),
            "Secret" => "secret".to_owned(),
            "Describe" => describe(&request),
            "Relay" => {
                let next = self.state.next.clone().unwrap();
                return Client::new(next).unary("Describe", Request::new(String::new())).await;
            }
            "Hang" => self.hang().await,
            "Fail" => return Err(Status::internal("日".repeat(request.get_ref().parse().unwrap()))),
            other => return Err(Status::unimplemented(other.to_owned())),
        };
        Ok(Response::new(answer))
    }

    async fn hang(&self) -> String {
        let mut told = TellWhenDropped { state: Some(Arc::clone(&self.state)) };
        self.state.entered.notify_one();
        self.state.release.notified().await;
        told.state = None;
        "released".to_owned()
    }

    fn stall(&self) -> BoxStream<'static, Result<String, Status>> {
        let told = TellWhenDropped { state: Some(Arc::clone(&self.state)) };
        self.state.entered.notify_one();
        let first = futures_util::stream::iter([Ok("first".to_owned())]);
        let never = futures_util::stream::pending().map(move |()| {
            let _held = &told;
            Ok(String::new())
        });
        first.chain(never).boxed()
    }
}

struct TellWhenDropped {
    state: Option<Arc<State>>,
}

impl Drop for TellWhenDropped {
    fn drop(&mut self) {
        if let Some(state) = &self.state {
            state.dropped.notify_one();
        }
    }
}

/// `request id, trace id, parent span, milliseconds left, user, peer` of the handler, read from the request and
/// checked against the current context.
fn describe(request: &Request<String>) -> String {
    let context = request.extensions().get::<Context>().unwrap();
    assert_eq!(Context::current().unwrap().request_id, context.request_id);
    let left = context.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()).as_millis());
    format!(
        "{},{:032x},{:016x},{},{},{}",
        context.request_id,
        context.trace.trace_id,
        context.trace.parent_id.unwrap_or_default(),
        left.map_or("none".to_owned(), |left| left.to_string()),
        context.user_id.map_or("nobody".to_owned(), |user| user.to_string()),
        context.peer.as_ref().map_or("nobody", |peer| peer.service_account()),
    )
}

/// One service of the contract, whichever `NAME` says.
macro_rules! service {
    ($service:ident, $name:literal) => {
        #[derive(Clone)]
        pub(crate) struct $service(pub(crate) Echo);

        impl NamedService for $service {
            const NAME: &'static str = $name;
        }

        impl tower::Service<http::Request<Body>> for $service {
            type Response = http::Response<Body>;
            type Error = Infallible;
            type Future = BoxFuture<Self::Response, Infallible>;

            fn poll_ready(&mut self, _cx: &mut std::task::Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: http::Request<Body>) -> Self::Future {
                let echo = self.0.clone();
                async move { Ok(dispatch(echo, request).await) }.boxed()
            }
        }
    };
}

service!(EchoService, "mesh.test.v1.Echo");
service!(FeedService, "mesh.test.v1.Feed");
service!(ForgottenService, "mesh.test.v1.Forgotten");

async fn dispatch(echo: Echo, request: http::Request<Body>) -> http::Response<Body> {
    let method = request.uri().path().rsplit('/').next().unwrap().to_owned();
    let mut grpc = tonic::server::Grpc::new(Codec::default());
    match method.as_str() {
        "Stall" | "Watch" => grpc.server_streaming(Stalling(echo), request).await,
        "Collect" => grpc.client_streaming(Collecting, request).await,
        _ => grpc.unary(Answering(echo, method), request).await,
    }
}

struct Answering(Echo, String);
struct Stalling(Echo);
struct Collecting;

impl tonic::server::UnaryService<String> for Answering {
    type Response = String;
    type Future = BoxFuture<Response<String>, Status>;

    fn call(&mut self, request: Request<String>) -> Self::Future {
        self.0.clone().unary(self.1.clone(), request).boxed()
    }
}

impl tonic::server::ServerStreamingService<String> for Stalling {
    type Response = String;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<String, Status>> + Send>>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, _request: Request<String>) -> Self::Future {
        let stream = self.0.stall();
        async move { Ok(Response::new(stream)) }.boxed()
    }
}

impl tonic::server::ClientStreamingService<String> for Collecting {
    type Response = String;
    type Future = BoxFuture<Response<String>, Status>;

    fn call(&mut self, request: Request<Streaming<String>>) -> Self::Future {
        async move {
            let mut all = String::new();
            let mut messages = request.into_inner();
            while let Some(message) = messages.message().await? {
                all.push_str(&message);
            }
            Ok(Response::new(all))
        }
        .boxed()
    }
}

/// Calls the contract's RPCs the way generated clients do.
#[derive(Clone)]
pub(crate) struct Client {
    grpc: tonic::client::Grpc<Channel>,
}

impl Client {
    pub(crate) fn new(channel: Channel) -> Self {
        Self { grpc: tonic::client::Grpc::new(channel).max_decoding_message_size(usize::MAX) }
    }

    /// `method` is of `Echo` unless it is a whole path.
    pub(crate) async fn unary(&self, method: &str, request: Request<String>) -> Result<Response<String>, Status> {
        self.grpc.clone().unary(request, path(method), Codec::default()).await
    }

    pub(crate) async fn say(&self, text: &str) -> Result<String, Status> {
        self.unary("Say", Request::new(text.to_owned())).await.map(Response::into_inner)
    }

    pub(crate) async fn stream(&self, method: &str, request: Request<String>) -> Result<Streaming<String>, Status> {
        let response = self.grpc.clone().server_streaming(request, path(method), Codec::default()).await;
        response.map(Response::into_inner)
    }

    /// `Collect` of messages that are still to come.
    pub(crate) async fn collect(
        &self,
        timeout: Option<Duration>,
        messages: mpsc::Receiver<String>,
    ) -> Result<String, Status> {
        let mut request = Request::new(tokio_stream::wrappers::ReceiverStream::new(messages));
        if let Some(timeout) = timeout {
            request.set_timeout(timeout);
        }
        let response = self.grpc.clone().client_streaming(request, path("Collect"), Codec::default()).await;
        response.map(Response::into_inner)
    }
}

fn path(method: &str) -> PathAndQuery {
    let path = if method.starts_with('/') { method.to_owned() } else { format!("/mesh.test.v1.Echo/{method}") };
    path.try_into().unwrap()
}

/// A request that says nothing.
pub(crate) fn empty() -> Request<String> {
    Request::new(String::new())
}

/// Asserts how a call failed: the code, and the reason that programs read.
#[track_caller]
pub(crate) fn assert_refused(status: &Status, code: Code, reason: &str) {
    use tonic_types::StatusExt;
    assert_eq!(status.code(), code, "{status:?}");
    let info = status.get_details_error_info();
    assert_eq!(info.as_ref().map(|info| info.reason.as_str()), Some(reason), "{status:?}");
}
