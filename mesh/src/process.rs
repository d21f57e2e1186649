//! A service as a process of its own: logs and metrics, then serving, then the shutdown that a signal asks for.

use std::future::Future;
use std::io;

use crate::drain::{self, Drain, DrainConfig, Outcome};
use crate::health::Health;
use crate::telemetry::{self, LogFormat, TelemetryError};
use crate::tls;

/// What a process does before anything else; once.
pub fn prepare(format: LogFormat) -> Result<(), TelemetryError> {
    tls::install_provider();
    telemetry::init(format)
}

/// Serves until SIGTERM or SIGINT, then drains. `health` is what says NOT_SERVING meanwhile.
pub async fn serve<F, R>(health: Health, run: F) -> io::Result<Outcome>
where
    F: FnOnce(Drain) -> R,
    R: Future<Output = ()> + Send + 'static,
{
    let (handle, drain) = drain::channel(DrainConfig::default(), health);
    let served = tokio::spawn(run(drain));
    let outcome = handle.run_on_signals().await?;
    // Only what the service does not count as work can be left, such as its watch on certificates.
    served.abort();
    Ok(outcome)
}
