//! The zip of CSV files: `Habits.csv`, a folder with `Checkmarks.csv` per habit, and all of them in one more file.
//!
//! The folders are preferred, since the file that has all was wrong in some versions. An archive is not trusted: what
//! is read of it has limits, whatever its directory claims.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use zip::ZipArchive;
use zip::result::ZipError;

use super::cell::{date, mark, texts};
use super::{Description, Found, Place, Scale, Unusable};
use crate::import::columns::Columns;
use crate::import::csv::{Row, RowReader};
use crate::import::row::{RowError, RowKeys, problem};

const HABITS: &str = "Habits.csv";
const CHECKMARKS: &str = "Checkmarks.csv";
const COLUMNS: [&str; 14] = [
    "Position",
    "Name",
    "Type",
    "Question",
    "Description",
    "FrequencyNumerator",
    "FrequencyDenominator",
    "NumRepetitions",
    "Interval",
    "Unit",
    "Target Type",
    "Target Value",
    "Archived?",
    "Archived",
];
const NAME: usize = 1;

const FILES_MAX: usize = 10_000;
const HABITS_MAX: usize = 1_000;
/// Of all files together, unpacked.
const BYTES_MAX: u64 = 256 * 1024 * 1024;
const READ_BYTES: usize = 16 * 1024;

/// Reads an archive and gives what it finds to `sink`, until that answers `false`.
pub fn read(file: File, sink: &mut dyn FnMut(Found) -> bool) -> Result<(), Unusable> {
    read_up_to(BYTES_MAX, file, sink)
}

fn read_up_to(bytes_max: u64, file: File, sink: &mut dyn FnMut(Found) -> bool) -> Result<(), Unusable> {
    let mut archive = Archive::open(file, bytes_max)?;
    let mut found = Findings { sink, is_wanted: true };
    let habits = archive.habits(&mut found)?;
    let mut without_folder = HashMap::new();
    for (position, name, scale) in habits {
        match archive.folder_of(&position, &name) {
            Some(file) => archive.entries(&file, &scale, &mut found)?,
            None => drop(without_folder.insert(name, scale)),
        }
    }
    archive.combined_entries(&without_folder, &mut found)
}

struct Archive {
    zip: ZipArchive<File>,
    names: Vec<String>,
    bytes_max: u64,
    bytes_left: u64,
    /// The folder in which the files are, with its slash; mostly none.
    root: String,
}

struct Findings<'a> {
    sink: &'a mut dyn FnMut(Found) -> bool,
    is_wanted: bool,
}

impl Findings<'_> {
    fn add(&mut self, found: Found) {
        self.is_wanted = self.is_wanted && (self.sink)(found);
    }

    /// Adds what a row says of a day, if anything.
    fn add_entry(&mut self, line: u64, file: &Arc<str>, entry: Result<Option<super::Entry>, RowError>) {
        match entry {
            Ok(Some(entry)) => {
                let place = Place { file: Some(Arc::clone(file)), line };
                self.add(Found::Entry(super::Entry { place, ..entry }));
            }
            Ok(None) => {}
            Err(error) => self.unreadable(line, file, &error),
        }
    }

    fn unreadable(&mut self, line: u64, file: &str, error: &RowError) {
        self.add(Found::Unreadable { line, message: format!("{file}: {error}") });
    }
}

impl Archive {
    fn open(file: File, bytes_max: u64) -> Result<Self, Unusable> {
        let zip = ZipArchive::new(file).map_err(broken)?;
        if zip.len() > FILES_MAX {
            return Err(Unusable::Malformed(format!("has more than {FILES_MAX} files")));
        }
        let names: Vec<String> = zip.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
        let roots = names.iter().filter_map(|name| name.strip_suffix(HABITS));
        let root = roots.filter(|root| root.is_empty() || root.ends_with('/')).min_by_key(|root| root.len());
        let root = root.ok_or_else(|| Unusable::Malformed(format!("has no {HABITS}")))?.to_owned();
        Ok(Self { zip, names, bytes_max, bytes_left: bytes_max, root })
    }

