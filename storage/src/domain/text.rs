//! Text with rules: each type's only constructor checks them.

use serde::{Deserialize, Serialize};

use super::{Problem, words};

/// Declares a type whose values are text of limited length.
///
/// What is read from the database was checked when it was written, so the types decode as plain text.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $length:expr, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, Eq, Hash, PartialEq, Serialize, Deserialize, sqlx::Type)]
        #[sqlx(transparent)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Checks `text` against the type's rules.
            pub fn parse(text: &str) -> Result<Self, Problem> {
                let text = text.trim();
                check_length(text, $length)?;
                let check: fn(&str) -> Result<(), Problem> = $check;
                check(text)?;
                Ok(Self(text.to_owned()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }
    };
}

text!(
    /// What a task is called: one line of 1 to 500 characters.
    TaskTitle, 1..=500, one_line
);
text!(
    /// What a task is about: up to 20,000 characters.
    TaskDescription, 0..=20_000, many_lines
);
text!(
    /// A word that groups tasks: 1 to 100 characters without white space at its ends, `@` or `#`.
    Tag, 1..=100, tag
);
text!(
    /// What a category is called: one line of 1 to 100 characters.
    CategoryName, 1..=100, one_line
);
text!(
    /// `#RRGGBB`, or empty.
    Color, 0..=7, color
);
text!(
    /// The name of an icon in the client's set, or empty.
    Icon, 0..=100, one_line
);
text!(
    /// A given or family name: one line of up to 100 characters.
    PersonName, 0..=100, one_line
);
text!(
    /// What a person calls an API token: one line of 1 to 100 characters.
    ApiTokenName, 1..=100, one_line
);
text!(
    /// An electronic mail address of up to 254 characters.
    Email, 1..=254, email
);
text!(
    /// What a person remarks on a time log or on a day of a habit: up to 5,000 characters.
    Notes, 0..=5_000, many_lines
);
text!(
    /// A sentence of a report: 1 to 1,000 characters.
    FindingText, 1..=1_000, many_lines
);
text!(
    /// The name of a number in a report: up to 100 characters.
    MetricName, 0..=100, one_line
);
text!(
    /// What a habit is called: one line of 1 to 200 characters.
    HabitName, 1..=200, one_line
);
text!(
    /// What a habit is about: up to 5,000 characters.
    HabitDescription, 0..=5_000, many_lines
);

text!(
    /// The line that a notification begins with: 1 to 500 characters, so that every task's title fits.
    NotificationTitle, 1..=500, one_line
);
text!(
    /// What a notification says beyond its title: up to 5,000 characters.
    NotificationBody, 0..=5_000, many_lines
);

impl Tag {
    /// The form under which tags are compared.
    pub fn key(&self) -> String {
        words::fold(&self.0)
    }
}

impl HabitName {
    /// The form under which names are ordered.
    pub fn key(&self) -> String {
        words::fold(&self.0)
    }
}

impl CategoryName {
    /// The form under which names are compared.
    pub fn key(&self) -> String {
        words::fold(&self.0)
    }
}

impl Email {
    /// The form under which addresses are compared.
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

fn check_length(text: &str, range: std::ops::RangeInclusive<usize>) -> Result<(), Problem> {
    let length = text.chars().count();
    if length < *range.start() {
        return Err(Problem::new("must not be empty"));
    }
    if length > *range.end() {
        return Err(Problem::new(format!("must be at most {} characters long, not {length}", range.end())));
    }
    Ok(())
}

fn one_line(text: &str) -> Result<(), Problem> {
    if text.chars().any(char::is_control) {
        return Err(Problem::new("must be one line without control characters"));
    }
    Ok(())
}

fn many_lines(text: &str) -> Result<(), Problem> {
    if text.chars().any(|character| character.is_control() && !matches!(character, '\n' | '\r' | '\t')) {
        return Err(Problem::new("must have no control characters other than line breaks and tabs"));
    }
    Ok(())
}

fn tag(text: &str) -> Result<(), Problem> {
    if text.contains(['@', '#', ',']) {
        return Err(Problem::new("must not contain `@`, `#` or a comma"));
    }
    one_line(text)
}

fn color(text: &str) -> Result<(), Problem> {
    let is_color = text
        .strip_prefix('#')
        .is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    if !text.is_empty() && !is_color {
        return Err(Problem::new("must have the form `#RRGGBB`"));
    }
    Ok(())
}

/// Accepts what has the shape of an address. Whether it is one, only mail to it can tell.
fn email(text: &str) -> Result<(), Problem> {
    let has_shape = text.rsplit_once('@').is_some_and(|(local, domain)| {
        (1..=64).contains(&local.len()) && !local.contains('@') && domain.split('.').all(is_domain_label)
    });
    if !has_shape || text.chars().any(|character| character.is_whitespace() || character.is_control()) {
        return Err(Problem::new("must have the form `name@domain`"));
    }
    Ok(())
}

fn is_domain_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.chars().all(|character| character.is_alphanumeric() || character == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_has_1_to_500_characters_whatever_their_bytes() {
        assert!(TaskTitle::parse("  ").is_err());
        assert_eq!(TaskTitle::parse(" Write ").unwrap().as_str(), "Write");
        assert!(TaskTitle::parse(&"ü".repeat(500)).is_ok());
        let problem = TaskTitle::parse(&"ü".repeat(501)).unwrap_err();
        assert_eq!(problem.to_string(), "must be at most 500 characters long, not 501");
        assert!(TaskTitle::parse("two\nlines").is_err());
    }

    #[test]
    fn a_description_keeps_line_breaks_and_refuses_nul() {
        assert!(TaskDescription::parse("one\r\n\ttwo").is_ok());
        assert!(TaskDescription::parse("nul\0").is_err());
    }

    #[test]
    fn an_email_has_one_name_and_one_domain() {
        for good in ["ada@example.org", "a.b+c@localhost", "ü@bücher.example"] {
            assert!(Email::parse(good).is_ok(), "{good}");
        }
        for bad in
            ["", "ada", "@example.org", "ada@", "a@b@c.org", "a b@c.org", "a@-c.org", "a@c..org", "a@c.org\n\u{7}x"]
        {
            assert!(Email::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Email::parse("Ada@Example.ORG").unwrap().key(), "ada@example.org");
    }

    #[test]
    fn a_color_is_six_hexadecimal_digits_or_nothing() {
        assert!(Color::parse("#00ffAA").is_ok());
        assert!(Color::parse("").is_ok());
        for bad in ["red", "#12345", "#12345g", "1234567"] {
            assert!(Color::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_tag_carries_no_marker() {
        assert!(Tag::parse("deep work").is_ok());
        for bad in ["@home", "#home", "a,b", ""] {
            assert!(Tag::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Tag::parse("Writing").unwrap().key(), "writing");
        assert_eq!(Tag::parse("Straße").unwrap().key(), Tag::parse("STRASSE").unwrap().key());
    }
}
