//! Why a request is refused, and the one place where that becomes a status.

use std::time::Duration;

use focusflow_mesh::refusal;
use tonic::{Code, Status};
use tonic_types::{FieldViolation, StatusExt as _};
use uuid::Uuid;

use crate::domain::Problem;
use crate::page::BadPageToken;
use crate::sql;

/// When a client may try again after the database could not be reached.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The most items of a batch whose failures are named. Statuses travel in headers, which peers limit.
pub(crate) const FAILURES_MAX: usize = 20;

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A field is wrong.
    #[error("{field}: {description}")]
    Field { field: String, description: String },
    /// There is no such thing among the person's.
    #[error("{resource} {id} does not exist")]
    NotFound { resource: &'static str, id: String },
    /// A field refers to what is not among the person's.
    #[error("{resource} {id} does not exist")]
    BadReference { field: &'static str, resource: &'static str, id: Uuid },
    /// There is one already.
    #[error("{resource} {name} exists already")]
    AlreadyExists { resource: &'static str, name: String },
    /// Someone else has written it since it was read.
    #[error("the etag is not current")]
    EtagMismatch { current: String },
    /// A second timer.
    #[error("time log {id} is running")]
    TimerRunning { id: Uuid },
    /// No timer to stop.
    #[error("no timer is running")]
    TimerNotRunning,
    /// A notification that nobody has seen yet.
    #[error("the notification is still to be sent")]
    NotSent,
    /// An interval that is taken.
    #[error("the interval overlaps time log {id}")]
    Overlap { id: Uuid },
    /// A series, where one of its occurrences is meant.
    #[error("the task is a series, or a part of one: its occurrences are what is done")]
    IsSeries,
    /// A task that happens once, where an occurrence is meant.
    #[error("the task is no occurrence of a series")]
    NotAnOccurrence,
    /// A task that is done or given up.
    #[error("the task is completed or cancelled")]
    TaskFinished,
    /// More than there may be of something.
    #[error("there are {max} {things} already, which is the most")]
    TooMany { things: &'static str, max: i64 },
    /// More totals than one answer may hold.
    #[error("the interval has more than {max} totals: ask for a shorter one")]
    TooManyTotals { max: usize },
    /// A change that has not happened.
    #[error("since: must be at most {last_number}, the last number of the sequence")]
    BeyondLastChange { last_number: i64 },
    /// A refresh token that does not open a session.
    #[error("the refresh token {problem}")]
    RefreshToken { reason: &'static str, problem: &'static str },
    /// A mailed token that is of no use.
    #[error("the token is unknown, expired or was used before")]
    AccountToken,
    /// A second factor, where there must be none.
    #[error("a second factor is on: switch it off first")]
    TotpEnabled,
    /// A code that is no proof.
    #[error("the code is wrong, or was used before")]
    TotpInvalid,
    /// What a request with the same id made is gone.
    #[error("{resource} {id}, which the first request with this id made, was deleted since")]
    ResultDeleted { resource: &'static str, id: Uuid },
    /// Items of a batch; at least one.
    #[error("{}", summary(.0))]
    Batch(Vec<Failure>),
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// Why an item of a batch is refused.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Its path in the request, such as `requests[3]`.
    pub(crate) path: String,
    /// Why.
    pub(crate) error: Error,
}

impl Error {
    /// A wrong field; `description` follows its name.
    pub(crate) fn field(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::Field { field: field.into(), description: description.into() }
    }

    pub(crate) fn not_found(resource: &'static str, id: Uuid) -> Self {
        Self::NotFound { resource, id: id.to_string() }
    }

    /// The same, of what a field refers to.
    pub(crate) fn of_reference(self, field: &'static str, resource: &'static str, id: Uuid) -> Self {
        match self {
            Self::NotFound { .. } => Self::BadReference { field, resource, id },
            error => error,
        }
    }
}

/// Names the field that a problem is in.
pub(crate) trait InField<T> {
    fn in_field(self, field: &str) -> Result<T, Error>;
}

impl<T> InField<T> for Result<T, Problem> {
    fn in_field(self, field: &str) -> Result<T, Error> {
        self.map_err(|problem| Error::field(field, problem.to_string()))
    }
}

impl From<BadPageToken> for Error {
    fn from(error: BadPageToken) -> Self {
        Self::field("page_token", error.to_string())
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Field { field, description } => refusal::invalid_argument(field, description),
            Error::NotFound { resource, id } => refusal::not_found(resource, id),
            Error::BadReference { resource, id, .. } => refusal::not_found(resource, id),
            Error::AlreadyExists { resource, name } => refusal::already_exists(resource, name),
            Error::EtagMismatch { current } => {
                refusal::aborted("ETAG_MISMATCH", message, &[("current_etag", current.as_str())])
            }
            Error::TimerRunning { id } => {
                refusal::failed_precondition("TIMER_RUNNING", message, &[("time_log_id", &id.to_string())])
            }
            Error::TimerNotRunning => refusal::failed_precondition("TIMER_NOT_RUNNING", message, &[]),
            Error::NotSent => refusal::failed_precondition("NOT_SENT", message, &[]),
            Error::Overlap { id } => {
                refusal::failed_precondition("TIME_LOG_OVERLAP", message, &[("time_log_id", &id.to_string())])
            }
            Error::IsSeries => refusal::failed_precondition("TASK_IS_SERIES", message, &[]),
            Error::NotAnOccurrence => refusal::failed_precondition("TASK_NOT_AN_OCCURRENCE", message, &[]),
            Error::TaskFinished => refusal::failed_precondition("TASK_FINISHED", message, &[]),
            Error::TooMany { max, .. } => {
                refusal::failed_precondition("LIMIT_REACHED", message, &[("limit", &max.to_string())])
            }
            Error::TooManyTotals { max } => {
                refusal::failed_precondition("LIMIT_REACHED", message, &[("limit", &max.to_string())])
            }
            Error::BeyondLastChange { last_number } => refusal::with_reason(
                Code::OutOfRange,
                "BEYOND_LAST_CHANGE",
                message,
                &[("field", "since"), ("last_number", &last_number.to_string())],
            ),
            Error::RefreshToken { reason, .. } => refusal::unauthenticated(reason, message),
            Error::AccountToken => refusal::failed_precondition("TOKEN_INVALID", message, &[]),
            Error::TotpEnabled => refusal::failed_precondition("TOTP_ENABLED", message, &[]),
            Error::TotpInvalid => refusal::unauthenticated("TOTP_INVALID", message),
            Error::ResultDeleted { resource, id } => refusal::failed_precondition(
                "RESULT_DELETED",
                message,
                &[("resource", resource), ("id", &id.to_string())],
            ),
            Error::Batch(failures) => batch_status(failures, &message),
            Error::Database(error) => database_status(&error),
        }
    }
}

fn database_status(error: &sqlx::Error) -> Status {
    if sql::is_disconnection(error) || sql::is_busy(error) {
        tracing::warn!(%error, "the database does not answer");
        return refusal::unavailable("DATABASE_UNAVAILABLE", "the database does not answer", Some(RETRY_AFTER));
    }
    if sql::is_conflict(error) {
        tracing::warn!(%error, "a request lost against others");
        return refusal::aborted("DATABASE_CONFLICT", "others were writing the same; try again", &[]);
    }
    refusal::internal("the database query", error)
}

/// The status of the first failed item, with a violation for each.
fn batch_status(failures: Vec<Failure>, message: &str) -> Status {
    let etags: Vec<(String, String)> = failures.iter().filter_map(Failure::current_etag).collect();
    let (statuses, violations): (Vec<Status>, Vec<FieldViolation>) = failures.into_iter().map(Failure::status).unzip();
    let first = statuses.into_iter().next().unwrap_or_else(|| refusal::invalid_arguments(Vec::new()));
    refusal::with_violations(&first, message, violations, &etags)
}

fn summary(failures: &[Failure]) -> String {
    let first = failures.first().map(Failure::violation).map(|(path, description)| format!("{path}: {description}"));
    let first = first.unwrap_or_else(|| "the batch is refused".to_owned());
    match failures.len() {
        0 | 1 => first,
        count => format!("{first} (and {} more)", count - 1),
    }
}

impl Failure {
    /// The path of what is wrong, and what is wrong with it.
    fn violation(&self) -> (String, String) {
        let Self { path, error } = self;
        match error {
            Error::Field { field, description } if field.is_empty() => (path.clone(), description.clone()),
            Error::Field { field, description } => (format!("{path}.{field}"), description.clone()),
            Error::BadReference { field, .. } => (format!("{path}.{field}"), error.to_string()),
            error => (path.clone(), error.to_string()),
        }
    }

    /// The status of the item alone, and what it is as a part of the batch.
    fn status(self) -> (Status, FieldViolation) {
        let (field, description) = self.violation();
        let status = Status::from(self.error);
        let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
        (status, FieldViolation { reason, ..FieldViolation::new(field, description) })
    }

    fn current_etag(&self) -> Option<(String, String)> {
        match &self.error {
            Error::EtagMismatch { current } => Some((format!("{}.current_etag", self.path), current.clone())),
            _ => None,
        }
    }
}
