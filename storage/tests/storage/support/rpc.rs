//! RPCs by their names, with requests in JSON: for tests that go through the contract.

use focusflow_mesh::policy::{MethodPolicy, Policies};
use focusflow_proto::FILE_DESCRIPTOR_SET;
use prost_reflect::DynamicMessage;
use prost_reflect::prost::Message as _;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Request, Status};

use super::Person;

impl Person {
    /// Calls `Service/Method` of the public contract.
    pub(crate) async fn rpc(&self, rpc: &str, body: serde_json::Value) -> Result<serde_json::Value, Status> {
        let policies = Policies::from_descriptor_set(FILE_DESCRIPTOR_SET).unwrap();
        let policy = policies.method(&format!("/focusflow.v1.{rpc}")).unwrap();
        let service = policies.pool().get_service_by_name(&policy.service).unwrap();
        let method = service.methods().find(|method| method.name() == policy.method).unwrap();
        let answer = call(self, policy, DynamicMessage::deserialize(method.input(), body).unwrap()).await?;
        let answer = DynamicMessage::decode(method.output(), answer.as_slice()).unwrap();
        Ok(serde_json::to_value(&answer).unwrap())
    }
}

/// Calls an RPC with a message of a type that is not linked in. Of a stream, the first answer.
pub(crate) async fn call(person: &Person, policy: &MethodPolicy, message: DynamicMessage) -> Result<Vec<u8>, Status> {
    let path = format!("/{}/{}", policy.service, policy.method).parse().unwrap();
    let mut client = tonic::client::Grpc::new(person.channel());
    client.ready().await.unwrap();
    let request = Request::new(message.encode_to_vec());
    if policy.server_streaming {
        let mut answers = client.server_streaming(request, path, Bytes).await?.into_inner();
        return answers.message().await.map(Option::unwrap_or_default);
    }
    client.unary(request, path, Bytes).await.map(tonic::Response::into_inner)
}

/// Messages as they are.
#[derive(Clone, Copy)]
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        prost_reflect::prost::bytes::BufMut::put_slice(buffer, &message);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let length = prost_reflect::prost::bytes::Buf::remaining(buffer);
        Ok(Some(prost_reflect::prost::bytes::Buf::copy_to_bytes(buffer, length).to_vec()))
    }
}
