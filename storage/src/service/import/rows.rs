//! Files of rows: read as they arrive, written in batches.

use super::outcome::{Outcome, Reporter};
use super::{End, Importer, Pieces};
use crate::import::csv::{Fields, Row, RowReader};
use crate::import::row::RowError;
use crate::service::error::Error;
use crate::sql::Write;

/// Rows per transaction: enough that its cost spreads, few enough that other writes wait some milliseconds only.
pub(super) const BATCH_ROWS: usize = 1000;
/// The keys of a file's rows are kept in memory while it is read.
pub(super) const ROWS_MAX: i32 = 500_000;

/// A format of rows.
pub(super) trait Format: Send {
    /// What a row says.
    type Item: Send;

    /// Reads the first row.
    fn header(&mut self, fields: Fields<'_>) -> Result<(), RowError>;

    /// Reads another; `None` if it says nothing by itself.
    fn item(&mut self, fields: Fields<'_>) -> Result<Option<Self::Item>, RowError>;

    /// Writes what is new of a batch, and says what became of its rows.
    fn write(
        &mut self,
        write: &mut Write,
        batch: Vec<(u64, Self::Item)>,
        outcome: &mut Outcome,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Does what needs all rows to be there.
    fn finish(&mut self, outcome: &mut Outcome) -> impl Future<Output = Result<(), Error>> + Send {
        let _ = outcome;
        std::future::ready(Ok(()))
    }

    /// What was written lasts; `last_number` is the person's last change.
    fn committed(&mut self, last_number: i64) {
        let _ = last_number;
    }
}

/// One file on its way in.
pub(super) struct RowsImport<F: Format> {
    format: F,
    importer: Importer,
    reporter: Reporter,
    reader: RowReader,
    has_header: bool,
    /// Items with the lines of their rows.
    batch: Vec<(u64, F::Item)>,
    outcome: Outcome,
}

impl<F: Format> RowsImport<F> {
    pub(super) fn new(format: F, importer: Importer, reporter: Reporter) -> Self {
        Self {
            format,
            importer,
            reporter,
            reader: RowReader::default(),
            has_header: false,
            batch: Vec::with_capacity(BATCH_ROWS),
            outcome: Outcome::default(),
        }
    }

    pub(super) async fn run(mut self, mut pieces: Pieces) -> Result<(), End> {
        while let Some(piece) = pieces.next().await? {
            let mut piece = piece.as_slice();
            while let Some(row) = self.reader.next_row(&mut piece) {
                take(&mut self.format, &mut self.has_header, &mut self.batch, &mut self.outcome, &row)?;
                if self.batch.len() + self.outcome.skipped() >= BATCH_ROWS {
                    self.write().await?;
                    self.answer(false).await?;
                }
            }
        }
        while let Some(row) = self.reader.finish() {
            take(&mut self.format, &mut self.has_header, &mut self.batch, &mut self.outcome, &row)?;
        }
        if !self.has_header {
            return Err(Error::field("data", "is empty").into());
        }
        self.write().await?;
        self.format.finish(&mut self.outcome).await?;
        self.answer(true).await
    }

    async fn write(&mut self) -> Result<(), Error> {
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH_ROWS));
        if !batch.is_empty() {
            let mut write = self.importer.store.write(self.importer.user.id).await?;
            let mut written = Outcome::default();
            self.format.write(&mut write, batch, &mut written).await?;
            self.format.committed(write.commit().await?);
            self.outcome.add(written);
        }
        Ok(())
    }

    async fn answer(&mut self, done: bool) -> Result<(), End> {
        self.reporter.answer(&mut self.outcome, self.reader.bytes_read(), ROWS_MAX, done).await
    }
}

/// Takes in one row of the file, as far as it can be read.
fn take<F: Format>(
    format: &mut F,
    has_header: &mut bool,
    batch: &mut Vec<(u64, F::Item)>,
    outcome: &mut Outcome,
    row: &Row<'_>,
) -> Result<(), Error> {
    let fields = row.fields.map_err(|error| RowError::new(error.to_string()));
    if !*has_header {
        *has_header = true;
        let refused = |error: RowError| Error::field("data", error.to_string());
        return fields.and_then(|fields| format.header(fields)).map_err(refused);
    }
    match fields.and_then(|fields| format.item(fields)) {
        Ok(Some(item)) => batch.push((row.line, item)),
        Ok(None) => {}
        Err(error) => outcome.skip(row.line, error),
    }
    Ok(())
}
