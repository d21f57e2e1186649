//! Brings a person's history in from elsewhere, in batches that are kept as soon as they are reported.

use std::sync::Arc;

use focusflow_proto::v1;
use focusflow_proto::v1::import_request::Part;
use focusflow_proto::v1::import_service_server::ImportService;
use focusflow_proto::v1::import_source::Format;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, Streaming, async_trait};
use uuid::Uuid;

use super::Store;
use super::error::Error;
use crate::clock::FIRST_TIME;
use crate::domain::change::{Action, Resource};
use crate::domain::time_log::Timetable;
use crate::domain::user::User;
use crate::import::csv::{Row, RowReader};
use crate::import::renzo::{self, Calendar, PlannedTask, RowKeys};
use crate::sql::imports::{self, RowKey};
use crate::sql::{Write, tasks, time_logs};

/// A piece of a file may have 1 MiB, and the message around it a little more.
pub(super) const MESSAGE_BYTES_MAX: usize = PIECE_BYTES_MAX + 1024;
const PIECE_BYTES_MAX: usize = 1024 * 1024;

/// Rows per transaction: enough that its cost spreads, few enough that other writes wait some milliseconds only.
const BATCH_ROWS: usize = 1000;
/// The keys of a file's rows are kept in memory while it is read.
const ROWS_MAX: i32 = 500_000;
/// Answers that wait for the client. When they do, reading stops, and with it the client's sending.
const WAITING_MAX: usize = 4;
/// Under which name the rows of this format are remembered.
const SOURCE: &str = "RENZO";

type Answer = Result<v1::ImportResponse, Status>;

/// Implements `ImportService`.
#[derive(Debug)]
pub(crate) struct Imports {
    store: Arc<Store>,
}

/// One file on its way in.
struct Import {
    store: Arc<Store>,
    user: User,
    reader: RowReader,
    has_header: bool,
    keys: RowKeys,
    batch: Vec<(RowKey, PlannedTask)>,
    errors: Vec<v1::ImportError>,
    progress: v1::ImportProgress,
    timetable: Option<CurrentTimetable>,
    answers: mpsc::Sender<Answer>,
}

/// The person's taken time, true as long as no one else has written since.
struct CurrentTimetable {
    timetable: Timetable,
    last_number: i64,
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
    check_source(messages.message().await?)?;
    let user = store.user(user_id).await?;
    let mut import = Import::new(store, user, answers);
    while let Some(message) = messages.message().await? {
        let Some(Part::Data(piece)) = message.part else {
            return Err(Error::field("data", "is required in every message after the first").into());
        };
        import.read(&piece).await?;
    }
    import.finish().await
}

fn check_source(first: Option<v1::ImportRequest>) -> Result<(), Error> {
    let Some(Part::Source(source)) = first.and_then(|message| message.part) else {
        return Err(Error::field("source", "is required in the first message"));
    };
    match Format::try_from(source.format) {
        Ok(Format::Renzo) => Ok(()),
        Ok(Format::Unspecified) => Err(Error::field("source.format", "is required")),
        Ok(format) => {
            Err(Error::field("source.format", format!("{} is not supported by this version", format.as_str_name())))
        }
        Err(_) => Err(Error::field("source.format", format!("has no value {}", source.format))),
    }
}

impl Import {
    fn new(store: Arc<Store>, user: User, answers: mpsc::Sender<Answer>) -> Self {
        Self {
            store,
            user,
            reader: RowReader::default(),
            has_header: false,
            keys: RowKeys::default(),
            batch: Vec::with_capacity(BATCH_ROWS),
            errors: Vec::new(),
            progress: v1::ImportProgress::default(),
            timetable: None,
            answers,
        }
    }