    /// The habits, each with its position and name, by which its folder is called.
    fn habits(&mut self, found: &mut Findings<'_>) -> Result<Vec<(String, String, Scale)>, Unusable> {
        let file = format!("{}{HABITS}", self.root);
        let (mut columns, mut keys, mut habits) = (None, RowKeys::default(), Vec::new());
        let mut failure = None;
        self.rows(&file, &mut |row| {
            match &columns {
                None => match header(row) {
                    Ok(header) => columns = Some(header),
                    Err(error) => failure = Some(Unusable::Malformed(format!("{file}: {error}"))),
                },
                Some(columns) => match habit(columns, row, &mut keys) {
                    Ok((position, habit, scale)) => {
                        habits.push((position, habit.name.clone(), scale));
                        found.add(Found::Habit(habit));
                    }
                    Err(error) => found.unreadable(row.line, HABITS, &error),
                },
            }
            if habits.len() > HABITS_MAX {
                failure = Some(Unusable::Malformed(format!("has more than {HABITS_MAX} habits")));
            }
            found.is_wanted && failure.is_none()
        })?;
        failure.map_or(Ok(habits), Err)
    }

    /// The file of a habit's own checkmarks: `001 Name/Checkmarks.csv`.
    fn folder_of(&self, position: &str, name: &str) -> Option<String> {
        let folders: Vec<(&str, &str)> = self.names.iter().filter_map(|file| self.folder(file)).collect();
        let numbered = |prefix: &str| {
            let number: u32 = prefix.parse().ok()?;
            folders
                .iter()
                .find(|(_, folder)| folder.split(' ').next().and_then(|it| it.parse::<u32>().ok()) == Some(number))
        };
        let named = || folders.iter().find(|(_, folder)| folder.split_once(' ').is_some_and(|(_, it)| it == name));
        numbered(position).or_else(named).map(|(file, _)| (*file).to_owned())
    }

    fn folder<'a>(&self, file: &'a str) -> Option<(&'a str, &'a str)> {
        let folder = file.strip_prefix(self.root.as_str())?.strip_suffix(CHECKMARKS)?.strip_suffix('/')?;
        (!folder.contains('/')).then_some((file, folder))
    }

    /// Entries of one habit. Old versions have no header.
    fn entries(&mut self, file: &str, scale: &Scale, found: &mut Findings<'_>) -> Result<(), Unusable> {
        let name: Arc<str> = file.into();
        self.rows(file, &mut |row| {
            found.add_entry(row.line, &name, entry(row, scale));
            found.is_wanted
        })
    }

    /// Entries of habits that have no folder, from the file that has all: a day per row, a habit per column.
    fn combined_entries(&mut self, scales: &HashMap<String, Scale>, found: &mut Findings<'_>) -> Result<(), Unusable> {
        let file = format!("{}{CHECKMARKS}", self.root);
        if scales.is_empty() || !self.names.contains(&file) {
            return Ok(());
        }
        let name: Arc<str> = CHECKMARKS.into();
        let mut names: Option<Vec<String>> = None;
        self.rows(&file, &mut |row| {
            let cells = row.fields.map_err(|error| RowError::new(error.to_string())).and_then(texts);
            match (cells, &names) {
                (Ok(cells), None) => names = Some(cells),
                (Ok(cells), Some(names)) => {
                    let named = names.iter().zip(&cells).skip(1);
                    for (scale, cell) in named.filter_map(|(name, cell)| Some((scales.get(name)?, cell))) {
                        found.add_entry(row.line, &name, day_entry(&cells[0], cell, "", scale));
                    }
                }
                (Err(error), _) => found.unreadable(row.line, CHECKMARKS, &error),
            }
            found.is_wanted
        })
    }

    /// Gives the rows of a file to `take`, until that answers `false`.
    fn rows(&mut self, file: &str, take: &mut dyn FnMut(&Row<'_>) -> bool) -> Result<(), Unusable> {
        let mut content = self.zip.by_name(file).map_err(broken)?;
        let mut reader = RowReader::default();
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let length = content.read(&mut buffer)?;
            self.bytes_left = self
                .bytes_left
                .checked_sub(length as u64)
                .ok_or_else(|| Unusable::Malformed(format!("has more than {} bytes in it", self.bytes_max)))?;
            let mut piece = &buffer[..length];
            while let Some(row) = reader.next_row(&mut piece) {
                if !take(&row) {
                    return Ok(());
                }
            }
            if length == 0 {
                while let Some(row) = reader.finish() {
                    if !take(&row) {
                        return Ok(());
                    }
                }
                return Ok(());
            }
        }
    }
}

