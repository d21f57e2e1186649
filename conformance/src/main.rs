//! What strangers' suites run against: the real mesh and the real edge, serving the suites' own services.
//!
//! `scripts/conformance` installs the suites and starts them; docs/CONFORMANCE.md has the results.

mod connect;
mod contract;
mod interop;
mod service;
mod stack;
mod tls;

use anyhow::Result;
use clap::Parser;

#[derive(Debug, Parser)]
#[command(about, version)]
enum Command {
    /// The server that connectrpc/conformance tests.
    ConnectServer {
        /// Put the edge before it for gRPC too; gRPC-Web always has it.
        #[arg(long)]
        through_gateway: bool,
    },
    /// The client that connectrpc/conformance tests.
    ConnectClient,
    /// The server that gRPC's interoperability client tests, and h2spec: prints where, and serves until it is ended.
    Interop,
}

#[tokio::main]
async fn main() -> Result<()> {
    match Command::parse() {
        Command::ConnectServer { through_gateway } => connect::run_server(through_gateway).await,
        Command::ConnectClient => connect::run_client().await,
        Command::Interop => interop::run().await,
    }
}
