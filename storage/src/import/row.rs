//! What rows of all formats have in common: keys that tell them apart, and why one cannot be read.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

/// Values longer than this are cut where errors quote them.
const QUOTE_LENGTH_MAX: usize = 50;

/// What tells a row of a file from every other, also from its equals.
pub type RowKey = [u8; 16];

/// Why a row or the file cannot be read, naming the column.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct RowError(String);

/// Tells rows apart, also those that are equal: by how many equals came before.
#[derive(Debug, Default)]
pub struct RowKeys {
    seen: HashMap<RowKey, u32>,
}

impl RowError {
    /// An error that is no single column's.
    pub fn new(description: impl Into<String>) -> Self {
        Self(description.into())
    }
}

impl RowKeys {
    /// The key of the file's next row.
    pub fn next<'a>(&mut self, fields: impl IntoIterator<Item = &'a [u8]>) -> RowKey {
        let content = key(fields);
        let equals_before = self.seen.entry(content).and_modify(|count| *count += 1).or_default();
        let mut key = Sha256::new();
        key.update(content);
        key.update(equals_before.to_be_bytes());
        shorten(key)
    }
}

/// The key of something that is the same wherever it has the same fields.
pub fn key<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> RowKey {
    let mut content = Sha256::new();
    for field in fields {
        content.update((field.len() as u64).to_be_bytes());
        content.update(field);
    }
    shorten(content)
}

/// An error in a column.
pub(super) fn problem(column: &str, description: impl std::fmt::Display) -> RowError {
    RowError(format!("{column}: {description}"))
}

/// The beginning of a value, for an error's text.
pub(super) fn quote(text: &str) -> String {
    text.chars().take(QUOTE_LENGTH_MAX).collect()
}

fn shorten(hash: Sha256) -> RowKey {
    let hash = hash.finalize();
    std::array::from_fn(|index| hash[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rows_have_keys_of_their_own_that_are_the_same_in_the_next_import() {
        let rows: [[&[u8]; 2]; 4] = [[b"a", b"b"], [b"a", b"b"], [b"ab", b""], [b"a", b"b"]];
        let mut first = RowKeys::default();
        let keys: Vec<RowKey> = rows.iter().map(|row| first.next(row.iter().copied())).collect();
        let distinct: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), 4);
        let mut second = RowKeys::default();
        assert_eq!(second.next(rows[0]), keys[0]);
        assert_eq!(second.next(rows[1]), keys[1]);
    }
}
