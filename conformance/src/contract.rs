//! The contracts of the suites, as far as the mesh and the edge read one: names and kinds of RPCs.
//!
//! Messages pass through both unread, so none is declared here. That also is what an edge before a stranger's contract
//! has to do with.

use prost::Message as _;
use prost_types::{
    DescriptorProto, FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto,
};

/// Which sides of an RPC are streams.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Unary,
    ClientStream,
    ServerStream,
    BidiStream,
}

/// An RPC by its name.
pub(crate) type Rpc = (&'static str, Kind);

const MESSAGE: &str = "Message";

/// The encoded descriptor set of one service.
pub(crate) fn descriptor_set(package: &str, service: &str, rpcs: &[Rpc]) -> Vec<u8> {
    let file = FileDescriptorProto {
        name: Some(format!("{package}.proto")),
        package: Some(package.to_owned()),
        syntax: Some("proto3".to_owned()),
        message_type: vec![DescriptorProto { name: Some(MESSAGE.to_owned()), ..DescriptorProto::default() }],
        service: vec![ServiceDescriptorProto {
            name: Some(service.to_owned()),
            method: rpcs.iter().map(|rpc| method(package, *rpc)).collect(),
            ..ServiceDescriptorProto::default()
        }],
        ..FileDescriptorProto::default()
    };
    FileDescriptorSet { file: vec![file] }.encode_to_vec()
}

fn method(package: &str, (name, kind): Rpc) -> MethodDescriptorProto {
    let message = format!(".{package}.{MESSAGE}");
    MethodDescriptorProto {
        name: Some(name.to_owned()),
        input_type: Some(message.clone()),
        output_type: Some(message),
        client_streaming: Some(matches!(kind, Kind::ClientStream | Kind::BidiStream)),
        server_streaming: Some(matches!(kind, Kind::ServerStream | Kind::BidiStream)),
        ..MethodDescriptorProto::default()
    }
}
