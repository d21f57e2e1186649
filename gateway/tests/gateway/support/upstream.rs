//! The service of `edge.proto`, as any gRPC server would serve it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;

use focusflow_mesh::drain::Drain;
use focusflow_mesh::refusal;
use focusflow_mesh::server::{Limits, Peer, Transport, serve};
use futures_util::stream::{self, Stream, StreamExt};
use http::Request as HttpRequest;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tonic::codegen::BoxFuture;
use tonic::server::{ClientStreamingService, Grpc, ServerStreamingService, StreamingService, UnaryService};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::cards;
use super::messages::{
    Collected, CountRequest, FailRequest, FeedRequest, Headers, HealthCheckRequest, HealthCheckResponse, HttpBody,
    Note, Nothing,
};

/// Binds a free port and serves h2c for as long as the test runs.
pub(crate) async fn start() -> SocketAddr {
    start_over(Transport::Plaintext).await
}

/// The same over another transport.
pub(crate) async fn start_over(transport: Transport) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = tower::service_fn(|request| async { Ok::<_, Infallible>(answer(request).await) });
    tokio::spawn(serve(listener, transport, Limits::default(), service, Drain::never()));
    address
}

async fn answer(request: HttpRequest<Incoming>) -> http::Response<tonic::body::Body> {
    let path = request.uri().path().to_owned();
    if path.starts_with(cards::PREFIX) {
        return cards::answer(request).await;
    }
    match path.trim_start_matches("/edge.test.v1.EchoService/") {
        "Echo" | "Open" => Grpc::new(ProstCodec::default()).unary(Echo, request).await,
        "Fail" => Grpc::new(ProstCodec::default()).unary(Fail, request).await,
        "Count" => Grpc::new(ProstCodec::default()).server_streaming(Count, request).await,
        "/edge.test.v1.FeedService/Watch" => Grpc::new(ProstCodec::default()).server_streaming(Watch, request).await,
        "Chat" => Grpc::new(ProstCodec::default()).streaming(Chat, request).await,
        "Upload" => Grpc::new(ProstCodec::default()).client_streaming(Upload, request).await,
        "Download" => Grpc::new(ProstCodec::default()).server_streaming(Download, request).await,
        "Collect" | "Gather" => Grpc::new(ProstCodec::default()).client_streaming(Collect, request).await,
        "Converse" => Grpc::new(ProstCodec::default()).streaming(Converse, request).await,
        "Metadata" => Grpc::new(ProstCodec::default()).unary(Metadata, request).await,
        "Hang" => Grpc::new(ProstCodec::default()).unary(Hang, request).await,
        "/grpc.health.v1.Health/Check" => Grpc::new(ProstCodec::default()).unary(Check, request).await,
        _ => Status::unimplemented(path).into_http(),
    }
}

struct Echo;

impl UnaryService<Note> for Echo {
    type Response = Note;
    type Future = BoxFuture<Response<Note>, Status>;

    fn call(&mut self, request: Request<Note>) -> Self::Future {
        Box::pin(async { Ok(Response::new(request.into_inner())) })
    }
}

/// Details travel with every failure, as they do in the mesh.
struct Fail;

impl UnaryService<FailRequest> for Fail {
    type Response = Note;
    type Future = BoxFuture<Response<Note>, Status>;

    fn call(&mut self, request: Request<FailRequest>) -> Self::Future {
        let status = match Code::from_i32(request.get_ref().code) {
            Code::InvalidArgument => refusal::invalid_argument("first_part.line_count", "expected fewer"),
            Code::Unavailable => {
                refusal::unavailable("RESTING", "come back", Some(std::time::Duration::from_millis(1500)))
            }
            code => refusal::with_reason(code, "ASKED_FOR", "as you wished", &[]),
        };
        Box::pin(async { Err(status) })
    }
}

struct Count;

impl ServerStreamingService<CountRequest> for Count {
    type Response = Note;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<Note, Status>> + Send>>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<CountRequest>) -> Self::Future {
        let CountRequest { count, fail_after, go_silent } = request.into_inner();
        Watch.call(Request::new(FeedRequest { count, fail_after, go_silent, after: 0 }))
    }
}

struct Watch;

