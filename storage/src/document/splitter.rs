//! Takes a JSON document that arrives in pieces apart: the members of its object, and the elements of those that are
//! lists, one at a time.
//!
//! It only finds where values end; whether they are JSON is for whoever reads them. So a document may be of any length,
//! and one bad element does not spoil the next.

use crate::import::row::RowError;

const VALUE_BYTES_MAX: usize = 1024 * 1024;
const NAME_BYTES_MAX: usize = 100;

/// Turns pieces of a document into its values.
#[derive(Debug)]
pub struct Splitter {
    state: State,
    member: Vec<u8>,
    value: Vec<u8>,
    is_too_long: bool,
    nesting: usize,
    is_in_string: bool,
    is_escaped: bool,
    line: u64,
    start_line: u64,
    bytes_read: u64,
}

/// A member, or an element of a member that is a list.
#[derive(Debug)]
pub struct Part<'a> {
    /// The member's name, as it is written.
    pub member: &'a str,
    /// Whether this is an element of a list.
    pub is_element: bool,
    /// The line on which it begins; the first is 1.
    pub line: u64,
    /// Its text; `None` if it is longer than 1 MiB.
    pub text: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Start,
    Member,
    Name,
    Colon,
    Value,
    List,
    Within { list: bool },
    End,
}

impl Default for Splitter {
    fn default() -> Self {
        Self {
            state: State::Start,
            member: Vec::new(),
            value: Vec::new(),
            is_too_long: false,
            nesting: 0,
            is_in_string: false,
            is_escaped: false,
            line: 1,
            start_line: 1,
            bytes_read: 0,
        }
    }
}

