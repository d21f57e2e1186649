//! The service of `edge.proto` whose things have etags.

use focusflow_mesh::refusal;
use http::Request as HttpRequest;
use hyper::body::Incoming;
use tonic::codegen::BoxFuture;
use tonic::server::{Grpc, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::messages::{Card, DeleteCardRequest, GetCardRequest, Nothing, UpdateCardRequest};

pub(super) const PREFIX: &str = "/edge.test.v1.CardService/";

pub(super) async fn answer(request: HttpRequest<Incoming>) -> http::Response<tonic::body::Body> {
    let path = request.uri().path().to_owned();
    match path.trim_start_matches(PREFIX) {
        "GetCard" => Grpc::new(ProstCodec::default()).unary(Get, request).await,
        "CreateCard" | "UpdateCard" => Grpc::new(ProstCodec::default()).unary(Update, request).await,
        "DeleteCard" => Grpc::new(ProstCodec::default()).unary(Delete, request).await,
        "ShuffleCards" => Grpc::new(ProstCodec::default()).unary(Shuffle, request).await,
        _ => Status::unimplemented(path).into_http(),
    }
}

fn current_etag(id: &str) -> String {
    if id == "opaque" { "v 3".to_owned() } else { "\"3\"".to_owned() }
}

/// Whether a card may be changed whose etag a request gives.
fn check(id: &str, etag: &str) -> Result<(), Status> {
    let current = current_etag(id);
    match id {
        "gone" => Err(refusal::not_found("card", id)),
        "busy" => Err(refusal::aborted("DATABASE_CONFLICT", "others were writing the same", &[])),
        _ if etag.is_empty() || etag == current => Ok(()),
        _ => Err(refusal::aborted("ETAG_MISMATCH", "the etag is not current", &[("current_etag", &current)])),
    }
}

struct Get;

impl UnaryService<GetCardRequest> for Get {
    type Response = Card;
    type Future = BoxFuture<Response<Card>, Status>;

    fn call(&mut self, request: Request<GetCardRequest>) -> Self::Future {
        let GetCardRequest { id, streak, text_bytes } = request.into_inner();
        let text = "x".repeat(usize::try_from(text_bytes).unwrap());
        let etag = current_etag(&id);
        Box::pin(async move { Ok(Response::new(Card { id, text, streak, etag })) })
    }
}

struct Update;

impl UnaryService<UpdateCardRequest> for Update {
    type Response = Card;
    type Future = BoxFuture<Response<Card>, Status>;

    fn call(&mut self, request: Request<UpdateCardRequest>) -> Self::Future {
        let card = request.into_inner().card.unwrap_or_default();
        Box::pin(async move {
            check(&card.id, &card.etag)?;
            Ok(Response::new(Card { etag: "\"4\"".to_owned(), ..card }))
        })
    }
}

struct Delete;

impl UnaryService<DeleteCardRequest> for Delete {
    type Response = Nothing;
    type Future = BoxFuture<Response<Nothing>, Status>;

    fn call(&mut self, request: Request<DeleteCardRequest>) -> Self::Future {
        let DeleteCardRequest { id, etag } = request.into_inner();
        Box::pin(async move { check(&id, &etag).map(|()| Response::new(Nothing {})) })
    }
}

struct Shuffle;

impl UnaryService<Nothing> for Shuffle {
    type Response = Nothing;
    type Future = BoxFuture<Response<Nothing>, Status>;

    fn call(&mut self, request: Request<Nothing>) -> Self::Future {
        Box::pin(async { Ok(Response::new(request.into_inner())) })
    }
}
