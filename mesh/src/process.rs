//! A service as a process of its own: logs and metrics, then serving, then the shutdown that a signal asks for.

use std::future::Future;
use std::io;
use std::pin::pin;

use mimalloc::MiMalloc;
use thiserror::Error;
use tokio::task::JoinError;

use crate::drain::{self, Drain, DrainConfig, Outcome};
use crate::environment::{Environment, EnvironmentError};
use crate::health::Health;
use crate::telemetry::{self, LogFormat, TelemetryError};
use crate::tls;

/// A request makes and frees some hundred small pieces of memory; the system's allocator takes longer for them.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Why a process ends with a failure.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// A variable cannot be used.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The system does not tell of signals.
    #[error("signals cannot be listened for")]
    Signals(#[from] io::Error),
    /// The service ended by itself; a process that lived on without it would only look alive.
    #[error("the service ended by itself")]
    Ended(#[source] Option<JoinError>),
}

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

/// Serves until SIGTERM or SIGINT, then drains as `DRAIN_DELAY_SECONDS` and `DRAIN_DEADLINE_SECONDS` say. `health` is
/// what says NOT_SERVING meanwhile.
pub async fn serve<F, R>(health: Health, run: F) -> Result<Outcome, ProcessError>
where
    F: FnOnce(Drain) -> R,
    R: Future<Output = ()> + Send + 'static,
{
    let config = DrainConfig::read(&Environment::new(&|name| std::env::var(name).ok()))?;
    let (handle, drain) = drain::channel(config, health.clone());
    let mut served = tokio::spawn(run(drain));
    let mut drained = pin!(handle.run_on_signals());
    let outcome = tokio::select! {
        outcome = &mut drained => outcome?,
        ended = &mut served => match ended {
            Ok(()) if health.is_draining() => drained.await?,
            ended => return Err(ProcessError::Ended(ended.err())),
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
        let ended = serve(Health::new(), |_drain| async {}).await;
        assert!(matches!(ended, Err(ProcessError::Ended(None))), "{ended:?}");
    }
}
