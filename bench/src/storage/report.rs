//! The figures as Markdown tables.

use std::io::{self, Write};
use std::time::Duration;

use super::cluster::SHARED_BUFFERS;
use super::lane::{Figures, Key, Plan};
use super::memory::Memory;
use super::operation::{Operation, Way};
use super::tier::{CHANGES, PEOPLE, TASKS_PER_PERSON, Tier};

/// Tells how a run that takes its time goes on.
#[expect(clippy::print_stderr, reason = "progress is for whoever waits, not part of the tables")]
pub(super) fn loaded(database: &str, tier: Tier, elapsed: Duration) {
    eprintln!("{database}: {} tasks loaded in {:.0} s", tier.name(), elapsed.as_secs_f64());
}

/// Prints a database's tables to the standard output.
pub(super) fn print(database: &str, plan: &Plan, figures: &[Figures], memory: &Memory) -> io::Result<()> {
    let mut output = io::stdout().lock();
    for callers in [1, plan.concurrency] {
        introduction(&mut output, database, plan, callers)?;
        table(&mut output, figures, callers)?;
        writeln!(output)?;
    }
    writeln!(
        output,
        "{database}: {CHANGES} changes streamed out of the service with the most tasks; its resident memory was \
         {:.1} MB before, at most {:.1} MB meanwhile.\n",
        megabytes(memory.before_kib),
        megabytes(memory.peak_kib)
    )
}

fn introduction(output: &mut impl Write, database: &str, plan: &Plan, callers: u64) -> io::Result<()> {
    let settings = match database {
        "PostgreSQL" => format!("fsync on, shared_buffers {SHARED_BUFFERS}"),
        _ => "WAL, synchronous = FULL".to_owned(),
    };
    writeln!(
        output,
        "{database} ({settings}), {PEOPLE} people, {TASKS_PER_PERSON} tasks of each who has any; {callers} under way, \
         {} turns of {} ms each. Times in µs; medians of turns.\n",
        plan.turns,
        plan.block.as_millis()
    )
}

fn table(output: &mut impl Write, figures: &[Figures], callers: u64) -> io::Result<()> {
    writeln!(
        output,
        "| what | tasks | plain p50 | p99 | with RLS p50 | p99 | to plain | service p50 | p99 | its CPU | to the fewest |"
    )?;
    writeln!(output, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")?;
    for operation in Operation::ALL {
        for service in figures.iter().filter(|figures| is(figures.key, operation, callers, Way::Service)) {
            row(output, figures, service)?;
        }
    }
    Ok(())
}

fn row(output: &mut impl Write, figures: &[Figures], service: &Figures) -> io::Result<()> {
    let Key { operation, tier, callers, .. } = service.key;
    let lane = |way| figures.iter().find(|figures| figures.key == Key { way, ..service.key });
    let smallest = figures.iter().find(|figures| is(figures.key, operation, callers, Way::Service));
    let (plain, isolated) = (lane(Way::Plain), lane(Way::Isolated));
    let to_plain = isolated.zip(plain).map(|(isolated, plain)| format!("{:.2}", isolated.relative_to(plain)));
    writeln!(
        output,
        "| {} | {} | {} | {} | {} | {} | {:.1} | {:.2} |",
        operation.name(),
        tier.name(),
        percentiles(plain),
        percentiles(isolated),
        to_plain.unwrap_or_else(|| "-".to_owned()),
        percentiles(Some(service)),
        service.median(|turn| turn.service_cpu),
        smallest.map_or(f64::NAN, |smallest| service.relative_to(smallest)),
    )
}

fn percentiles(figures: Option<&Figures>) -> String {
    figures.map_or_else(
        || "- | -".to_owned(),
        |figures| format!("{:.0} | {:.0}", figures.median(|turn| turn.p50), figures.median(|turn| turn.p99)),
    )
}

fn is(key: Key, operation: Operation, callers: u64, way: Way) -> bool {
    (key.operation, key.callers, key.way) == (operation, callers, way)
}

#[expect(clippy::cast_precision_loss, reason = "no process has 2^52 KiB")]
fn megabytes(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
