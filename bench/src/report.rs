//! The figures as Markdown tables.

use std::io::{self, Write};

use crate::scenario::{Figures, Plan, Scenario, Turn};
use crate::transcoding::Conversion;

/// Prints all tables to the standard output.
pub(crate) fn print(plan: &Plan, results: &[Figures], conversions: &[Conversion]) -> io::Result<()> {
    let mut output = io::stdout().lock();
    requests(&mut output, plan, results)?;
    writeln!(output)?;
    transcoding(&mut output, conversions)
}

fn requests(output: &mut impl Write, plan: &Plan, results: &[Figures]) -> io::Result<()> {
    writeln!(
        output,
        "One `GetTask` answering a task with 15 fields; {} requests under way, {} HTTP/2 connections, {} turns each \
         in {} s. CPU time per request, in µs; medians of turns.\n",
        plan.concurrency,
        plan.connections,
        plan.turns,
        plan.duration.as_secs()
    )?;
    writeln!(output, "| way | server | behind it | client | together | to (b) | p50 µs | p99 µs | requests/s |")?;
    writeln!(output, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")?;
    let baseline = results.iter().find(|figures| figures.scenario == Scenario::Tls);
    for figures in results {
        let relative = baseline.map_or(f64::NAN, |baseline| figures.relative_to(baseline, Turn::total_us));
        writeln!(
            output,
            "| {} | {:.1} | {} | {:.1} | {:.1} | {relative:.2} | {:.0} | {:.0} | {:.0} |",
            title(figures.scenario),
            figures.median(|turn| turn.server_us),
            behind(figures),
            figures.median(|turn| turn.client_us),
            figures.median(Turn::total_us),
            figures.median(|turn| turn.p50_us),
            figures.median(|turn| turn.p99_us),
            figures.median(|turn| turn.requests_per_second),
        )?;
    }
    Ok(())
}

/// Only REST has a server behind the server.
fn behind(figures: &Figures) -> String {
    match figures.scenario {
        Scenario::Rest => format!("{:.1}", figures.median(|turn| turn.upstream_us)),
        Scenario::Plain | Scenario::Tls | Scenario::Mesh => "-".to_owned(),
    }
}

fn title(scenario: Scenario) -> &'static str {
    match scenario {
        Scenario::Plain => "(a) tonic, plain HTTP/2",
        Scenario::Tls => "(b) tonic over rustls mTLS",
        Scenario::Mesh => "(c) mesh server and channel",
        Scenario::Rest => "(d) REST through the gateway",
    }
}

fn transcoding(output: &mut impl Write, conversions: &[Conversion]) -> io::Result<()> {
    writeln!(output, "Conversions, on one core, in ns.\n")?;
    writeln!(output, "| what | gateway | DynamicMessage + serde_json | ratio |")?;
    writeln!(output, "| --- | ---: | ---: | ---: |")?;
    for conversion in conversions {
        let ratio = conversion.dynamic_ns / conversion.gateway_ns;
        writeln!(
            output,
            "| {} | {:.0} | {:.0} | {ratio:.1} |",
            conversion.what, conversion.gateway_ns, conversion.dynamic_ns
        )?;
    }
    Ok(())
}
