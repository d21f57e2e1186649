//! `focusflow`: the whole product in one process, each service by itself, and the operators' commands.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks on its standard output and error")]

mod cert;
mod export;
mod gateway;
mod import;
mod openapi;
mod service;
mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Plan, do and understand your work: a gRPC service mesh.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything on this machine in one process: SQLite, a development CA, all services over mTLS
    Up(up::Arguments),
    /// Run the edge: REST, gRPC-Web and gRPC on one port; configured by environment
    Gateway(service::GatewayArguments),
    /// Run storage; configured by environment
    Storage,
    /// Run ai; configured by environment
    Ai,
    /// The development CA and its certificates
    #[command(subcommand)]
    Cert(cert::Command),
    /// Bring history in from elsewhere
    Import(import::Arguments),
    /// Take all that you have here out, as one JSON document
    Export(export::Arguments),
    /// Print the REST interface as an OpenAPI 3.1 document
    Openapi(openapi::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Up(arguments) => up::run(arguments).await,
        Command::Gateway(arguments) => service::gateway(arguments).await,
        Command::Storage => service::storage().await,
        Command::Ai => service::ai().await,
        Command::Cert(command) => cert::run(command),
        Command::Import(arguments) => import::run(arguments).await,
        Command::Export(arguments) => export::run(arguments).await,
        Command::Openapi(arguments) => openapi::run(arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("focusflow: {error:#}");
            ExitCode::FAILURE
        }
    }
}
