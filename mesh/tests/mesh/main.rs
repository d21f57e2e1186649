//! The mesh library from the outside, over real connections.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper that cannot do its part ends the test, as an assertion would"
)]

mod attacks;
mod authorization;
mod ca;
mod channels;
mod credentials;
mod deadlines;
mod echo;
mod framing;
mod operations;
mod peers;
mod pki;
mod raw;
mod rotation;
mod servers;
mod world;
