//! What became of rows, and telling the client.

use std::fmt::Display;

use focusflow_proto::v1;
use tokio::sync::mpsc;
use tonic::Status;

use super::End;
use crate::service::error::Error;

pub(super) type Answer = Result<v1::ImportResponse, Status>;

/// What became of the rows since the last answer.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Rows that were new.
    pub(super) imported: usize,
    /// Rows that were there already.
    pub(super) known: usize,
    skipped: Vec<v1::ImportError>,
    notices: Vec<v1::ImportError>,
}

/// Tells the client how far its import is.
#[derive(Debug)]
pub(super) struct Reporter {
    answers: mpsc::Sender<Answer>,
    progress: v1::ImportProgress,
}

impl Outcome {
    /// A row that is left out.
    pub(super) fn skip(&mut self, line: u64, message: impl Display) {
        self.skipped.push(remark(line, message));
    }

    /// A row that came differently from what it says.
    pub(super) fn note(&mut self, line: u64, message: impl Display) {
        self.notices.push(remark(line, message));
    }

    /// Rows that were left out.
    pub(super) fn skipped(&self) -> usize {
        self.skipped.len()
    }

    /// Adds what became of more rows.
    pub(super) fn add(&mut self, mut other: Self) {
        self.imported += other.imported;
        self.known += other.known;
        self.skipped.append(&mut other.skipped);
        self.notices.append(&mut other.notices);
    }
}

impl Reporter {
    pub(super) fn new(answers: mpsc::Sender<Answer>) -> Self {
        Self { answers, progress: v1::ImportProgress::default() }
    }

    /// Tells what has been written. Refuses a file of more than `rows_max` rows.
    pub(super) async fn answer(
        &mut self,
        outcome: &mut Outcome,
        bytes_read: u64,
        rows_max: i32,
        done: bool,
    ) -> Result<(), End> {
        let Outcome { imported, known, skipped, notices } = std::mem::take(outcome);
        let progress = &mut self.progress;
        progress.bytes_read = bytes_read.cast_signed();
        progress.rows_imported += count(imported);
        progress.rows_known += count(known);
        progress.rows_skipped += count(skipped.len());
        progress.rows_read += count(imported + known + skipped.len());
        if progress.rows_read > rows_max {
            return Err(Error::field("data", format!("has more than {rows_max} rows: import it in parts")).into());
        }
        let answer = v1::ImportResponse { progress: Some(*progress), errors: skipped, done, notices };
        self.answers.send(Ok(answer)).await.map_err(|_| End::ClientGone)
    }
}

fn remark(line: u64, message: impl Display) -> v1::ImportError {
    v1::ImportError { line: i32::try_from(line).unwrap_or(i32::MAX), message: message.to_string() }
}

fn count(rows: usize) -> i32 {
    i32::try_from(rows).unwrap_or(i32::MAX)
}