impl ServerStreamingService<FeedRequest> for Watch {
    type Response = Note;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<Note, Status>> + Send>>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<FeedRequest>) -> Self::Future {
        let FeedRequest { count, fail_after, go_silent, after } = request.into_inner();
        let notes = stream::iter(after + 1..=count).map(move |number| match fail_after {
            // Below zero: fail before the first.
            _ if fail_after < 0 || (fail_after > 0 && number > fail_after) => {
                Err(refusal::failed_precondition("LOST_COUNT", "the count was lost", &[]))
            }
            _ => Ok(Note { name: number.to_string(), ..Note::default() }),
        });
        let silence = if go_silent { stream::pending().boxed() } else { stream::empty().boxed() };
        Box::pin(async { Ok(Response::new(notes.chain(silence).boxed())) })
    }
}

/// The pieces of a file, counted as `Count` counts.
struct Download;

impl ServerStreamingService<CountRequest> for Download {
    type Response = HttpBody;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<HttpBody, Status>> + Send>>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<CountRequest>) -> Self::Future {
        let counted = Count.call(request);
        Box::pin(async {
            let notes = counted.await?.into_inner();
            let pieces = notes.map(|note| {
                let data = format!("piece {}\n", note?.name).into_bytes();
                Ok(HttpBody { content_type: "text/plain".to_owned(), data })
            });
            Ok(Response::new(pieces.boxed()))
        })
    }
}

struct Upload;

impl ClientStreamingService<HttpBody> for Upload {
    type Response = Collected;
    type Future = BoxFuture<Response<Collected>, Status>;

    fn call(&mut self, request: Request<Streaming<HttpBody>>) -> Self::Future {
        Box::pin(async {
            let mut pieces = request.into_inner();
            let (mut count, mut note) = (0, Note::default());
            while let Some(piece) = pieces.message().await? {
                count += 1;
                note.name = piece.content_type;
                note.size_bytes += i32::try_from(piece.data.len()).unwrap();
            }
            Ok(Response::new(Collected { count, last: Some(note) }))
        })
    }
}

struct Chat;

impl StreamingService<Note> for Chat {
    type Response = Note;
    type ResponseStream = Streaming<Note>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<Streaming<Note>>) -> Self::Future {
        Box::pin(async { Ok(Response::new(request.into_inner())) })
    }
}

struct Collect;

impl ClientStreamingService<Note> for Collect {
    type Response = Collected;
    type Future = BoxFuture<Response<Collected>, Status>;

    fn call(&mut self, request: Request<Streaming<Note>>) -> Self::Future {
        Box::pin(async {
            let mut notes = request.into_inner();
            let mut collected = Collected::default();
            while let Some(note) = notes.message().await? {
                collected.count += 1;
                collected.last = Some(note);
            }
            Ok(Response::new(collected))
        })
    }
}

struct Converse;

impl StreamingService<Note> for Converse {
    type Response = Note;
    type ResponseStream = Streaming<Note>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<Streaming<Note>>) -> Self::Future {
        Box::pin(async { Ok(Response::new(request.into_inner())) })
    }
}

struct Metadata;

impl UnaryService<Nothing> for Metadata {
    type Response = Headers;
    type Future = BoxFuture<Response<Headers>, Status>;

    fn call(&mut self, request: Request<Nothing>) -> Self::Future {
        let headers = request.metadata().clone().into_headers();
        let identity = request.extensions().get::<Peer>().and_then(|peer| peer.identity.clone());
        let peer = identity.map(|identity| ("peer".to_owned(), identity.to_string()));
        let values = headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .chain(peer)
            .collect();
        Box::pin(async { Ok(Response::new(Headers { values })) })
    }
}

struct Hang;

impl UnaryService<Nothing> for Hang {
    type Response = Nothing;
    type Future = BoxFuture<Response<Nothing>, Status>;

    fn call(&mut self, _: Request<Nothing>) -> Self::Future {
        Box::pin(std::future::pending())
    }
}

/// Knows of a database that works, and of nothing else.
struct Check;

impl UnaryService<HealthCheckRequest> for Check {
    type Response = HealthCheckResponse;
    type Future = BoxFuture<Response<HealthCheckResponse>, Status>;

    fn call(&mut self, request: Request<HealthCheckRequest>) -> Self::Future {
        Box::pin(async move {
            match request.get_ref().service.as_str() {
                "" | "database" => Ok(Response::new(HealthCheckResponse { status: 1 })),
                unknown => Err(Status::not_found(unknown)),
            }
        })
    }
}
