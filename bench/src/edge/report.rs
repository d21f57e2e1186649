//! The figures as a Markdown table.

use std::io::{self, Write};

use super::lane::{Figures, Plan, System, Turn};

/// Prints the table to the standard output.
pub(super) fn print(plan: &Plan, figures: &[Figures]) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(
        output,
        "{} connections in a closed loop, tasks in PostgreSQL ({} of them, fsync on), a JWT checked for each request; \
         {} turns of {} ms each. CPU time per request in µs, the database's left out; medians of turns.\n",
        plan.connections,
        plan.tier.name(),
        plan.turns,
        plan.block.as_millis()
    )?;
    writeln!(
        output,
        "| what | who | gateway or Express | storage | together | Express to this | p50 µs | p99 µs | p99.9 µs | \
         requests/s | resident MB |"
    )?;
    writeln!(output, "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")?;
    for lane in figures {
        row(&mut output, figures, lane)?;
    }
    Ok(())
}

fn row(output: &mut impl Write, figures: &[Figures], lane: &Figures) -> io::Result<()> {
    let baseline = figures.iter().find(|other| other.operation == lane.operation && other.system == System::Express);
    let advantage = baseline.map(|express| format!("{:.2}", lane.advantage_over(express)));
    writeln!(
        output,
        "| {} | {} | {:.1} | {:.1} | {:.1} | {} | {:.0} | {:.0} | {:.0} | {:.0} | {} |",
        lane.operation.name(),
        name(lane.system),
        lane.median(|turn| turn.front_us),
        lane.median(|turn| turn.storage_us),
        lane.median(Turn::total_us),
        advantage.unwrap_or_else(|| "-".to_owned()),
        lane.median(|turn| turn.p50_us),
        lane.median(|turn| turn.p99_us),
        lane.median(|turn| turn.p999_us),
        lane.median(|turn| turn.requests_per_second),
        lane.resident_kib / 1024,
    )
}

fn name(system: System) -> &'static str {
    match system {
        System::FocusFlow => "FocusFlow",
        System::Express => "Express",
    }
}
