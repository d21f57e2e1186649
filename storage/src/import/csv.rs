//! CSV that arrives in pieces, cut anywhere, also within a character or a quoted field.

use csv_core::ReadRecordResult;

const ROW_BYTES_MAX: usize = 64 * 1024;
const FIELDS_MAX: usize = 256;
/// Spreadsheets put it before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Turns pieces of a file into rows.
#[derive(Debug)]
pub struct RowReader {
    reader: csv_core::Reader,
    fields: Vec<u8>,
    fields_length: usize,
    ends: Vec<usize>,
    ends_length: usize,
    /// Line breaks within fields that were let go because the row is too long.
    lost_line_breaks: u64,
    is_too_long: bool,
    ends_in_line_break: bool,
    /// How much of a byte order mark the file began with; `None` once that is over.
    mark_length: Option<usize>,
    bytes_read: u64,
}

/// One row, or why it could not be kept.
#[derive(Debug)]
pub struct Row<'a> {
    /// The line on which it begins; the file's first is 1.
    pub line: u64,
    /// Its fields without quotes.
    pub fields: Result<Fields<'a>, RowTooLong>,
}

/// The fields of a row.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    ends: &'a [usize],
}

/// A row of more than 64 KiB or 256 fields.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the row is longer than {ROW_BYTES_MAX} bytes or {FIELDS_MAX} columns")]
pub struct RowTooLong;

impl Default for RowReader {
    fn default() -> Self {
        Self {
            reader: csv_core::Reader::new(),
            fields: vec![0; ROW_BYTES_MAX],
            fields_length: 0,
            ends: vec![0; FIELDS_MAX],
            ends_length: 0,
            lost_line_breaks: 0,
            is_too_long: false,
            ends_in_line_break: false,
            mark_length: Some(0),
            bytes_read: 0,
        }
    }
}

impl RowReader {
    /// The next row that ends in `input`, which is left with what comes after it; `None` if all of it is read.
    pub fn next_row(&mut self, input: &mut &[u8]) -> Option<Row<'_>> {
        self.skip_mark(input);
        // Nothing at all means the end of the file to the reader below.
        while !input.is_empty() {
            if self.step(input) {
                return Some(self.row());
            }
        }
        None
    }

    /// The last row, if the file does not end with a line break.
    pub fn finish(&mut self) -> Option<Row<'_>> {
        self.ends_in_line_break = false;
        self.step(&mut [].as_slice()).then(|| self.row())
    }

    /// Bytes that have been dealt with.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Lets a byte order mark go, which the reader below knows only if it comes in one piece. A part of one is let go
    /// as well: such a file is not UTF-8 or has no header that anybody knows.
    fn skip_mark(&mut self, input: &mut &[u8]) {
        while let Some(length) = self.mark_length
            && let Some((first, rest)) = input.split_first()
        {
            let is_mark = BYTE_ORDER_MARK.get(length) == Some(first);
            self.mark_length = is_mark.then_some(length + 1);
            if is_mark {
                self.bytes_read += 1;
                *input = rest;
            }
        }
    }

    /// Reads on; answers whether a row is complete.
    fn step(&mut self, input: &mut &[u8]) -> bool {
        let (fields, ends) = (&mut self.fields[self.fields_length..], &mut self.ends[self.ends_length..]);
        let (result, read, written, ended) = self.reader.read_record(input, fields, ends);
        self.fields_length += written;
        self.ends_length += ended;
        self.bytes_read += read as u64;
        if let Some(last) = read.checked_sub(1) {
            self.ends_in_line_break = input[last] == b'\n';
        }
        *input = &input[read..];
        match result {
            ReadRecordResult::Record => true,
            ReadRecordResult::InputEmpty | ReadRecordResult::End => false,
            ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                self.let_go();
                false
            }
        }
    }

    /// Makes room for the rest of a row that is too long to be kept.
    fn let_go(&mut self) {
        self.lost_line_breaks += count_line_breaks(&self.fields[..self.fields_length]);
        self.fields_length = 0;
        self.ends_length = 0;
        self.is_too_long = true;
    }

    fn row(&mut self) -> Row<'_> {
        let bytes = &self.fields[..self.fields_length];
        // The reader knows where the row ended.
        let line_breaks = self.lost_line_breaks + count_line_breaks(bytes) + u64::from(self.ends_in_line_break);
        let line = self.reader.line().saturating_sub(line_breaks);
        let fields = Fields { bytes, ends: &self.ends[..self.ends_length] };
        let fields = if self.is_too_long { Err(RowTooLong) } else { Ok(fields) };
        self.fields_length = 0;
        self.ends_length = 0;
        self.lost_line_breaks = 0;
        self.is_too_long = false;
        Row { line, fields }
    }
}

