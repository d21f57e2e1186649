//! The resident memory of a process, as Linux accounts it.

use std::fs;

use anyhow::Context;

/// In KiB.
pub(crate) fn resident_kib(process: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    parse_resident(&status).context("no VmRSS in the process's status")
}

fn parse_resident(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_from_its_line() {
        assert_eq!(parse_resident("VmHWM:\t 9 kB\nVmRSS:\t   28124 kB\n"), Some(28124));
        assert_eq!(parse_resident("Name: x\n"), None);
    }
}
