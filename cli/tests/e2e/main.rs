//! The product as its users have it: the `focusflow` binary, started as a process, spoken to over its ports.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's way to fail")]

mod access;
mod certificates;
mod durability;
mod grpc;
mod harness;
mod importing;
mod inside;
mod shutdown;
mod strangers;
mod tour;
mod transfer;
