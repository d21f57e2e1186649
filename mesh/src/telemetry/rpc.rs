//! The golden metrics of an RPC: how many, how they ended, how long they took, how many are under way.

use std::sync::{Arc, OnceLock};

use metrics::{Counter, Gauge, Histogram, Unit, counter, gauge, histogram};
use tokio::time::Instant;
use tonic::Code;

use crate::status;

/// gRPC has codes 0 to 16.
const CODES: usize = 17;

/// Which end of the call counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// `grpc_server_*`.
    Server,
    /// `grpc_client_*`.
    Client,
}

/// The metrics of one RPC, looked up once: the recorder's map is too slow for every call.
#[derive(Debug)]
pub struct RpcMetrics {
    side: Side,
    service: String,
    method: String,
    started: Counter,
    handled: [OnceLock<Counter>; CODES],
    seconds: Histogram,
    in_flight: Gauge,
}

/// A call under way; what is dropped without a code counts as CANCELLED.
#[derive(Debug)]
pub struct Call {
    metrics: Arc<RpcMetrics>,
    begun: Instant,
    code: Code,
}

impl RpcMetrics {
    /// The metrics of `/service/method`.
    pub fn new(side: Side, service: &str, method: &str) -> Self {
        let names = side.names();
        let labels = [("grpc_service", service.to_owned()), ("grpc_method", method.to_owned())];
        Self {
            side,
            service: service.to_owned(),
            method: method.to_owned(),
            started: counter!(names.started, &labels),
            handled: [const { OnceLock::new() }; CODES],
            seconds: histogram!(names.seconds, &labels),
            in_flight: gauge!(names.in_flight, &labels),
        }
    }

    /// Counts the start of a call.
    pub fn start(self: &Arc<Self>) -> Call {
        self.started.increment(1);
        self.in_flight.increment(1.0);
        Call { metrics: Arc::clone(self), begun: Instant::now(), code: Code::Cancelled }
    }

    fn handled(&self, code: Code) -> Option<&Counter> {
        let slot = self.handled.get(usize::try_from(code as i32).ok()?)?;
        Some(slot.get_or_init(|| {
            let labels = [
                ("grpc_service", self.service.clone()),
                ("grpc_method", self.method.clone()),
                ("grpc_code", code_name(code).to_owned()),
            ];
            counter!(self.side.names().handled, &labels)
        }))
    }
}

impl Call {
    /// Says how the call ended.
    pub fn ended(&mut self, code: Code) {
        self.code = code;
    }

    /// Says how the call ended, from the status in its response headers or trailers, if it is there.
    pub fn ended_by(&mut self, headers: &http::HeaderMap) {
        if let Some(code) = status::code(headers) {
            self.code = code;
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let elapsed = self.begun.elapsed();
        self.metrics.in_flight.decrement(1.0);
        self.metrics.seconds.record(elapsed);
        if let Some(counter) = self.metrics.handled(self.code) {
            counter.increment(1);
        }
        tracing::debug!(
            grpc.service = self.metrics.service,
            grpc.method = self.metrics.method,
            grpc.code = code_name(self.code),
            side = ?self.metrics.side,
            duration_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            "call ended"
        );
    }
}

struct Names {
    started: &'static str,
    handled: &'static str,
    seconds: &'static str,
    in_flight: &'static str,
}

impl Side {
    const fn names(self) -> Names {
        match self {
            Self::Server => Names {
                started: "grpc_server_started_total",
                handled: "grpc_server_handled_total",
                seconds: "grpc_server_handling_seconds",
                in_flight: "grpc_server_in_flight",
            },
            Self::Client => Names {
                started: "grpc_client_started_total",
                handled: "grpc_client_handled_total",
                seconds: "grpc_client_handling_seconds",
                in_flight: "grpc_client_in_flight",
            },
        }
    }
}

pub(super) fn describe() {
    for side in [Side::Server, Side::Client] {
        let names = side.names();
        metrics::describe_counter!(names.started, "Calls that began");
        metrics::describe_counter!(names.handled, "Calls that ended, by gRPC code");
        metrics::describe_histogram!(names.seconds, Unit::Seconds, "From a call's begin to the end of its response");
        metrics::describe_gauge!(names.in_flight, "Calls under way");
    }
}

/// The code's name as dashboards of other gRPC libraries expect it.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}
