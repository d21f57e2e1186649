//! The cells of Loop's CSV files, in the forms that its versions have written.

use chrono::NaiveDate;

use super::THOUSANDTHS;
use crate::import::csv::Fields;
use crate::import::row::{RowError, problem, quote};
use crate::import::text::day;

/// What a day's cell says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mark {
    /// Nothing, or not done.
    None,
    /// Done, of a habit that is done or not.
    Done,
    /// Neither done nor missed.
    Skipped,
    /// How much was done.
    Amount(f64),
}

/// The texts of a row. Version 2.0 wrote `Entry(timestamp=2023-04-04, value=2)` without quotes, so that the cell is cut
/// at its comma; here it is one again.
pub(super) fn texts(fields: Fields<'_>) -> Result<Vec<String>, RowError> {
    let mut texts: Vec<String> = Vec::with_capacity(fields.count());
    for field in fields.iter() {
        let text = std::str::from_utf8(field).map_err(|_| RowError::new("the row must be UTF-8"))?.trim();
        match texts.last_mut() {
            Some(last) if last.starts_with("Entry(") && !last.ends_with(')') => {
                last.push(',');
                last.push_str(text);
            }
            _ => texts.push(text.to_owned()),
        }
    }
    Ok(texts)
}

/// The day of a row, in ISO form or as spreadsheets rewrite it, `04-28-23`.
pub(super) fn date(text: &str) -> Result<NaiveDate, RowError> {
    let american = || {
        let text = text.replace('/', "-");
        ["%m-%d-%y", "%m-%d-%Y"].iter().find_map(|format| NaiveDate::parse_from_str(&text, format).ok())
    };
    let american = || american().and_then(|it| day(&it.to_string()));
    day(text)
        .or_else(american)
        .ok_or_else(|| problem("Date", format_args!("must be a day such as 2023-04-28, not `{}`", quote(text))))
}

/// What the cell of a day says.
pub(super) fn mark(text: &str, is_numeric: bool) -> Result<Mark, RowError> {
    let value = within_entry(text).unwrap_or(text);
    match value.to_ascii_uppercase().as_str() {
        "" | "UNKNOWN" | "NO" | "-1" | "0" | "YES_AUTO" => return Ok(Mark::None),
        "SKIP" | "3" => return Ok(Mark::Skipped),
        "YES_MANUAL" | "YES" => return Ok(Mark::Done),
        _ => {}
    }
    let number = value.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    let wrong = || problem("Value", format_args!("must be a value of Loop's, not `{}`", quote(text)));
    match number {
        // A number with a point is in the unit itself.
        Some(number) if is_numeric && value.contains('.') => Ok(amount(number)),
        Some(number) if is_numeric => Ok(amount(number / THOUSANDTHS)),
        _ => whole_mark(value).ok_or_else(wrong),
    }
}

/// The same for a backup's number.
pub(super) fn stored_mark(value: i64, is_numeric: bool) -> Mark {
    match value {
        ..=0 => Mark::None,
        3 => Mark::Skipped,
        #[expect(clippy::cast_precision_loss, reason = "an amount, whose last digits do not matter")]
        value if is_numeric => amount(value as f64 / THOUSANDTHS),
        // 1 is what the schedule implies, which is none of the person's doing.
        1 => Mark::None,
        _ => Mark::Done,
    }
}

fn whole_mark(value: &str) -> Option<Mark> {
    match value {
        "1" => Some(Mark::None),
        "2" => Some(Mark::Done),
        _ => None,
    }
}

fn amount(number: f64) -> Mark {
    if number > 0.0 { Mark::Amount(number) } else { Mark::None }
}

/// The value of `Entry(timestamp=2023-04-04, value=2)`.
fn within_entry(text: &str) -> Option<&str> {
    let inside = text.strip_prefix("Entry(")?.strip_suffix(')')?;
    inside.split(',').find_map(|part| part.trim().strip_prefix("value="))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::csv::with_fields;

    #[test]
    fn an_entry_that_its_comma_cut_is_one_cell_again() {
        let cells = with_fields("2023-04-04,Entry(timestamp=2023-04-04, value=2),1,", |fields| texts(fields).unwrap());
        assert_eq!(cells, ["2023-04-04", "Entry(timestamp=2023-04-04,value=2)", "1", ""]);
        assert_eq!(mark(&cells[1], false), Ok(Mark::Done));
    }

    #[test]
    fn days_are_read_as_loop_and_spreadsheets_write_them() {
        for text in ["2023-04-28", "04-28-23", "04/28/2023"] {
            assert_eq!(date(text), Ok("2023-04-28".parse().unwrap()), "{text}");
        }
        for text in ["28-04-23", "", "2023-02-30", "04-28-0023"] {
            assert!(date(text).unwrap_err().to_string().starts_with("Date: "), "{text}");
        }
    }

    #[test]
    fn marks_are_numbers_or_their_names() {
        for (text, expected) in [
            ("2", Mark::Done),
            ("YES_MANUAL", Mark::Done),
            ("1", Mark::None),
            ("YES_AUTO", Mark::None),
            ("0", Mark::None),
            ("-1", Mark::None),
            ("", Mark::None),
            ("UNKNOWN", Mark::None),
            ("3", Mark::Skipped),
            ("SKIP", Mark::Skipped),
        ] {
            assert_eq!(mark(text, false), Ok(expected), "{text}");
        }
        for text in ["4", "maybe", "2.5", "-2"] {
            assert!(mark(text, false).is_err(), "{text}");
        }
    }

    #[test]
    fn amounts_are_thousandths_unless_they_have_a_point() {
        for (text, expected) in [("5500", 5.5), ("5.5", 5.5), ("2", 0.002)] {
            assert_eq!(mark(text, true), Ok(Mark::Amount(expected)), "{text}");
        }
        assert_eq!(mark("3", true), Ok(Mark::Skipped), "a skipped day, not three thousandths");
        assert!(mark("inf", true).is_err());
        assert_eq!(
            [-1, 0, 1, 2, 3].map(|value| stored_mark(value, false)),
            [Mark::None, Mark::None, Mark::None, Mark::Done, Mark::Skipped]
        );
        assert_eq!(stored_mark(5500, true), Mark::Amount(5.5));
    }
}
