//! Brings a person's history in from elsewhere, in batches that are kept as soon as they are reported.
//!
//! Here the conversation with the client; how each format's rows are written stands in a module of its own.

mod document;
mod loop_tracker;
mod outcome;
mod places;
mod renzo;
mod rows;
mod spool;
mod todoist;
mod toggl;

use std::sync::Arc;

use chrono_tz::Tz;
use focusflow_proto::v1;
use focusflow_proto::v1::import_request::Part;
use focusflow_proto::v1::import_service_server::ImportService;
use focusflow_proto::v1::import_source::Format;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, Streaming, async_trait};
use uuid::Uuid;

use self::outcome::{Answer, Reporter};
use self::rows::RowsImport;
use super::Store;
use super::error::{Error, InField as _};
use crate::domain::text::CategoryName;
use crate::domain::time_log::OverlapPolicy;
use crate::domain::user::{TimeZone, User};

/// A piece of a file may have 1 MiB, and the message around it a little more.
pub(super) const MESSAGE_BYTES_MAX: usize = PIECE_BYTES_MAX + 1024;
const PIECE_BYTES_MAX: usize = 1024 * 1024;
/// Answers that wait for the client. When they do, reading stops, and with it the client's sending.
const WAITING_MAX: usize = 4;

/// Implements `ImportService`.
#[derive(Debug)]
pub(crate) struct Imports {
    store: Arc<Store>,
}

/// What the client says of the file.
struct Source {
    format: Format,
    project: Option<CategoryName>,
    time_zone: Option<TimeZone>,
    overlap_policy: OverlapPolicy,
}

/// The file's bytes as they arrive.
struct Pieces {
    messages: Streaming<v1::ImportRequest>,
}

/// Whose import it is.
#[derive(Clone)]
struct Importer {
    store: Arc<Store>,
    user: User,
}

/// Why an import ends before its file does.
enum End {
    /// For a reason that the client should know.
    Refused(Status),
    /// There is no client any more.
    ClientGone,
}

impl Imports {
    pub(crate) fn new(store: &Arc<Store>) -> Self {
        Self { store: Arc::clone(store) }
    }
}

#[async_trait]
impl ImportService for Imports {
    async fn import(
        &self,
        request: Request<Streaming<v1::ImportRequest>>,
    ) -> Result<Response<BoxStream<v1::ImportResponse>>, Status> {
        let (user_id, messages) = super::authenticated(request)?;
        let (answers, stream) = mpsc::channel(WAITING_MAX);
        let store = Arc::clone(&self.store);
        // Apart from the answer, since a client may wait for its head before it sends the file.
        tokio::spawn(async move {
            if let Err(End::Refused(status)) = import(store, user_id, messages, answers.clone()).await {
                let _ = answers.send(Err(status)).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

async fn import(
    store: Arc<Store>,
    user_id: Uuid,
    mut messages: Streaming<v1::ImportRequest>,
    answers: mpsc::Sender<Answer>,
) -> Result<(), End> {
    let source = Source::parse(messages.message().await?)?;
    let user = store.user(user_id).await?;
    let importer = Importer { store, user };
    let (pieces, reporter) = (Pieces { messages }, Reporter::new(answers));
    let zone = source.zone(&importer.user)?;
    match source.format {
        Format::Renzo => RowsImport::new(renzo::Renzo::new(&importer), importer, reporter).run(pieces).await,
        Format::Todoist => {
            let format = todoist::Todoist::new(&importer, source.project, zone);
            RowsImport::new(format, importer, reporter).run(pieces).await
        }
        Format::Toggl => {
            let format = toggl::Toggl::new(&importer, source.overlap_policy, zone);
            RowsImport::new(format, importer, reporter).run(pieces).await
        }
        Format::Loop => loop_tracker::import(importer, reporter, pieces).await,
        Format::Focusflow => document::import(importer, reporter, pieces).await,
        Format::Unspecified => Err(Error::field("source.format", "is required").into()),
    }
}

impl Source {
    fn parse(first: Option<v1::ImportRequest>) -> Result<Self, Error> {
        let Some(Part::Source(source)) = first.and_then(|message| message.part) else {
            return Err(Error::field("source", "is required in the first message"));
        };
        let format = Format::try_from(source.format)
            .map_err(|_| Error::field("source.format", format!("has no value {}", source.format)))?;
        let project = Some(source.project.trim()).filter(|project| !project.is_empty());
        let time_zone = Some(source.time_zone.as_str()).filter(|zone| !zone.is_empty());
        Ok(Self {
            format,
            project: project.map(CategoryName::parse).transpose().in_field("source.project")?,
            time_zone: time_zone.map(TimeZone::parse).transpose().in_field("source.time_zone")?,
            overlap_policy: overlap_policy(source.overlap_policy)?,
        })
    }

    /// Where the file's local times are meant.
    fn zone(&self, user: &User) -> Result<Tz, Error> {
        let name = self.time_zone.unwrap_or(user.time_zone).name();
        name.parse().map_err(|_| Error::field("source.time_zone", "is not known"))
    }
}

fn overlap_policy(value: i32) -> Result<OverlapPolicy, Error> {
    match v1::OverlapPolicy::try_from(value) {
        Ok(v1::OverlapPolicy::Unspecified | v1::OverlapPolicy::Refuse) => Ok(OverlapPolicy::Refuse),
        Ok(v1::OverlapPolicy::Trim) => Ok(OverlapPolicy::Trim),
        Err(_) => Err(Error::field("source.overlap_policy", format!("has no value {value}"))),
    }
}

impl Pieces {
    /// The next bytes; `None` at the end of the file.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, End> {
        match self.messages.message().await? {
            None => Ok(None),
            Some(v1::ImportRequest { part: Some(Part::Data(piece)) }) if piece.len() <= PIECE_BYTES_MAX => {
                Ok(Some(piece))
            }
            Some(v1::ImportRequest { part: Some(Part::Data(_)) }) => {
                Err(Error::field("data", format!("must be at most {PIECE_BYTES_MAX} bytes long")).into())
            }
            Some(_) => Err(Error::field("data", "is required in every message after the first").into()),
        }
    }
}

impl From<Status> for End {
    fn from(status: Status) -> Self {
        Self::Refused(status)
    }
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Refused(error.into())
    }
}

impl From<sqlx::Error> for End {
    fn from(error: sqlx::Error) -> Self {
        Error::from(error).into()
    }
}
