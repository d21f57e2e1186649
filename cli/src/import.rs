//! `focusflow import FORMAT FILE`: sends a file through the gateway's import stream and shows how far it is.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;
use focusflow_mesh::channel::Channel;
use focusflow_proto::v1::import_request::Part;
use focusflow_proto::v1::import_service_client::ImportServiceClient;
use focusflow_proto::v1::import_source::Format;
use focusflow_proto::v1::{ImportError, ImportProgress, ImportRequest, ImportResponse, ImportSource, OverlapPolicy};
use futures_util::StreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, BufReader};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;

use crate::gateway::{Gateway, explain};

/// Well under the edge's limit of a message, and large enough that framing costs nothing.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces that may wait for the server.
const PIECES_WAITING_MAX: usize = 4;
/// Rows with a remark that are printed one by one; the rest are only counted.
const ERRORS_PRINTED_MAX: usize = 20;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What the file is
    format: Source,
    /// The file
    file: PathBuf,
    /// Todoist: the project, which becomes the tasks' category; by default the file's name
    #[arg(long)]
    project: Option<String>,
    /// Todoist and Toggl: the IANA time zone of the file's times; by default your own
    #[arg(long)]
    time_zone: Option<String>,
    /// Toggl: what to do with an entry that overlaps one before it
    #[arg(long, default_value = "refuse")]
    overlaps: Overlaps,
    #[command(flatten)]
    gateway: Gateway,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// Formats that this version reads.
#[derive(Clone, Copy, Eq, PartialEq, ValueEnum)]
enum Source {
    /// Renzo Borgatti's Pomodoro log, as published by Derek Jones
    Renzo,
    /// The CSV of a Todoist project
    Todoist,
    /// Toggl Track's detailed CSV
    Toggl,
    /// Loop Habit Tracker's CSV archive or backup
    Loop,
    /// What `focusflow export` has written
    Focusflow,
}

#[derive(Clone, Copy, ValueEnum)]
enum Overlaps {
    /// Skip it and say so
    Refuse,
    /// Shorten it to what is free and say so
    Trim,
}

impl From<Source> for Format {
    fn from(source: Source) -> Self {
        match source {
            Source::Renzo => Format::Renzo,
            Source::Todoist => Format::Todoist,
            Source::Toggl => Format::Toggl,
            Source::Loop => Format::Loop,
            Source::Focusflow => Format::Focusflow,
        }
    }
}

impl From<Overlaps> for OverlapPolicy {
    fn from(overlaps: Overlaps) -> Self {
        match overlaps {
            Overlaps::Refuse => OverlapPolicy::Refuse,
            Overlaps::Trim => OverlapPolicy::Trim,
        }
    }
}

impl Arguments {
    fn source(&self) -> ImportSource {
        let project = match &self.project {
            Some(project) => project.clone(),
            None if self.format == Source::Todoist => project_of(&self.file),
            None => String::new(),
        };
        ImportSource {
            format: Format::from(self.format).into(),
            project,
            time_zone: self.time_zone.clone().unwrap_or_default(),
            overlap_policy: OverlapPolicy::from(self.overlaps).into(),
        }
    }
}

/// Todoist names files after their projects, some with an id behind: `Work [2203306141].csv`.
fn project_of(file: &Path) -> String {
    let name = file.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match name.rsplit_once(" [") {
        Some((project, id))
            if id.strip_suffix(']').is_some_and(|id| id.bytes().all(|it| it.is_ascii_alphanumeric())) =>
        {
            project.to_owned()
        }
        _ => name,
    }
}

/// What an import did.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    rows_read: i32,
    rows_imported: i32,
    rows_known: i32,
    rows_skipped: i32,
    seconds: f64,
    errors: Vec<Remark>,
    notices: Vec<Remark>,
}

/// What was said of rows.
#[derive(Default)]
struct Remarks {
    errors: Vec<Remark>,
    notices: Vec<Remark>,
}

#[derive(Serialize)]
struct Remark {
    line: i32,
    message: String,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let file = File::open(&arguments.file).await.with_context(|| arguments.file.display().to_string())?;
    let size_bytes = file.metadata().await?.len();
    let client = ImportServiceClient::new(arguments.gateway.channel()?);
    let (pieces, unreadable) = pieces(file, arguments.source());
    let request = arguments.gateway.request(ReceiverStream::new(pieces))?;

