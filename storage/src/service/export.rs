//! Takes a person's data out, as one document of one state.
//!
//! The state is written to a file on the disk first and sent from there, so that a client that takes its time holds no
//! connection of the database's, and memory holds one batch of rows, however many there are.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use focusflow_mesh::refusal;
use focusflow_proto::v1;
use focusflow_proto::v1::export_service_server::ExportService;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;

use super::Store;
use super::error::Error;
use crate::document::{FORMAT, Profile, SECTIONS, Section, VERSION};
use crate::sql::{Connection, documents, users};

/// Rows per query.
const BATCH_ROWS: i64 = 500;
/// Bytes per answer.
const PIECE_BYTES: usize = 256 * 1024;
/// Exports that read the database at the same time; others wait for their turn.
const READING_MAX: usize = 2;

type Answer = Result<v1::ExportResponse, Status>;

/// Implements `ExportService`.
#[derive(Debug)]
pub(crate) struct Exports {
    store: Arc<Store>,
    turns: Arc<Semaphore>,
}

impl Exports {
    pub(crate) fn new(store: &Arc<Store>) -> Self {
        Self { store: Arc::clone(store), turns: Arc::new(Semaphore::new(READING_MAX)) }
    }
}

#[async_trait]
impl ExportService for Exports {
    async fn export(
        &self,
        request: Request<v1::ExportRequest>,
    ) -> Result<Response<BoxStream<v1::ExportResponse>>, Status> {
        let (user_id, _) = super::authenticated(request)?;
        let (answers, stream) = mpsc::channel(1);
        let (store, turns) = (Arc::clone(&self.store), Arc::clone(&self.turns));
        tokio::spawn(async move {
            if let Err(status) = export(&store, &turns, user_id, &answers).await {
                let _ = answers.send(Err(status)).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

async fn export(store: &Store, turns: &Semaphore, user_id: Uuid, answers: &mpsc::Sender<Answer>) -> Result<(), Status> {
    let mut file = {
        let _turn = turns.acquire().await;
        let now = store.time.now();
        let written = store.database.report(user_id, |connection| Box::pin(spool(connection, user_id, now)));
        tokio::select! {
            written = written => written.map_err(Error::from)?,
            () = answers.closed() => return Ok(()),
        }
        .ok_or_else(|| Error::not_found("user", user_id))?
    };
    send(&mut file, answers).await.map_err(|error| refusal::internal("the temporary file", &error))
}

async fn send(file: &mut File, answers: &mpsc::Sender<Answer>) -> std::io::Result<()> {
    file.rewind().await?;
    loop {
        let mut data = Vec::with_capacity(PIECE_BYTES);
        (&mut *file).take(PIECE_BYTES as u64).read_to_end(&mut data).await?;
        if data.is_empty() || answers.send(Ok(v1::ExportResponse { data })).await.is_err() {
            return Ok(());
        }
    }
}

/// Writes the document to a file without a name; `None` if there is no such person.
async fn spool(connection: &mut Connection, user_id: Uuid, now: DateTime<Utc>) -> sqlx::Result<Option<File>> {
    let Some(user) = users::find(connection, user_id).await? else { return Ok(None) };
    let mut file = File::from_std(tempfile::tempfile()?);
    let user = serde_json::to_string(&Profile::from(&user)).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let export_time = now.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let head =
        format!("{{\"format\":\"{FORMAT}\",\"version\":{VERSION},\"exportTime\":\"{export_time}\",\n\"user\":{user}");
    file.write_all(head.as_bytes()).await?;
    for section in SECTIONS {
        spool_section(connection, user_id, section, &mut file).await?;
    }
    file.write_all(b"}\n").await?;
    file.flush().await?;
    Ok(Some(file))
}

/// Writes one list, a row per line, so that an import can name the line of one that it cannot read.
async fn spool_section(
    connection: &mut Connection,
    user_id: Uuid,
    section: &Section,
    file: &mut File,
) -> sqlx::Result<()> {
    file.write_all(format!(",\n\"{}\":[", section.name).as_bytes()).await?;
    let mut last = None;
    loop {
        let rows = documents::page(connection, user_id, section, last.as_ref(), BATCH_ROWS).await?;
        let mut text = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            text.extend_from_slice(if index == 0 && last.is_none() { b"\n" } else { b",\n" });
            row.write(section, &mut text);
        }
        file.write_all(&text).await?;
        let is_last = i64::try_from(rows.len()).is_ok_and(|count| count < BATCH_ROWS);
        last = rows.into_iter().next_back().or(last);
        if is_last {
            break;
        }
    }
    file.write_all(b"\n]").await.map_err(Into::into)
}
