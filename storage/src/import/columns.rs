//! Finding a format's columns by the names in the file's first row, in whatever order they come.

use super::csv::Fields;
use super::row::{RowError, problem};

/// Where a file has each of a format's `N` columns.
#[derive(Clone, Debug)]
pub struct Columns<const N: usize> {
    names: [&'static str; N],
    places: [Option<usize>; N],
    count: usize,
}

impl<const N: usize> Columns<N> {
    /// Reads the first row. Names are compared without case; those that the format does not know are passed over.
    pub fn find(header: Fields<'_>, names: [&'static str; N]) -> Result<Self, RowError> {
        let mut places = [None; N];
        for (place, field) in header.iter().enumerate() {
            let Ok(field) = std::str::from_utf8(field) else { continue };
            let Some(column) = names.iter().position(|name| name.eq_ignore_ascii_case(field.trim())) else { continue };
            if places[column].replace(place).is_some() {
                return Err(problem(names[column], "is the name of two columns"));
            }
        }
        Ok(Self { names, places, count: header.count() })
    }

    /// Refuses a file without one of these columns.
    pub fn require(&self, columns: &[usize]) -> Result<(), RowError> {
        let missing: Vec<&str> =
            columns.iter().filter(|&&column| !self.has(column)).map(|&column| self.names[column]).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(RowError::new(format!("the file's first row must name the columns {}", missing.join(", "))))
    }

    /// Whether the file has a column.
    pub fn has(&self, column: usize) -> bool {
        self.places[column].is_some()
    }

    /// The texts of a row by column, trimmed; empty where the file has no such column.
    pub fn texts<'a>(&self, fields: Fields<'a>) -> Result<[&'a str; N], RowError> {
        if fields.count() < self.count {
            return Err(RowError::new(format!(
                "the row must have {} columns, as the file's first, not {}",
                self.count,
                fields.count()
            )));
        }
        let all: Vec<&[u8]> = fields.iter().collect();
        let mut texts = [""; N];
        for ((text, place), name) in texts.iter_mut().zip(self.places).zip(self.names) {
            if let Some(field) = place.and_then(|place| all.get(place)) {
                *text = std::str::from_utf8(field).map_err(|_| problem(name, "must be UTF-8"))?.trim();
            }
        }
        Ok(texts)
    }
}
