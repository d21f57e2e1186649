//! Who answers an RPC: a service of the mesh, or this process.

use std::convert::Infallible;
use std::task::{Context as TaskContext, Poll};

use focusflow_mesh::channel::Channel;
use focusflow_mesh::context::Context;
use focusflow_mesh::deadline::{self, DeadlineBody};
use focusflow_mesh::drain::Drain;
use focusflow_mesh::server::{Ending, EndingBody};
use futures_util::future::BoxFuture;
use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::Service;

/// Answers RPCs. Requests carry their [`Context`] in their extensions; failures are gRPC responses.
#[derive(Clone)]
pub(crate) enum Backend {
    /// Another process, over the mesh.
    Remote(Channel),
    /// Services of this process.
    Local(Routes),
    /// Another backend, whose streams end with a last word when a shutdown asks for it.
    Ending(Box<Backend>, Drain),
}

impl Backend {
    /// The same backend, for an RPC whose streams [may end early](focusflow_mesh::policy::MethodPolicy::may_end_early).
    pub(crate) fn ending_with(self, drain: &Drain) -> Self {
        Self::Ending(Box::new(self), drain.clone())
    }
}

impl Service<Request<Body>> for Backend {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self {
            Self::Remote(channel) => channel.call(request),
            Self::Local(routes) => {
                let routes = routes.clone();
                Box::pin(async move { Ok(answer_here(routes, request).await) })
            }
            Self::Ending(backend, drain) => {
                let answer = backend.call(request);
                let ending = Ending::new(drain);
                Box::pin(async move { Ok(answer_until(ending, answer).await) })
            }
        }
    }
}

/// Ends a stream wherever it is: before its head, or within its body.
async fn answer_until(
    mut ending: Ending,
    answer: impl Future<Output = Result<Response<Body>, Infallible>>,
) -> Response<Body> {
    tokio::select! {
        refusal = &mut ending => Status::from(refusal).into_http(),
        Ok(response) = answer => response.map(|body| Body::new(EndingBody::new(body, ending))),
    }
}

/// What a channel does for a remote service: context for the calls that the handler makes, and its deadline.
async fn answer_here(mut routes: Routes, request: Request<Body>) -> Response<Body> {
    let context = request.extensions().get::<Context>().cloned().unwrap_or_else(Context::root);
    let call_ends = context.deadline;
    let answer = context.scope(async move {
        match routes.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    });
    let response = match call_ends {
        None => answer.await,
        Some(end) => tokio::time::timeout_at(end, answer)
            .await
            .unwrap_or_else(|_| Status::from(deadline::exceeded()).into_http()),
    };
    response.map(|body| Body::new(DeadlineBody::new(body, call_ends)))
}
