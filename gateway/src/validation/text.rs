//! What a text must be.

use super::rule::{Range, TextForm, TextRules};

/// The places of a UUID's hyphens.
const UUID_HYPHENS: [usize; 4] = [8, 13, 18, 23];
const UUID_LENGTH: usize = 36;

/// The longest part of a host name between two dots.
const LABEL_LENGTH_MAX: usize = 63;

impl TextRules {
    pub(super) fn check(&self, bytes: &[u8]) -> Result<(), String> {
        self.check_length(bytes)?;
        if let Some(form) = self.form
            && !form.fits(bytes)
        {
            return Err(form.complaint().to_owned());
        }
        let Some(pattern) = &self.pattern else { return Ok(()) };
        match std::str::from_utf8(bytes) {
            Ok(text) if pattern.is_match(text) => Ok(()),
            Ok(_) => Err(format!("must match `{pattern}`")),
            Err(_) => Err("must be UTF-8".to_owned()),
        }
    }

    fn check_length(&self, bytes: &[u8]) -> Result<(), String> {
        // A character has at least one byte and at most four, which decides most cases without counting.
        let Range { min, max } = self.length;
        if bytes.len() <= max && bytes.len() / 4 >= min {
            return Ok(());
        }
        let length = character_count(bytes);
        match length {
            _ if self.length.contains(length) => Ok(()),
            0 => Err("must not be empty".to_owned()),
            _ => Err(self.length.complaint(length, "be", "characters long")),
        }
    }
}

impl TextForm {
    fn fits(self, bytes: &[u8]) -> bool {
        match self {
            Self::Email => is_email(bytes),
            Self::Uuid => is_uuid(bytes),
        }
    }

    fn complaint(self) -> &'static str {
        match self {
            Self::Email => "must have the form `name@domain`",
            Self::Uuid => "must be a UUID",
        }
    }
}

/// Bytes that begin a character.
fn character_count(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

fn is_uuid(bytes: &[u8]) -> bool {
    bytes.len() == UUID_LENGTH
        && bytes
            .iter()
            .enumerate()
            .all(|(place, byte)| if UUID_HYPHENS.contains(&place) { *byte == b'-' } else { byte.is_ascii_hexdigit() })
}

/// An address as HTML's `input` of the type `email` takes it.
fn is_email(bytes: &[u8]) -> bool {
    let Some(at) = bytes.iter().position(|byte| *byte == b'@') else { return false };
    let (name, domain) = (&bytes[..at], &bytes[at + 1..]);
    let is_name_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(byte);
    !name.is_empty() && name.iter().all(is_name_byte) && domain.split(|byte| *byte == b'.').all(is_label)
}

fn is_label(label: &[u8]) -> bool {
    (1..=LABEL_LENGTH_MAX).contains(&label.len())
        && !label.starts_with(b"-")
        && !label.ends_with(b"-")
        && label.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(length: Range, form: Option<TextForm>) -> TextRules {
        TextRules { length, pattern: None, form }
    }

    #[test]
    fn characters_are_counted_and_not_bytes() {
        let rules = rules(Range { min: 1, max: 3 }, None);
        for (text, complaint) in [
            ("a", None),
            ("äöü", None),
            ("𝄞𝄞𝄞", None),
            ("", Some("must not be empty")),
            ("äöüß", Some("must be at most 3 characters long, not 4")),
        ] {
            assert_eq!(rules.check(text.as_bytes()).err().as_deref(), complaint, "{text}");
        }
    }

    #[test]
    fn a_uuid_has_hyphens_and_hexadecimal_digits() {
        let rules = rules(Range::ANY, Some(TextForm::Uuid));
        for text in ["0190c0de-0000-7000-8000-000000000001", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"] {
            assert!(rules.check(text.as_bytes()).is_ok(), "{text}");
        }
        for text in ["", "7", "0190c0de00007000800000000000000100000", "0190c0de-0000-7000-8000-00000000000g"] {
            assert!(rules.check(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_has_a_name_and_a_domain() {
        let rules = rules(Range::ANY, Some(TextForm::Email));
        for text in ["ada@example.org", "a.b+c@localhost"] {
            assert!(rules.check(text.as_bytes()).is_ok(), "{text}");
        }
        for text in ["", "ada", "@a.org", "a@", "a@b@c.org", "a b@c.org", "a@-c.org", "a@c..org", "a@c.org "] {
            assert!(rules.check(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_pattern_may_match_anywhere_unless_it_is_anchored() {
        let rules = TextRules { length: Range::ANY, pattern: Some("^[a-z]+$".parse().unwrap()), form: None };
        assert!(rules.check(b"abc").is_ok());
        assert_eq!(rules.check(b"abc1").unwrap_err(), "must match `^[a-z]+$`");
        assert_eq!(rules.check(b"\xff").unwrap_err(), "must be UTF-8");
    }
}
