//! connectrpc/conformance: the suite starts this program, tells it on standard input what to be, and reads on standard
//! output where it is, or what came of its calls.

mod client;
mod messages;
mod payload;
mod pipe;
mod server;
mod service;

pub(crate) use self::client::run as run_client;
pub(crate) use self::server::run as run_server;

use crate::contract::{Kind, Rpc};

const PACKAGE: &str = "connectrpc.conformance.v1";
const SERVICE: &str = "ConformanceService";

const RPCS: [Rpc; 6] = [
    ("Unary", Kind::Unary),
    ("ServerStream", Kind::ServerStream),
    ("ClientStream", Kind::ClientStream),
    ("BidiStream", Kind::BidiStream),
    ("Unimplemented", Kind::Unary),
    ("IdempotentUnary", Kind::Unary),
];

fn descriptor_set() -> Vec<u8> {
    crate::contract::descriptor_set(PACKAGE, SERVICE, &RPCS)
}