    let started = Instant::now();
    let bar = progress_bar(size_bytes, arguments.json);
    let conversation = converse(client, request, &bar);
    let (progress, remarks) = tokio::select! {
        outcome = conversation => outcome?,
        // Leaving the conversation cancels it, so that the server does not take what was read for the whole file.
        Ok(error) = unreadable => return Err(error).with_context(|| arguments.file.display().to_string()),
    };
    bar.finish_and_clear();
    report(&Summary::new(&progress, started.elapsed(), remarks), arguments.json)?;
    ensure!(progress.rows_read == 0 || progress.rows_skipped < progress.rows_read, "no row could be read");
    Ok(())
}

impl Summary {
    fn new(progress: &ImportProgress, elapsed: Duration, Remarks { errors, notices }: Remarks) -> Self {
        Self {
            rows_read: progress.rows_read,
            rows_imported: progress.rows_imported,
            rows_known: progress.rows_known,
            rows_skipped: progress.rows_skipped,
            seconds: elapsed.as_secs_f64(),
            errors,
            notices,
        }
    }
}

impl From<ImportError> for Remark {
    fn from(error: ImportError) -> Self {
        Self { line: error.line, message: error.message }
    }
}

/// Sends the file and follows the answers to the last, which is the summary.
async fn converse(
    mut client: ImportServiceClient<Channel>,
    request: Request<ReceiverStream<ImportRequest>>,
    bar: &ProgressBar,
) -> Result<(ImportProgress, Remarks)> {
    let mut answers = client.import(request).await.map_err(|status| explain(&status))?.into_inner();
    let mut remarks = Remarks::default();
    while let Some(answer) = answers.next().await {
        let ImportResponse { progress, errors, done, notices } = answer.map_err(|status| explain(&status))?;
        let progress = progress.unwrap_or_default();
        show(bar, &progress);
        remarks.errors.extend(errors.into_iter().map(Remark::from));
        remarks.notices.extend(notices.into_iter().map(Remark::from));
        if done {
            return Ok((progress, remarks));
        }
    }
    bail!("the server ended the import early; run it again, nothing is imported twice")
}

/// What the file is, then its bytes; and the error, should the file become unreadable. Reading stops when the
/// stream does.
fn pieces(file: File, source: ImportSource) -> (mpsc::Receiver<ImportRequest>, oneshot::Receiver<io::Error>) {
    let (sender, receiver) = mpsc::channel(PIECES_WAITING_MAX);
    let (failure, unreadable) = oneshot::channel();
    tokio::spawn(async move {
        let mut file = BufReader::new(file);
        let mut part = Part::Source(source);
        while sender.send(ImportRequest { part: Some(part) }).await.is_ok() {
            let mut data = Vec::with_capacity(PIECE_BYTES);
            match (&mut file).take(PIECE_BYTES as u64).read_to_end(&mut data).await {
                Ok(1..) => part = Part::Data(data),
                Ok(0) => break,
                Err(error) => {
                    // The stream must not end as at the end of the file, so it stays open until the call is gone.
                    let _ = failure.send(error);
                    return sender.closed().await;
                }
            }
        }
    });
    (receiver, unreadable)
}

fn progress_bar(size_bytes: u64, hidden: bool) -> ProgressBar {
    if hidden {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}  {elapsed}");
    ProgressBar::new(size_bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn show(bar: &ProgressBar, progress: &ImportProgress) {
    bar.set_position(progress.bytes_read.unsigned_abs());
    bar.set_message(format!("{} rows", progress.rows_read));
}

fn report(summary: &Summary, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(summary)?);
        return Ok(());
    }
    print_remarks("skipped", &summary.errors);
    print_remarks("imported", &summary.notices);
    println!(
        "{} rows read in {:.1} s ({:.0} rows per second): {} imported, {} known already, {} skipped",
        summary.rows_read,
        summary.seconds,
        f64::from(summary.rows_read) / summary.seconds,
        summary.rows_imported,
        summary.rows_known,
        summary.rows_skipped,
    );
    Ok(())
}

fn print_remarks(what: &str, remarks: &[Remark]) {
    for row in remarks.iter().take(ERRORS_PRINTED_MAX) {
        println!("line {}: {what}: {}", row.line, row.message);
    }
    if let Some(more @ 1..) = remarks.len().checked_sub(ERRORS_PRINTED_MAX) {
        println!("and {more} more {what}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_called_as_its_file_without_the_id() {
        for (file, expected) in [
            ("/tmp/Work [2203306141].csv", "Work"),
            ("Work.csv", "Work"),
            ("Plans [draft, old].csv", "Plans [draft, old]"),
            ("", ""),
        ] {
            assert_eq!(project_of(Path::new(file)), expected, "{file}");
        }
    }
}