    async fn read(&mut self, mut piece: &[u8]) -> Result<(), End> {
        if piece.len() > PIECE_BYTES_MAX {
            return Err(Error::field("data", format!("must be at most {PIECE_BYTES_MAX} bytes long")).into());
        }
        while let Some(row) = self.reader.next_row(&mut piece) {
            take(&mut self.has_header, &mut self.keys, &mut self.batch, &mut self.errors, &row)?;
            if self.batch.len() + self.errors.len() >= BATCH_ROWS {
                self.write_and_answer(false).await?;
            }
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<(), End> {
        while let Some(row) = self.reader.finish() {
            take(&mut self.has_header, &mut self.keys, &mut self.batch, &mut self.errors, &row)?;
        }
        if !self.has_header {
            return Err(Error::field("data", "is empty").into());
        }
        self.write_and_answer(true).await
    }

    async fn write_and_answer(&mut self, done: bool) -> Result<(), End> {
        let skipped = self.errors.len();
        let rows = self.batch.len();
        let imported = self.write().await?;
        let progress = &mut self.progress;
        progress.bytes_read = self.reader.bytes_read().cast_signed();
        progress.rows_imported += count(imported);
        progress.rows_known += count(rows - imported);
        progress.rows_skipped += count(skipped);
        progress.rows_read += count(rows + skipped);
        if progress.rows_read > ROWS_MAX {
            return Err(Error::field("data", format!("has more than {ROWS_MAX} rows: import it in parts")).into());
        }
        let answer = v1::ImportResponse { progress: Some(*progress), errors: std::mem::take(&mut self.errors), done };
        self.answers.send(Ok(answer)).await.map_err(|_| End::ClientGone)
    }

    /// Writes what is new of the batch, in one transaction. Answers how many rows that were.
    async fn write(&mut self) -> Result<usize, Error> {
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH_ROWS));
        if batch.is_empty() {
            return Ok(0);
        }
        let keys: Vec<RowKey> = batch.iter().map(|(key, _)| *key).collect();
        let user_id = self.user.id;
        let mut write = self.store.write(user_id).await?;
        let new = imports::insert(write.connection(), user_id, SOURCE, &keys).await?;
        if new.is_empty() {
            return Ok(0);
        }

        // Taken away until the commit: if that fails, what was placed is not there.
        let mut timetable = self.take_timetable(&mut write).await?;
        let calendar = Calendar { days: self.user.day_rule(), working_hours: &self.user.working_hours };
        let (mut new_tasks, mut new_logs) = (Vec::with_capacity(new.len()), Vec::with_capacity(new.len()));
        for (_, planned) in batch.into_iter().filter(|(key, _)| new.contains(key)) {
            let (task, log) = calendar.enter(planned, &mut timetable, &self.store.time, write.now());
            write.record(Resource::Task, task.id, Action::Created);
            new_tasks.push(task);
            if let Some(log) = log {
                write.record(Resource::TimeLog, log.id, Action::Created);
                new_logs.push(log);
            }
        }
        tasks::insert(write.connection(), user_id, &new_tasks).await?;
        time_logs::insert(write.connection(), user_id, &new_logs).await?;
        let last_number = write.commit().await?;
        self.timetable = Some(CurrentTimetable { timetable, last_number });
        Ok(new.len())
    }

    async fn take_timetable(&mut self, write: &mut Write) -> Result<Timetable, Error> {
        match self.timetable.take() {
            Some(current) if current.last_number == write.last_number() => Ok(current.timetable),
            _ => {
                let (user_id, now) = (write.user_id(), write.now());
                let occupied = time_logs::occupied_since(write.connection(), user_id, FIRST_TIME).await?;
                Ok(Timetable::of(occupied, now))
            }
        }
    }
}

/// Takes in one row of the file, as far as it can be read.
fn take(
    has_header: &mut bool,
    keys: &mut RowKeys,
    batch: &mut Vec<(RowKey, PlannedTask)>,
    errors: &mut Vec<v1::ImportError>,
    row: &Row<'_>,
) -> Result<(), Error> {
    if !*has_header {
        let fields = row.fields.map_err(|error| Error::field("data", error.to_string()))?;
        renzo::check_header(fields).map_err(|error| Error::field("data", error.to_string()))?;
        *has_header = true;
        return Ok(());
    }
    let parsed = match row.fields {
        Ok(fields) => {
            renzo::parse(fields).map(|planned| (keys.next(fields), planned)).map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    };
    match parsed {
        Ok(row) => batch.push(row),
        Err(message) => errors.push(v1::ImportError { line: i32::try_from(row.line).unwrap_or(i32::MAX), message }),
    }
    Ok(())
}

fn count(rows: usize) -> i32 {
    i32::try_from(rows).unwrap_or(i32::MAX)
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