fn header(row: &Row<'_>) -> Result<Columns<{ COLUMNS.len() }>, RowError> {
    let fields = row.fields.map_err(|error| RowError::new(error.to_string()))?;
    let columns = Columns::find(fields, COLUMNS)?;
    columns.require(&[NAME])?;
    Ok(columns)
}

fn habit(
    columns: &Columns<{ COLUMNS.len() }>,
    row: &Row<'_>,
    keys: &mut RowKeys,
) -> Result<(String, super::Habit, Scale), RowError> {
    let fields = row.fields.map_err(|error| RowError::new(error.to_string()))?;
    let [
        position,
        name,
        kind,
        question,
        description,
        numerator,
        denominator,
        repetitions,
        interval,
        unit,
        target_type,
        target,
        archived,
        old_archived,
    ] = columns.texts(fields)?;
    let either = |new: &'static str, a: &str, old: &'static str, b: &str| {
        if a.is_empty() { number(old, b) } else { number(new, a) }
    };
    let description = Description {
        name: name.to_owned(),
        question: question.to_owned(),
        about: description.to_owned(),
        is_numeric: matches!(kind.to_ascii_uppercase().as_str(), "NUMERICAL" | "1"),
        is_at_most: matches!(target_type.to_ascii_uppercase().as_str(), "AT_MOST" | "1"),
        target_value: number("Target Value", target)?,
        unit: unit.to_owned(),
        times: either("FrequencyNumerator", numerator, "NumRepetitions", repetitions)?,
        days: either("FrequencyDenominator", denominator, "Interval", interval)?,
        archived: [archived, old_archived].iter().any(|it| matches!(it.to_ascii_lowercase().as_str(), "true" | "1")),
    };
    let (habit, scale) = description.habit(keys, row.line)?;
    Ok((position.to_owned(), habit, scale))
}

/// A number, 1 if it is not there.
fn number(column: &str, text: &str) -> Result<f64, RowError> {
    if text.is_empty() {
        return Ok(1.0);
    }
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| problem(column, "must be a number"))
}

/// `Date,Value,Notes`, of which the last may be missing.
fn entry(row: &Row<'_>, scale: &Scale) -> Result<Option<super::Entry>, RowError> {
    let cells = texts(row.fields.map_err(|error| RowError::new(error.to_string()))?)?;
    let cell = |index: usize| cells.get(index).map(String::as_str).unwrap_or_default();
    if row.line == 1 && cell(0).eq_ignore_ascii_case("Date") {
        return Ok(None);
    }
    day_entry(cell(0), cell(1), cell(2), scale)
}

fn day_entry(day: &str, cell: &str, notes: &str, scale: &Scale) -> Result<Option<super::Entry>, RowError> {
    Ok(scale.entry(date(day)?, mark(cell, scale.is_numeric)?, notes))
}

