//! What happens without a request, again and again.
//!
//! Each job runs on every replica; what they do is claimed or serialised in the database, so that it happens once.

mod dispatch;
mod habits;
mod mails;
mod retention;

use std::fmt::Display;
use std::time::Duration;

use focusflow_mesh::drain::Drain;
use tokio::time::{Instant, sleep};

pub(crate) use self::dispatch::Dispatch;
pub(crate) use self::habits::LookAtHabits;
pub(crate) use self::mails::SendMail;
pub(crate) use self::retention::ForgetNotifications;

/// Replicas that start together do not go on together: each pause is longer by up to this part of it.
const JITTER: f64 = 0.2;

/// Something to be done again and again.
pub(crate) trait Job: Send + 'static {
    /// What went wrong.
    type Error: Display;

    /// What metrics and the log call it.
    const NAME: &'static str;
    /// How long it pauses between two runs.
    const INTERVAL: Duration;

    /// Does what there is to do, and ends early once `drain` says so. Answers how much was done.
    fn run(&mut self, drain: &Drain) -> impl Future<Output = Result<usize, Self::Error>> + Send;
}

/// Runs a job until the shutdown, which waits for the run that is under way.
pub(crate) async fn repeat(mut job: impl Job, drain: Drain) {
    let _held = drain.hold();
    let mut job = Repeated { job: &mut job };
    loop {
        tokio::select! {
            biased;
            () = drain.forced() => return,
            () = job.run(&drain) => {}
        }
        tokio::select! {
            biased;
            () = drain.draining() => return,
            () = job.pause() => {}
        }
    }
}

struct Repeated<'j, J> {
    job: &'j mut J,
}

impl<J: Job> Repeated<'_, J> {
    async fn run(&mut self, drain: &Drain) {
        let begun = Instant::now();
        let result = self.job.run(drain).await;
        let outcome = if result.is_ok() { "ok" } else { "error" };
        metrics::counter!("job_runs_total", "job" => J::NAME, "outcome" => outcome).increment(1);
        metrics::histogram!("job_duration_seconds", "job" => J::NAME).record(begun.elapsed().as_secs_f64());
        match result {
            Ok(0) => {}
            Ok(count) => tracing::debug!(job = J::NAME, count, "a job did its work"),
            Err(error) => tracing::warn!(job = J::NAME, %error, "a job failed, and is tried again"),
        }
    }

    async fn pause(&self) {
        sleep(J::INTERVAL.mul_f64(1.0 + JITTER * rand::random::<f64>())).await;
    }
}

/// Tells for how long the oldest work has been due.
fn record_lag(job: &'static str, now: chrono::DateTime<chrono::Utc>, oldest: Option<chrono::DateTime<chrono::Utc>>) {
    let lag = oldest.map_or(Duration::ZERO, |oldest| (now - oldest).to_std().unwrap_or_default());
    metrics::gauge!("job_lag_seconds", "job" => job).set(lag.as_secs_f64());
}
