//! The rows of the document's lists, as JSON and as values of their tables.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::{Column, Kind, Origin, Section};
use crate::clock::{FIRST_TIME, LAST_TIME, truncate};
use crate::domain::Problem;
use crate::domain::recurrence::parse_date;
use crate::domain::time_log::micros_between;
use crate::domain::words;
use crate::import::row::RowError;

/// A row: the values of its section's columns, in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Row(pub Vec<Value>);

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// None.
    Null,
    /// An id.
    Id(Uuid),
    /// Text or a word.
    Text(String),
    /// A 32-bit number.
    Integer(i32),
    /// A 64-bit number.
    Long(i64),
    /// A truth value.
    Flag(bool),
    /// An instant.
    Time(DateTime<Utc>),
    /// A local day.
    Date(NaiveDate),
    /// JSON.
    Json(Json),
}

impl Row {
    /// Reads an object of a document.
    pub fn parse(section: &Section, text: &[u8]) -> Result<Self, RowError> {
        let mut object: Map<String, Json> =
            serde_json::from_slice(text).map_err(|error| RowError::new(format!("is no JSON object: {error}")))?;
        let mut values: Vec<Value> = section.columns.iter().map(|_| Value::Null).collect();
        for (column, value) in section.columns.iter().zip(&mut values).filter(|(column, _)| column.is_in_document()) {
            let key = column.key();
            let given = object.remove(&key).unwrap_or_default();
            *value = column.parse(given).map_err(|problem| RowError::new(format!("{key}: {problem}")))?;
        }
        let mut row = Self(values);
        for (place, column) in section.columns.iter().enumerate() {
            if let Some(value) = row.derived(section, column.origin) {
                row.0[place] = value;
            }
        }
        Ok(row)
    }

    /// Writes the object for a document.
    pub fn write(&self, section: &Section, out: &mut Vec<u8>) {
        out.push(b'{');
        let written = section.columns.iter().zip(&self.0).filter(|(column, _)| column.is_in_document());
        for (index, (column, value)) in written.enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(format!("\"{}\":{}", column.key(), value.to_json()).as_bytes());
        }
        out.push(b'}');
    }

    /// The value of a column.
    pub fn value(&self, section: &Section, column: &str) -> &Value {
        section.place(column).and_then(|place| self.0.get(place)).unwrap_or(&Value::Null)
    }

    /// The instant in a column.
    pub fn time(&self, section: &Section, column: &str) -> Option<DateTime<Utc>> {
        match self.value(section, column) {
            Value::Time(time) => Some(*time),
            _ => None,
        }
    }

    /// The id in a column.
    pub fn id(&self, section: &Section, column: &str) -> Option<Uuid> {
        match self.value(section, column) {
            Value::Id(id) => Some(*id),
            _ => None,
        }
    }

    fn derived(&self, section: &Section, origin: Origin) -> Option<Value> {
        match origin {
            Origin::Document | Origin::LaterDocument => None,
            Origin::Zero => Some(Value::Long(0)),
            Origin::Folded(column) => match self.value(section, column) {
                Value::Text(text) => Some(Value::Text(words::fold(text))),
                _ => None,
            },
            Origin::Micros(start, end) => {
                let (start, end) = (self.time(section, start)?, self.time(section, end)?);
                Some(Value::Long(micros_between(start, end)))
            }
        }
    }
}

impl Column {
    fn parse(&self, value: Json) -> Result<Value, Problem> {
        if value.is_null() {
            return match self.origin {
                _ if self.is_optional => Ok(Value::Null),
                Origin::LaterDocument => Ok(self.kind.zero()),
                _ => Err(Problem::new("is required")),
            };
        }
        self.kind.parse(value)
    }

    /// Reads what the database says, which is text whatever the column.
    pub(crate) fn read(&self, text: Option<String>) -> Result<Value, Problem> {
        let Some(text) = text else { return Ok(Value::Null) };
        match self.kind {
            // One database has no other text for an id that is absent.
            Kind::Id | Kind::Reference(_) | Kind::Mention(_) if text.is_empty() => Ok(Value::Null),
            // What is stored was checked when it was written.
            Kind::Text(_) | Kind::Word(_) => Ok(Value::Text(text)),
            Kind::Integer(_) => text.parse().map(Value::Integer).map_err(|_| wrong("a number")),
            Kind::Long => text.parse().map(Value::Long).map_err(|_| wrong("a number")),
            Kind::Flag => Ok(Value::Flag(text == "1")),
            Kind::Json(_) => serde_json::from_str(&text).map(Value::Json).map_err(|_| wrong("JSON")),
            kind => kind.parse(Json::String(text)),
        }
    }
}

