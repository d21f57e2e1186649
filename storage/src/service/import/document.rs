//! Writes back what an export has taken out.
//!
//! Ids stay as they are, unless someone else has them: then each gets another one that follows from it and the person,
//! and with it everything that refers to it. So the same document again finds all of it there.

mod mapping;
mod writing;

use self::mapping::Mapping;
use super::outcome::{Outcome, Reporter};
use super::places::CurrentTimetable;
use super::rows::BATCH_ROWS;
use super::{End, Importer, Pieces};
use crate::document::splitter::{Part, Splitter};
use crate::document::{FORMAT, Profile, Row, SECTIONS, Section, VERSION};
use crate::import::row::RowError;
use crate::service::error::Error;

/// Where each row of what others refer to has gone is kept in memory.
const ROWS_MAX: i32 = 1_000_000;

/// Reads a document and writes what is new of it.
pub(super) async fn import(importer: Importer, reporter: Reporter, mut pieces: Pieces) -> Result<(), End> {
    let mut import = DocumentImport::new(importer, reporter);
    while let Some(piece) = pieces.next().await? {
        let mut piece = piece.as_slice();
        while let Some(part) = import.splitter.next_part(&mut piece).map_err(|error| malformed(&error))? {
            let part = OwnedPart::from(part);
            import.take(part).await?;
        }
    }
    import.splitter.finish().map_err(|error| malformed(&error))?;
    import.finish().await
}

/// One document on its way in.
struct DocumentImport {
    importer: Importer,
    reporter: Reporter,
    splitter: Splitter,
    has_format: bool,
    has_version: bool,
    profile: Option<Profile>,
    mapping: Mapping,
    timetable: CurrentTimetable,
    /// Rows of one section, with their lines.
    batch: Vec<(u64, Row)>,
    section: Option<&'static Section>,
    /// Whether nothing was written in the account before; known with the first batch.
    is_prepared: bool,
    outcome: Outcome,
}

/// A part of the document, apart from the splitter.
struct OwnedPart {
    member: String,
    is_element: bool,
    line: u64,
    text: Option<Vec<u8>>,
}

impl DocumentImport {
    fn new(importer: Importer, reporter: Reporter) -> Self {
        Self {
            importer,
            reporter,
            splitter: Splitter::default(),
            has_format: false,
            has_version: false,
            profile: None,
            mapping: Mapping::default(),
            timetable: CurrentTimetable::default(),
            batch: Vec::with_capacity(BATCH_ROWS),
            section: None,
            is_prepared: false,
            outcome: Outcome::default(),
        }
    }

    async fn take(&mut self, part: OwnedPart) -> Result<(), End> {
        if part.is_element {
            return self.take_row(part).await;
        }
        let text = part.text.unwrap_or_default();
        match part.member.as_str() {
            "format" if json_is(&text, &FORMAT.into()) => self.has_format = true,
            "version" if json_is(&text, &VERSION.into()) => self.has_version = true,
            "format" => return Err(malformed(&RowError::new(format!("has a format other than `{FORMAT}`")))),
            "version" => return Err(malformed(&RowError::new(format!("has a version other than {VERSION}")))),
            "user" => match Profile::parse(&text) {
                Ok(profile) => self.profile = Some(profile),
                Err(error) => self.outcome.skip(part.line, error),
            },
            _ => {}
        }
        Ok(())
    }

    async fn take_row(&mut self, part: OwnedPart) -> Result<(), End> {
        if !(self.has_format && self.has_version) {
            return Err(malformed(&RowError::new("must say its format and version before anything else")));
        }
        // What later versions add is passed over.
        let Some(section) = SECTIONS.iter().copied().find(|section| section.name == part.member) else {
            return Ok(());
        };
        if self.section.is_some_and(|current| current.name != section.name) {
            self.write_and_answer(false).await?;
        }
        self.section = Some(section);
        let row = match part.text {
            Some(text) => Row::parse(section, &text),
            None => Err(RowError::new("is too long")),
        };
        match row {
            Ok(row) => self.batch.push((part.line, row)),
            Err(error) => self.outcome.skip(part.line, format_args!("{}: {error}", section.name)),
        }
        if self.batch.len() + self.outcome.skipped() >= BATCH_ROWS {
            self.write_and_answer(false).await?;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<(), End> {
        if !(self.has_format && self.has_version) {
            return Err(malformed(&RowError::new("does not say its format and version")));
        }
        self.write_and_answer(false).await?;
        self.write_late_references().await?;
        let bytes_read = self.splitter.bytes_read();
        self.reporter.answer(&mut self.outcome, bytes_read, ROWS_MAX, true).await
    }

    async fn write_and_answer(&mut self, done: bool) -> Result<(), End> {
        self.write().await?;
        let bytes_read = self.splitter.bytes_read();
        self.reporter.answer(&mut self.outcome, bytes_read, ROWS_MAX, done).await
    }
}

impl From<Part<'_>> for OwnedPart {
    fn from(part: Part<'_>) -> Self {
        Self { member: part.member.to_owned(), is_element: part.is_element, line: part.line, text: part.text }
    }
}

fn json_is(text: &[u8], expected: &serde_json::Value) -> bool {
    serde_json::from_slice::<serde_json::Value>(text).is_ok_and(|value| value == *expected)
}

fn malformed(error: &RowError) -> End {
    Error::field("data", error.to_string()).into()
}
