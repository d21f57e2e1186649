//! `focusflow export [FILE]`: takes everything that a person has out, as one JSON document.

use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use focusflow_proto::v1::export_service_client::ExportServiceClient;
use focusflow_proto::v1::{ExportRequest, ExportResponse};
use futures_util::StreamExt as _;
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tonic::Streaming;

use crate::gateway::{Gateway, explain};

/// What people write down is for nobody else on the machine.
const OWNER_ONLY: u32 = 0o600;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where to write the document, which must not exist; without it, standard output
    file: Option<PathBuf>,
    #[command(flatten)]
    gateway: Gateway,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let mut client = ExportServiceClient::new(arguments.gateway.channel()?);
    let request = arguments.gateway.request(ExportRequest {})?;
    let pieces = client.export(request).await.map_err(|status| explain(&status))?.into_inner();
    let Some(path) = arguments.file else {
        return write(pieces, &mut standard_output()?).await.map(drop);
    };
    let mut file = create(&path).await?;
    match write(pieces, &mut file).await {
        Ok(bytes) => {
            eprintln!("{bytes} bytes written to {}", path.display());
            Ok(())
        }
        Err(error) => {
            // Half a document would be taken for a whole one.
            let _ = fs::remove_file(&path).await;
            Err(error)
        }
    }
}

fn standard_output() -> Result<File> {
    let output = std::io::stdout().as_fd().try_clone_to_owned().context("standard output is closed")?;
    Ok(File::from_std(output.into()))
}

async fn create(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(OWNER_ONLY);
    options.open(path).await.with_context(|| path.display().to_string())
}

async fn write(mut pieces: Streaming<ExportResponse>, out: &mut (impl AsyncWrite + Unpin)) -> Result<usize> {
    let mut bytes = 0;
    while let Some(piece) = pieces.next().await {
        let data = piece.map_err(|status| explain(&status))?.data;
        out.write_all(&data).await.context("the document cannot be written")?;
        bytes += data.len();
    }
    out.flush().await.context("the document cannot be written")?;
    if bytes == 0 {
        bail!("the server sent nothing");
    }
    Ok(bytes)
}