impl Kind {
    fn parse(self, value: Json) -> Result<Value, Problem> {
        match self {
            Self::Id | Self::Reference(_) | Self::Mention(_) => {
                let id = value.as_str().and_then(|text| Uuid::parse_str(text).ok());
                id.map(Value::Id).ok_or_else(|| wrong("a UUID"))
            }
            Self::Text(check) => check(value.as_str().ok_or_else(|| wrong("a text"))?).map(Value::Text),
            Self::Word(words) => {
                let word = words.iter().find(|word| value.as_str() == Some(**word));
                word.map(|word| Value::Text((*word).to_owned())).ok_or_else(|| wrong(&words.join(", ")))
            }
            Self::Integer(check) => {
                let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
                let number = number.ok_or_else(|| wrong("a whole number"))?;
                check(number).map(|()| Value::Integer(number))
            }
            Self::Long => value.as_i64().map(Value::Long).ok_or_else(|| wrong("a whole number")),
            Self::Flag => value.as_bool().map(Value::Flag).ok_or_else(|| wrong("true or false")),
            Self::Time => value.as_str().and_then(time).map(Value::Time).ok_or_else(|| wrong("a time of RFC 3339")),
            Self::Date(first) => {
                let date = value.as_str().and_then(parse_date).filter(|date| *date >= first);
                date.map(Value::Date).ok_or_else(|| wrong(&format!("a date, `YYYY-MM-DD`, from {first} on")))
            }
            Self::Json(check) => check(value).map(Value::Json),
        }
    }

    fn zero(self) -> Value {
        match self {
            Self::Id | Self::Reference(_) | Self::Mention(_) | Self::Time | Self::Date(_) => Value::Null,
            Self::Text(_) | Self::Word(_) => Value::Text(String::new()),
            Self::Integer(_) => Value::Integer(0),
            Self::Long => Value::Long(0),
            Self::Flag => Value::Flag(false),
            Self::Json(_) => Value::Json(Json::Array(Vec::new())),
        }
    }
}

impl Value {
    fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Id(id) => id.to_string().into(),
            Self::Text(text) => text.as_str().into(),
            Self::Integer(number) => (*number).into(),
            Self::Long(number) => (*number).into(),
            Self::Flag(flag) => (*flag).into(),
            Self::Time(time) => time.to_rfc3339_opts(SecondsFormat::AutoSi, true).into(),
            Self::Date(date) => date.to_string().into(),
            Self::Json(json) => json.clone(),
        }
    }
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    let time = truncate(DateTime::parse_from_rfc3339(text).ok()?.to_utc());
    (FIRST_TIME.timestamp()..=LAST_TIME.timestamp()).contains(&time.timestamp()).then_some(time)
}

fn wrong(expected: &str) -> Problem {
    Problem::new(format!("must be {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{CATEGORIES, SECTIONS, TIME_LOGS};

    const LOG: &str = r#"{"id":"01890a5d-ac96-774b-bcce-b302099a8057","taskId":null,
        "startTime":"2026-01-01T10:00:00.25Z","endTime":"2026-01-01T11:00:00Z","notes":"n","manual":true,
        "forgotten":false,"createTime":"2026-01-01T10:00:00Z","updateTime":"2026-01-01T10:00:00Z"}"#;

    fn with(key: &str, value: &str) -> String {
        let mut object: Map<String, Json> = serde_json::from_str(LOG).unwrap();
        object.insert(key.to_owned(), serde_json::from_str(value).unwrap());
        Json::Object(object).to_string()
    }

    #[test]
    fn a_row_is_written_as_it_was_read() {
        let row = Row::parse(&TIME_LOGS, LOG.as_bytes()).unwrap();
        assert_eq!(row.value(&TIME_LOGS, "duration_micros"), &Value::Long(3_599_750_000));
        let mut written = Vec::new();
        row.write(&TIME_LOGS, &mut written);
        let (written, original): (Json, Json) =
            (serde_json::from_slice(&written).unwrap(), serde_json::from_str(&LOG.replace(".25Z", ".250Z")).unwrap());
        assert_eq!(written, original);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (key, value, expected) in [
            ("id", "7", "id: must be a UUID"),
            ("startTime", "\"now\"", "startTime: must be a time of RFC 3339"),
            ("startTime", "null", "startTime: is required"),
            ("manual", "1", "manual: must be true or false"),
            ("notes", "\"\\u0000\"", "notes: must have no control characters other than line breaks and tabs"),
        ] {
            let error = Row::parse(&TIME_LOGS, with(key, value).as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
        assert!(Row::parse(&CATEGORIES, b"[]").is_err());
    }

    #[test]
    fn every_section_is_read_in_an_order_of_its_own_columns() {
        for section in SECTIONS {
            assert!(section.order.iter().all(|column| section.place(column).is_some()), "{}", section.name);
        }
    }
}