impl<'a> Fields<'a> {
    /// The fields, in order.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(self.ends).map(move |(start, &end)| &self.bytes[start..end])
    }

    /// How many there are.
    pub fn count(self) -> usize {
        self.ends.len()
    }
}

fn count_line_breaks(bytes: &[u8]) -> u64 {
    bytes.split(|byte| *byte == b'\n').skip(1).count() as u64
}

/// Reads one row, for the tests of formats.
#[cfg(test)]
pub(super) fn with_fields<T>(row: &str, work: impl FnOnce(Fields<'_>) -> T) -> T {
    let mut reader = RowReader::default();
    let line = format!("{row}\n");
    let mut input = line.as_bytes();
    work(reader.next_row(&mut input).unwrap().fields.unwrap())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(row: &Row<'_>) -> String {
        let fields = row.fields.map(|fields| {
            fields.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect::<Vec<_>>().join("|")
        });
        format!("{}: {}", row.line, fields.unwrap_or_else(|error| error.to_string()))
    }

    fn read(file: &[u8], piece_length: usize) -> Vec<String> {
        let mut reader = RowReader::default();
        let mut rows = Vec::new();
        for mut piece in file.chunks(piece_length) {
            while let Some(row) = reader.next_row(&mut piece) {
                rows.push(describe(&row));
            }
        }
        while let Some(row) = reader.finish() {
            rows.push(describe(&row));
        }
        assert_eq!(reader.bytes_read(), file.len() as u64);
        rows
    }

    #[test]
    fn rows_are_the_same_however_the_file_is_cut() {
        let file = "a,b\n\"q,1\",\"two\nlines\"\nü,\"with \"\"quotes\"\"\"\n\nlast,row";
        let whole = read(file.as_bytes(), file.len());
        assert_eq!(whole, ["1: a|b", "2: q,1|two\nlines", "4: ü|with \"quotes\"", "6: last|row"]);
        for piece_length in 1..file.len() {
            assert_eq!(read(file.as_bytes(), piece_length), whole, "pieces of {piece_length}");
        }
    }

    #[test]
    fn lines_are_counted_over_carriage_returns_too() {
        assert_eq!(read(b"a\r\nb\r\n\r\nc\r\n", 3), ["1: a", "2: b", "4: c"]);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_field() {
        let file = "\u{FEFF}\"a\",b\n\u{FEFF}c,d\n";
        for piece_length in 1..file.len() {
            assert_eq!(read(file.as_bytes(), piece_length), ["1: a|b", "2: \u{FEFF}c|d"], "pieces of {piece_length}");
        }
    }

    #[test]
    fn a_row_that_is_too_long_is_let_go_and_the_next_one_is_read() {
        let file = format!("a\n\"{}\n\"\nb\n{}\nc", "x".repeat(ROW_BYTES_MAX * 2), ",".repeat(FIELDS_MAX * 2));
        let too_long = RowTooLong.to_string();
        let expected = [
            "1: a".to_owned(),
            format!("2: {too_long}"),
            "4: b".to_owned(),
            format!("5: {too_long}"),
            "6: c".to_owned(),
        ];
        assert_eq!(read(file.as_bytes(), 1000), expected);
    }

    #[test]
    fn an_empty_file_has_no_rows() {
        assert!(read(b"", 1).is_empty());
        assert!(read(b"\n\n", 1).is_empty());
    }
}