fn broken(error: ZipError) -> Unusable {
    match error {
        ZipError::Io(error) => Unusable::Io(error),
        error => Unusable::Malformed(format!("is no zip that can be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    const HABITS_HEADER: &str = "Position,Name,Type,Question,Description,FrequencyNumerator,FrequencyDenominator,Color,\
                                 Unit,Target Type,Target Value,Archived?\n";

    fn archive(files: &[(&str, &str)]) -> File {
        let mut writer = ZipWriter::new(tempfile::tempfile().unwrap());
        for (name, content) in files {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(content.as_bytes()).unwrap();
        }
        let mut file = writer.finish().unwrap();
        file.rewind().unwrap();
        file
    }

    fn describe(files: &[(&str, &str)]) -> Vec<String> {
        let mut found = Vec::new();
        read(archive(files), &mut |it| {
            found.push(match it {
                Found::Habit(it) => {
                    format!("{} {}{}", it.name, it.target.count, if it.target.weekly { "w" } else { "d" })
                }
                Found::Entry(it) => {
                    format!("{} {}{} {}", it.day, it.count, if it.skipped { "s" } else { "" }, it.notes)
                        .trim()
                        .to_owned()
                }
                Found::Unreadable { line, message } => format!("{line}: {message}"),
            });
            true
        })
        .unwrap();
        found
    }

    #[test]
    fn habits_have_their_entries_from_their_own_folders() {
        let habits = format!(
            "{HABITS_HEADER}001,Run,NUMERICAL,,,1,1,#ffffff,km,AT_LEAST,5.0,false\n\
             002,\"Read, a lot\",YES_NO,Did you?,,3,7,#ffffff,,,,true\n"
        );
        let found = describe(&[
            ("Habits.csv", &habits),
            ("Checkmarks.csv", "Date,Run,\"Read, a lot\",\n2024-01-01,9000,2,\n"),
            ("001 Run/Checkmarks.csv", "\u{FEFF}Date,Value,Notes\n2024-01-02,5500,\"wet, cold\"\n2024-01-01,3,\n"),
            ("001 Run/Scores.csv", "2024-01-02,0.5\n"),
            ("002 Read a lot/Checkmarks.csv", "01-02-24,YES_MANUAL,\n2024-01-01,YES_AUTO,\n"),
        ]);
        assert_eq!(
            found,
            ["Run 5d", "Read, a lot 3w", "2024-01-02 6 5.5 km\nwet, cold", "2024-01-01 0s", "2024-01-02 1"]
        );
    }

    #[test]
    fn the_file_of_all_is_read_for_habits_without_a_folder() {
        let found = describe(&[
            ("Loop/Habits.csv", "Position,Name,Question,Description,NumRepetitions,Interval,Color\n1,Run,,,1,1,x\n"),
            (
                "Loop/Checkmarks.csv",
                "Date,Run,Gone,\n2024-01-02,Entry(timestamp=2024-01-02, value=2),2,\n2024-01-01,0,2,\n",
            ),
        ]);
        assert_eq!(found, ["Run 1d", "2024-01-02 1"]);
    }

    #[test]
    fn a_broken_line_is_named_with_its_file() {
        let found = describe(&[
            (
                "Habits.csv",
                &format!(
                    "{HABITS_HEADER}001,Run,YES_NO,,,1,1,x,,,,\n002,,YES_NO,,,1,1,x,,,,\n\
                     003,Beer,NUMERICAL,,,1,1,x,,AT_MOST,2,\n"
                ),
            ),
            ("001 Run/Checkmarks.csv", "Date,Value\n2024-02-30,2\n2024-02-01,7\n2024-01-01,2\n"),
        ]);
        assert_eq!(found[0], "Run 1d");
        assert_eq!(found[1], "3: Habits.csv: Name: must not be empty");
        assert!(found[2].starts_with("4: Habits.csv: Target Type: "), "{}", found[2]);
        assert!(found[3].starts_with("2: 001 Run/Checkmarks.csv: Date: "), "{}", found[3]);
        assert!(found[4].starts_with("3: 001 Run/Checkmarks.csv: Value: "), "{}", found[4]);
        assert_eq!(found[5..], ["2024-01-01 1"]);
    }

    #[test]
    fn a_small_file_that_unpacks_to_a_large_one_is_refused() {
        let line = format!("2024-01-01,2,{}\n", "x".repeat(1000));
        let bomb = line.repeat(100);
        let file = archive(&[
            ("Habits.csv", &format!("{HABITS_HEADER}001,Run,YES_NO,,,1,1,x,,,,\n")),
            ("001 Run/Checkmarks.csv", &bomb),
        ]);
        let bytes_max = bomb.len() as u64;
        let error = read_up_to(bytes_max, file, &mut |_| true).unwrap_err();
        assert_eq!(error.to_string(), format!("has more than {bytes_max} bytes in it"));
    }

    #[test]
    fn what_is_no_archive_of_loops_is_refused() {
        assert!(read(archive(&[("other.csv", "")]), &mut |_| true).is_err());
        assert!(read(archive(&[("Habits.csv", "a,b\n")]), &mut |_| true).is_err());
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"PK\x03\x04 and nothing else").unwrap();
        file.rewind().unwrap();
        assert!(read(file, &mut |_| true).is_err());
    }
}