impl Splitter {
    /// The next value that ends in `input`, which is left with what comes after it; `None` if all of it is read.
    pub fn next_part(&mut self, input: &mut &[u8]) -> Result<Option<Part<'_>>, RowError> {
        while let Some((&byte, rest)) = input.split_first() {
            if let State::Within { list } = self.state {
                if self.ends_before(byte) {
                    return Ok(Some(self.part(list)));
                }
                self.collect(byte);
            } else {
                self.step(byte)?;
            }
            self.line += u64::from(byte == b'\n');
            self.bytes_read += 1;
            *input = rest;
            if let State::Within { list } = self.state
                && self.ends_after(byte)
            {
                return Ok(Some(self.part(list)));
            }
        }
        Ok(None)
    }

    /// Refuses a document that is not complete.
    pub fn finish(&self) -> Result<(), RowError> {
        match self.state {
            State::End => Ok(()),
            State::Start => Err(RowError::new("is empty")),
            _ => Err(RowError::new(format!("ends early, in line {}", self.line))),
        }
    }

    /// Bytes that have been dealt with.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// A byte outside values.
    fn step(&mut self, byte: u8) -> Result<(), RowError> {
        let is_mark = self.line == 1 && self.bytes_read < 3 && matches!(byte, 0xEF | 0xBB | 0xBF);
        if self.state != State::Name && (byte.is_ascii_whitespace() || is_mark) {
            return Ok(());
        }
        self.state = match (self.state, byte) {
            (State::Start, b'{') | (State::Member, b',') | (State::List, b']') => State::Member,
            (State::Member, b'"') => {
                self.member.clear();
                State::Name
            }
            (State::Member, b'}') => State::End,
            (State::Name, b'"') => State::Colon,
            (State::Name, _) if self.member.len() < NAME_BYTES_MAX => {
                self.member.push(byte);
                State::Name
            }
            (State::Colon, b':') => State::Value,
            (State::Value, b'[') | (State::List, b',') => State::List,
            (State::Value | State::List, _) if !matches!(byte, b']' | b'}' | b',' | b':') => {
                let list = self.state == State::List;
                self.start_line = self.line;
                self.collect(byte);
                State::Within { list }
            }
            _ => return Err(self.unexpected(byte)),
        };
        Ok(())
    }

    /// A byte of a value.
    fn collect(&mut self, byte: u8) {
        if self.is_escaped {
            self.is_escaped = false;
        } else if self.is_in_string {
            self.is_escaped = byte == b'\\';
            self.is_in_string = byte != b'"';
        } else {
            match byte {
                b'"' => self.is_in_string = true,
                b'{' | b'[' => self.nesting += 1,
                b'}' | b']' => self.nesting = self.nesting.saturating_sub(1),
                _ => {}
            }
        }
        if self.value.len() == VALUE_BYTES_MAX {
            self.is_too_long = true;
        } else {
            self.value.push(byte);
        }
    }

    /// Whether the value, a number or a word, is over and `byte` comes after it.
    fn ends_before(&self, byte: u8) -> bool {
        self.nesting == 0 && !self.is_in_string && (byte.is_ascii_whitespace() || matches!(byte, b',' | b'}' | b']'))
    }

    /// Whether the value, a text, an object or a list, ended with `byte`.
    fn ends_after(&self, byte: u8) -> bool {
        self.nesting == 0 && !self.is_in_string && matches!(byte, b'"' | b'}' | b']')
    }

    fn part(&mut self, list: bool) -> Part<'_> {
        self.state = if list { State::List } else { State::Member };
        let is_too_long = std::mem::take(&mut self.is_too_long);
        let value = std::mem::take(&mut self.value);
        let member = std::str::from_utf8(&self.member).unwrap_or_default();
        Part { member, is_element: list, line: self.start_line, text: (!is_too_long).then_some(value) }
    }

    fn unexpected(&self, byte: u8) -> RowError {
        RowError::new(format!("is no JSON object: `{}` in line {}", byte.escape_ascii(), self.line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(document: &str, piece_length: usize) -> Result<Vec<String>, RowError> {
        let (mut splitter, mut parts) = (Splitter::default(), Vec::new());
        for mut piece in document.as_bytes().chunks(piece_length) {
            while let Some(Part { member, is_element, line, text }) = splitter.next_part(&mut piece)? {
                let text = text.map_or("too long".into(), |text| String::from_utf8(text).unwrap());
                parts.push(format!("{line} {member}{} {text}", if is_element { "[]" } else { "" }));
            }
        }
        splitter.finish()?;
        assert_eq!(splitter.bytes_read(), document.len() as u64);
        Ok(parts)
    }

    #[test]
    fn members_and_elements_are_the_same_however_the_document_is_cut() {
        let document = "{\"a\": 1, \"b\" : \"x,]}\\\"\",\n\"c\":[\n{\"d\":[1,{}]},\n2 ,\"e\"\n],\
                        \"f\":[],\"g\":{\"h\":null},\"i\":true}\n";
        let whole = split(document, document.len()).unwrap();
        assert_eq!(
            whole,
            [
                "1 a 1",
                "1 b \"x,]}\\\"\"",
                "3 c[] {\"d\":[1,{}]}",
                "4 c[] 2",
                "4 c[] \"e\"",
                "5 g {\"h\":null}",
                "5 i true"
            ]
        );
        for piece_length in 1..document.len() {
            assert_eq!(split(document, piece_length).unwrap(), whole, "pieces of {piece_length}");
        }
    }

    #[test]
    fn a_value_that_is_too_long_is_let_go_and_the_next_one_is_read() {
        let document = format!("\u{FEFF}{{\"a\":[\"{}\",1]}}", "x".repeat(VALUE_BYTES_MAX));
        assert_eq!(split(&document, 1000).unwrap(), ["1 a[] too long", "1 a[] 1"]);
    }

    #[test]
    fn what_is_no_whole_object_is_refused() {
        for document in
            ["", "[1]", "{\"a\":1", "{\"a\":[1", "{a:1}", "{\"a\"1}", "{\"a\":}", "{\"a\":1}x", "{\"a\":[1]]"]
        {
            assert!(split(document, 2).is_err(), "{document}");
        }
        assert!(split("{}", 1).unwrap().is_empty());
    }
}
