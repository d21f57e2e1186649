//! A service as a process of its own: logs and metrics, then serving, then the shutdown that a signal asks for.

use std::future::Future;
use std::io;
use std::pin::pin;

use crate::drain::{self, Drain, DrainConfig, Outcome};
use crate::health::Health;
use crate::telemetry::{self, LogFormat, TelemetryError};
use crate::tls;

/// What a process does before anything else; once.
pub fn prepare(format: LogFormat) -> Result<(), TelemetryError> {
    tls::install_provider();
    telemetry::init(format)
}

/// As [`prepare`], with a filter of log lines for when `RUST_LOG` is not set, such as `warn`.
pub fn prepare_with_filter(format: LogFormat, filter_default: &str) -> Result<(), TelemetryError> {
    tls::install_provider();
    telemetry::init_with_filter(format, filter_default)
}

/// Serves until SIGTERM or SIGINT, then drains. `health` is what says NOT_SERVING meanwhile.
///
/// Fails if the service ends by itself: a process that lives on without it would only look alive.
pub async fn serve<F, R>(health: Health, run: F) -> io::Result<Outcome>
where
    F: FnOnce(Drain) -> R,
    R: Future<Output = ()> + Send + 'static,
{
    let (handle, drain) = drain::channel(DrainConfig::default(), health.clone());
    let mut served = tokio::spawn(run(drain));
    let mut drained = pin!(handle.run_on_signals());
    let outcome = tokio::select! {
        outcome = &mut drained => outcome?,
        ended = &mut served => match ended {
            Ok(()) if health.is_draining() => drained.await?,
            Ok(()) => return Err(io::Error::other("the service ended by itself")),
            Err(error) => return Err(io::Error::other(error)),
        }
    };
    // Only what the service does not count as work can be left, such as its watch on certificates.
    served.abort();
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_does_not_outlive_its_service() {
        assert!(serve(Health::new(), |_drain| async {}).await.is_err());
    }
}
