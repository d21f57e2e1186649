//! `grpc.health.v1.Health` over the one state: `Check`, `Watch` and `List`.
//!
//! Written here and not taken from `tonic-health`, whose service has no `List`, ends a `Watch` of an unknown name and
//! says SERVING before the process is ready. Its message types are used as they are; those of `List` stand below.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::Poll;

use async_stream::stream;
use futures_util::Stream;
use prost_reflect::prost::Message;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{self, FileDescriptorSet};
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::codegen::BoxFuture;
use tonic::server::{Grpc, NamedService, ServerStreamingService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_prost::ProstCodec;

use super::Health;
use crate::refusal::{self, Reason, Refusal};

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const LIST: &str = "/grpc.health.v1.Health/List";

/// Request of `List`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct HealthListRequest {}

/// Response of `List`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HealthListResponse {
    /// The status of every name that is known; the empty name is the process.
    #[prost(map = "string, message", tag = "1")]
    pub statuses: HashMap<String, HealthCheckResponse>,
}

/// Serves `grpc.health.v1.Health`.
#[derive(Clone, Debug)]
pub struct HealthService {
    health: Health,
}

impl HealthService {
    pub(super) fn new(health: Health) -> Self {
        Self { health }
    }

    fn check(&self, name: &str) -> Result<HealthCheckResponse, Status> {
        let serves = self.health.state().read().serves(name);
        serves.map(answer).ok_or_else(|| refusal::not_found("health service", name))
    }

    fn list(&self) -> HealthListResponse {
        let facts = self.health.state().read();
        let known = facts.names().filter_map(|name| Some((name.to_owned(), answer(facts.serves(name)?))));
        HealthListResponse { statuses: known.collect() }
    }

    /// An unknown name is answered SERVICE_UNKNOWN and the stream stays, since the name may become known.
    fn watch(&self, name: String) -> WatchStream {
        let mut changes = self.health.state().changes();
        let health = self.health.clone();
        Box::pin(stream! {
            let mut told = None;
            loop {
                let serves = health.state().read().serves(&name);
                if told != Some(serves) {
                    told = Some(serves);
                    yield Ok(serves.map_or_else(unknown, answer));
                }
                if changes.changed().await.is_err() {
                    return;
                }
            }
        })
    }
}

impl NamedService for HealthService {
    const NAME: &'static str = "grpc.health.v1.Health";
}

impl<B> tower::Service<http::Request<B>> for HealthService
where
    B: http_body::Body + Send + 'static,
    B::Error: Into<tonic::codegen::StdError> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _cx: &mut std::task::Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let service = self.clone();
        match request.uri().path() {
            CHECK => Box::pin(async move { Ok(grpc().unary(Check(service), request).await) }),
            LIST => Box::pin(async move { Ok(grpc().unary(List(service), request).await) }),
            WATCH => Box::pin(async move { Ok(grpc().server_streaming(Watch(service), request).await) }),
            path => {
                let refusal = Refusal::new(Reason::UnknownMethod, format!("{path} is not an RPC of this service"));
                Box::pin(std::future::ready(Ok(Status::from(refusal).into_http())))
            }
        }
    }
}

/// Reads what is compressed, as probes may be told to send it.
fn grpc<A, B>() -> Grpc<ProstCodec<A, B>>
where
    A: Message + Send + 'static,
    B: Message + Default + Send + 'static,
{
    Grpc::new(ProstCodec::default())
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip)
}

struct Check(HealthService);
struct List(HealthService);
struct Watch(HealthService);

type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

impl UnaryService<HealthCheckRequest> for Check {
    type Response = HealthCheckResponse;
    type Future = std::future::Ready<Result<Response<Self::Response>, Status>>;

    fn call(&mut self, request: Request<HealthCheckRequest>) -> Self::Future {
        std::future::ready(self.0.check(&request.get_ref().service).map(Response::new))
    }
}

