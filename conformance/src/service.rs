//! A gRPC service whose messages are bytes: the suites want back what they sent, to the last field.
//!
//! Every RPC is answered as a stream, whatever its kind. On the wire that is the same, and trailers of a success can be
//! said, for which tonic's unary handlers have no words. That an RPC which is no stream gets one message is the mesh's
//! business, not this service's.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use focusflow_gateway::codec::BytesCodec;
use focusflow_mesh::context::Context;
use futures_util::FutureExt as _;
use futures_util::stream::BoxStream;
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::codegen::BoxFuture;
use tonic::metadata::MetadataMap;
use tonic::server::{Grpc, NamedService, StreamingService};
use tonic::{Code, Request, Response, Status, Streaming};
use tower::Service;

/// What a handler answers: headers at once, messages, and an error or trailers as the last item.
pub(crate) type Answer = Result<Response<BoxStream<'static, Result<Bytes, Status>>>, Status>;

/// One call as its handler gets it.
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) metadata: MetadataMap,
    pub(crate) context: Option<Context>,
    pub(crate) requests: Streaming<Bytes>,
}

/// The RPCs of one service.
pub(crate) trait Handler: Send + Sync + 'static {
    const NAME: &'static str;

    fn answer(call: Call) -> impl Future<Output = Answer> + Send;
}

/// A service that `H` answers.
pub(crate) struct Served<H> {
    handler: std::marker::PhantomData<Arc<H>>,
    /// The largest message after decompression, in bytes.
    message_bytes_max: usize,
}

impl<H> Served<H> {
    pub(crate) fn new(message_bytes_max: usize) -> Self {
        Self { handler: std::marker::PhantomData, message_bytes_max }
    }
}

impl<H> Clone for Served<H> {
    fn clone(&self) -> Self {
        Self::new(self.message_bytes_max)
    }
}

impl<H: Handler> NamedService for Served<H> {
    const NAME: &'static str = H::NAME;
}

impl<H: Handler> Service<http::Request<Body>> for Served<H> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let mut grpc = Grpc::new(BytesCodec)
            .max_decoding_message_size(self.message_bytes_max)
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip);
        let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        async move { Ok(grpc.streaming(Answering::<H>(method, std::marker::PhantomData), request).await) }.boxed()
    }
}

/// The end of a stream that succeeded, with trailers.
pub(crate) fn ok_with_trailers(trailers: MetadataMap) -> Status {
    Status::with_metadata(Code::Ok, "", trailers)
}

struct Answering<H>(String, std::marker::PhantomData<Arc<H>>);

impl<H: Handler> StreamingService<Bytes> for Answering<H> {
    type Response = Bytes;
    type ResponseStream = BoxStream<'static, Result<Bytes, Status>>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let (metadata, extensions, requests) = request.into_parts();
        let context = extensions.get::<Context>().cloned();
        H::answer(Call { method: std::mem::take(&mut self.0), metadata, context, requests }).boxed()
    }
}
