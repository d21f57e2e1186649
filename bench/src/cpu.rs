//! The CPU time that a process has used, as Linux accounts it.

use std::fs;
use std::time::Duration;

use anyhow::Context;

/// CPU time of all living threads of a process, in user and kernel mode, to the nanosecond.
///
/// The scheduler's own figure is used because `/proc/PID/stat` counts in steps of 10 ms. Threads that ended are not
/// in it; the servers under load keep theirs.
pub(crate) fn time_used(process: u32) -> anyhow::Result<Duration> {
    let threads = format!("/proc/{process}/task");
    let mut nanoseconds = 0;
    for thread in fs::read_dir(&threads).with_context(|| format!("reading {threads}"))? {
        // A thread may end between the listing and the reading.
        let Ok(schedule) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        nanoseconds += on_cpu_nanoseconds(&schedule).with_context(|| format!("the schedstat of {threads}"))?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// The first of `schedstat`'s three numbers.
fn on_cpu_nanoseconds(schedule: &str) -> Option<u64> {
    schedule.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_is_the_time_on_a_cpu() {
        assert_eq!(on_cpu_nanoseconds("73361881 91315405 126\n"), Some(73_361_881));
        assert_eq!(on_cpu_nanoseconds(""), None);
    }

    #[test]
    fn this_process_has_used_some() {
        assert!(time_used(std::process::id()).unwrap() > Duration::ZERO);
    }
}
