//! `focusflow import FORMAT FILE`: sends a file through the gateway's import stream and shows how far it is.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;
use focusflow_mesh::channel::{Channel, ChannelConfig, Target};
use focusflow_proto::v1::import_request::Part;
use focusflow_proto::v1::import_service_client::ImportServiceClient;
use focusflow_proto::v1::import_source::Format;
use focusflow_proto::v1::{ImportProgress, ImportRequest, ImportResponse, ImportSource};
use futures_util::StreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, BufReader};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Request, Status};

/// Well under the edge's limit of a message, and large enough that framing costs nothing.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces that may wait for the server.
const PIECES_WAITING_MAX: usize = 4;
/// Skipped rows that are printed one by one; the rest are only counted.
const ERRORS_PRINTED_MAX: usize = 20;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What the file is
    format: Source,
    /// The file
    file: PathBuf,
    /// Where the gateway is
    #[arg(long, env = "FOCUSFLOW_URL", default_value = "http://localhost:5000")]
    url: String,
    /// An access token, as `POST /api/v1/auth/login` answers it
    #[arg(long, env = "FOCUSFLOW_TOKEN", hide_env_values = true)]
    token: String,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// Formats that this version reads.
#[derive(Clone, Copy, ValueEnum)]
enum Source {
    /// Renzo Borgatti's Pomodoro log, as published by Derek Jones
    Renzo,
}

impl From<Source> for Format {
    fn from(source: Source) -> Self {
        match source {
            Source::Renzo => Format::Renzo,
        }
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
    errors: Vec<SkippedRow>,
}

#[derive(Serialize)]
struct SkippedRow {
    line: i32,
    message: String,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let file = File::open(&arguments.file).await.with_context(|| arguments.file.display().to_string())?;
    let size_bytes = file.metadata().await?.len();
    let token: MetadataValue<Ascii> =
        format!("Bearer {}", arguments.token).parse().context("--token (FOCUSFLOW_TOKEN) is not a token")?;

    let target: Target = arguments.url.parse().with_context(|| format!("--url (FOCUSFLOW_URL) {}", arguments.url))?;
    let client = ImportServiceClient::new(Channel::new(target, None, ChannelConfig::default()));
    let (pieces, unreadable) = pieces(file, arguments.format.into());
    let mut request = Request::new(ReceiverStream::new(pieces));
    request.metadata_mut().insert("authorization", token);

    let started = Instant::now();
    let bar = progress_bar(size_bytes, arguments.json);
    let conversation = converse(client, request, &bar);
    let (progress, errors) = tokio::select! {
        outcome = conversation => outcome?,
        // Leaving the conversation cancels it, so that the server does not take what was read for the whole file.
        Ok(error) = unreadable => return Err(error).with_context(|| arguments.file.display().to_string()),
    };
    bar.finish_and_clear();
    report(&Summary::new(&progress, started.elapsed(), errors), arguments.json)?;
    ensure!(progress.rows_read == 0 || progress.rows_skipped < progress.rows_read, "no row could be read");
    Ok(())
}

impl Summary {
    fn new(progress: &ImportProgress, elapsed: Duration, errors: Vec<SkippedRow>) -> Self {
        Self {
            rows_read: progress.rows_read,
            rows_imported: progress.rows_imported,
            rows_known: progress.rows_known,
            rows_skipped: progress.rows_skipped,
            seconds: elapsed.as_secs_f64(),
            errors,
        }
    }
}

/// Sends the file and follows the answers to the last, which is the summary.
async fn converse(
    mut client: ImportServiceClient<Channel>,
    request: Request<ReceiverStream<ImportRequest>>,
    bar: &ProgressBar,
) -> Result<(ImportProgress, Vec<SkippedRow>)> {
    let mut answers = client.import(request).await.map_err(|status| explain(&status))?.into_inner();
    let mut errors = Vec::new();
    while let Some(answer) = answers.next().await {
        let ImportResponse { progress, errors: skipped, done } = answer.map_err(|status| explain(&status))?;
        let progress = progress.unwrap_or_default();
        show(bar, &progress);
        errors.extend(skipped.into_iter().map(|row| SkippedRow { line: row.line, message: row.message }));
        if done {
            return Ok((progress, errors));
        }
    }
    bail!("the server ended the import early; run it again, nothing is imported twice")
}

/// What the file is, then its bytes; and the error, should the file become unreadable. Reading stops when the
/// stream does.
fn pieces(file: File, format: Format) -> (mpsc::Receiver<ImportRequest>, oneshot::Receiver<io::Error>) {
    let (sender, receiver) = mpsc::channel(PIECES_WAITING_MAX);
    let (failure, unreadable) = oneshot::channel();
    tokio::spawn(async move {
        let mut file = BufReader::new(file);
        let mut part = Part::Source(ImportSource { format: format.into() });
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
    for row in summary.errors.iter().take(ERRORS_PRINTED_MAX) {
        println!("line {}: skipped: {}", row.line, row.message);
    }
    if let Some(more @ 1..) = summary.errors.len().checked_sub(ERRORS_PRINTED_MAX) {
        println!("and {more} more skipped");
    }
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

/// A refusal as a person reads it: what was refused, and why.
fn explain(status: &Status) -> anyhow::Error {
    anyhow::anyhow!("the gateway answered {:?}: {}", status.code(), status.message())
}
