//! Which id each row of the document has here.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};
use uuid::{Builder, Uuid};

use crate::document::{Column, Kind, Row, Section, Value};

/// Where rows that others may refer to have gone.
#[derive(Debug, Default)]
pub(super) struct Mapping {
    tables: HashMap<&'static str, HashMap<Uuid, Uuid>>,
    /// References to rows that come later in the document.
    late: Vec<Late>,
}

/// A reference that has to wait for its target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Late {
    pub(super) section: &'static Section,
    pub(super) column: &'static Column,
    /// The row's line in the document.
    pub(super) line: u64,
    /// The row's id here.
    pub(super) id: Uuid,
    /// The target's id in the document.
    pub(super) target: Uuid,
}

/// What became of the references of a row that were not there.
#[derive(Debug, Default)]
pub(super) struct Mapped {
    /// Those that wait, with their targets in the document.
    pub(super) late: Vec<(&'static Column, Uuid)>,
    /// Those that are empty now.
    pub(super) emptied: Vec<&'static Column>,
}

impl Mapping {
    /// Notes where a row has gone.
    pub(super) fn insert(&mut self, section: &'static Section, old: Uuid, new: Uuid) {
        self.tables.entry(section.table).or_default().insert(old, new);
    }

    /// Where a row of a table has gone; `None` if it has not come yet, or never will.
    pub(super) fn find(&self, table: &str, old: Uuid) -> Option<Uuid> {
        self.tables.get(table)?.get(&old).copied()
    }

    /// Replaces what a row refers to. References to rows that are not there are emptied, and those within a table
    /// wait, as the row that they name may come later. The error is the column of a reference that cannot be empty.
    pub(super) fn map(&self, section: &'static Section, row: &mut Row) -> Result<Mapped, &'static Column> {
        let mut mapped = Mapped::default();
        for (column, value) in section.columns.iter().zip(&mut row.0) {
            let Value::Id(old) = *value else { continue };
            match column.kind {
                Kind::Mention(table) => *value = Value::Id(self.find(table, old).unwrap_or(old)),
                Kind::Reference(table) => match self.find(table, old) {
                    Some(new) => *value = Value::Id(new),
                    None if !column.is_optional => return Err(column),
                    None => {
                        *value = Value::Null;
                        if table == section.table {
                            mapped.late.push((column, old));
                        } else {
                            mapped.emptied.push(column);
                        }
                    }
                },
                _ => {}
            }
        }
        Ok(mapped)
    }

    /// Has a reference wait.
    pub(super) fn wait(&mut self, late: Late) {
        self.late.push(late);
    }

    /// The references that have waited.
    pub(super) fn take_late(&mut self) -> Vec<Late> {
        std::mem::take(&mut self.late)
    }
}

/// The id that a person's row gets in place of one that someone else has: always the same. By RFC 9562, names are
/// hashed with something newer than SHA-1 in version 8.
pub(super) fn derived_id(user_id: Uuid, old: Uuid) -> Uuid {
    let hash = Sha256::new().chain_update(user_id).chain_update(old).finalize();
    Builder::from_custom_bytes(std::array::from_fn(|index| hash[index])).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_id_follows_from_the_person_and_the_old_one() {
        let [a, b] = [1, 2].map(Uuid::from_u128);
        assert_eq!(derived_id(a, b), derived_id(a, b));
        assert_ne!(derived_id(a, b), derived_id(b, a));
        assert_eq!(derived_id(a, b).get_version_num(), 8);
    }
}
