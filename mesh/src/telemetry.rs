//! What a process tells about itself: log lines and metrics.

mod rpc;

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub use self::rpc::{Call, RpcMetrics, Side};

/// Filter of log lines where neither `RUST_LOG` nor the caller says. h2 warns of each peer that floods it: such are counted,
/// and must not flood the log.
const FILTER_DEFAULT: &str = "info,h2=error";

/// How often samples of histograms are folded into their buckets; until then each takes memory.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Upper bounds in seconds: from an RPC within the machine to the longest deadline that is usual.
const SECONDS_BUCKETS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people at a terminal.
    #[default]
    Plain,
    /// One JSON object per line, for collectors.
    Json,
}

/// Why the telemetry could not be set up.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// `RUST_LOG` is not a filter.
    #[error("RUST_LOG is not a filter")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Something else in the process has taken the log already.
    #[error("log lines go somewhere else already")]
    Subscriber(#[from] tracing_subscriber::util::TryInitError),
}

/// Sends log lines to standard error, filtered by `RUST_LOG` (default `info`, without warnings of HTTP/2), and collects metrics.
///
/// For the start of `main`: metric handles that are made earlier count nothing.
pub fn init(format: LogFormat) -> Result<(), TelemetryError> {
    init_with_filter(format, FILTER_DEFAULT)
}

/// As [`init`], with another filter for when `RUST_LOG` is not set.
pub fn init_with_filter(format: LogFormat, filter_default: &str) -> Result<(), TelemetryError> {
    let filter = std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(|filter| !filter.is_empty());
    let filter = EnvFilter::try_new(filter.as_deref().unwrap_or(filter_default))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let subscriber = tracing_subscriber::registry().with(filter);
    match format {
        LogFormat::Plain => subscriber.with(lines.with_target(false).with_ansi(wants_colours())).try_init()?,
        LogFormat::Json => subscriber.with(lines.json().flatten_event(true)).try_init()?,
    }
    prometheus();
    Ok(())
}

/// The process's metrics, collected from the first call of this function on.
///
/// `None` if something else in the process records metrics.
pub fn prometheus() -> Option<&'static PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let seconds = Matcher::Suffix("_seconds".to_owned());
            let builder = PrometheusBuilder::new().set_buckets_for_metric(seconds, &SECONDS_BUCKETS).ok()?;
            let handle = builder.install_recorder().ok()?;
            rpc::describe();
            Some(handle)
        })
        .as_ref()
}

/// Bounds the memory of histograms; runs for ever.
pub async fn maintain() {
    let mut interval = tokio::time::interval(UPKEEP_INTERVAL);
    loop {
        interval.tick().await;
        if let Some(handle) = prometheus() {
            handle.run_upkeep();
        }
    }
}

/// A file or a pipe would keep the escape sequences; `NO_COLOR` is how a person says the same (<https://no-color.org>).
fn wants_colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