impl UnaryService<HealthListRequest> for List {
    type Response = HealthListResponse;
    type Future = std::future::Ready<Result<Response<Self::Response>, Status>>;

    fn call(&mut self, _request: Request<HealthListRequest>) -> Self::Future {
        std::future::ready(Ok(Response::new(self.0.list())))
    }
}

impl ServerStreamingService<HealthCheckRequest> for Watch {
    type Response = HealthCheckResponse;
    type ResponseStream = WatchStream;
    type Future = std::future::Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<HealthCheckRequest>) -> Self::Future {
        std::future::ready(Ok(Response::new(self.0.watch(request.into_inner().service))))
    }
}

/// The service's descriptors, encoded, with `List`: reflection would otherwise not show it.
pub fn file_descriptor_set() -> Vec<u8> {
    let Ok(mut set) = FileDescriptorSet::decode(tonic_health::pb::FILE_DESCRIPTOR_SET) else {
        return tonic_health::pb::FILE_DESCRIPTOR_SET.to_vec();
    };
    for file in &mut set.file {
        add_list(file);
    }
    set.encode_to_vec()
}

fn add_list(file: &mut prost_types::FileDescriptorProto) {
    const MAP_ENTRY: &str = ".grpc.health.v1.HealthListResponse.StatusesEntry";
    let Some(service) = file.service.iter_mut().find(|service| service.name() == "Health") else { return };
    if service.method.iter().any(|method| method.name() == "List") {
        return;
    }
    service.method.push(prost_types::MethodDescriptorProto {
        name: Some("List".to_owned()),
        input_type: Some(".grpc.health.v1.HealthListRequest".to_owned()),
        output_type: Some(".grpc.health.v1.HealthListResponse".to_owned()),
        ..Default::default()
    });
    let entry = prost_types::DescriptorProto {
        name: Some("StatusesEntry".to_owned()),
        field: vec![
            field("key", 1, Type::String, Label::Optional, None),
            field("value", 2, Type::Message, Label::Optional, Some(".grpc.health.v1.HealthCheckResponse")),
        ],
        options: Some(prost_types::MessageOptions { map_entry: Some(true), ..Default::default() }),
        ..Default::default()
    };
    file.message_type
        .push(prost_types::DescriptorProto { name: Some("HealthListRequest".to_owned()), ..Default::default() });
    file.message_type.push(prost_types::DescriptorProto {
        name: Some("HealthListResponse".to_owned()),
        field: vec![field("statuses", 1, Type::Message, Label::Repeated, Some(MAP_ENTRY))],
        nested_type: vec![entry],
        ..Default::default()
    });
}

fn field(
    name: &str,
    number: i32,
    kind: Type,
    label: Label,
    type_name: Option<&str>,
) -> prost_types::FieldDescriptorProto {
    prost_types::FieldDescriptorProto {
        name: Some(name.to_owned()),
        json_name: Some(name.to_owned()),
        number: Some(number),
        r#type: Some(kind.into()),
        label: Some(label.into()),
        type_name: type_name.map(str::to_owned),
        ..Default::default()
    }
}

fn answer(serves: bool) -> HealthCheckResponse {
    let status = if serves { ServingStatus::Serving } else { ServingStatus::NotServing };
    HealthCheckResponse { status: status.into() }
}

fn unknown() -> HealthCheckResponse {
    HealthCheckResponse { status: ServingStatus::ServiceUnknown.into() }
}

#[cfg(test)]
mod tests {
    use prost_reflect::DescriptorPool;

    use super::*;

    #[test]
    fn the_descriptors_know_list_and_its_messages() {
        let pool = DescriptorPool::decode(file_descriptor_set().as_slice()).unwrap();
        let service = pool.get_service_by_name(HealthService::NAME).unwrap();
        let list = service.methods().find(|method| method.name() == "List").unwrap();
        let statuses = list.output().get_field_by_name("statuses").unwrap();
        assert!(statuses.is_map());
    }
}
