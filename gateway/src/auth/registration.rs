//! What a new account must look like. Parsed once; whoever holds a [`Registration`] need not check again.

use chrono_tz::Tz;
use focusflow_proto::v1::{RegisterRequest, User};

const EMAIL_BYTES_MAX: usize = 254;
const EMAIL_LOCAL_BYTES_MAX: usize = 64;
const PASSWORD_CHARACTERS_MIN: usize = 8;
const PASSWORD_CHARACTERS_MAX: usize = 128;
const NAME_CHARACTERS_MAX: usize = 100;
const DEFAULT_TIME_ZONE: Tz = Tz::UTC;

/// A field of the request that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidField {
    /// The field's path by its protobuf names.
    pub field: &'static str,
    /// What is expected, as a sentence for the person who sent it.
    pub problem: String,
}

/// A request to register that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the registration has fields that cannot be taken")]
pub struct InvalidRegistration {
    /// Every field that is wrong, never empty.
    pub fields: Vec<InvalidField>,
}

/// A request to register whose every field is acceptable.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Address, names and time zone.
    pub user: User,
    /// 8 to 128 characters.
    pub password: String,
}

impl Registration {
    /// Checks all fields and reports every one that is wrong, so that a form can be corrected in one go.
    pub fn parse(request: RegisterRequest) -> Result<Self, InvalidRegistration> {
        let email = parse_email(&request.email);
        let password = check_password("password", &request.password);
        let first_name = parse_name("first_name", &request.first_name);
        let last_name = parse_name("last_name", &request.last_name);
        let time_zone = parse_time_zone(&request.time_zone);
        match (email, password, first_name, last_name, time_zone) {
            (Ok(email), Ok(()), Ok(first_name), Ok(last_name), Ok(time_zone)) => Ok(Self {
                user: User { email, first_name, last_name, time_zone, ..User::default() },
                password: request.password,
            }),
            (email, password, first_name, last_name, time_zone) => {
                let fields = [email.err(), password.err(), first_name.err(), last_name.err(), time_zone.err()];
                Err(InvalidRegistration { fields: fields.into_iter().flatten().collect() })
            }
        }
    }
}

/// Only the shape is checked: whether an address exists is proven by mail, not by a pattern.
pub(super) fn parse_email(given: &str) -> Result<String, InvalidField> {
    let email = given.trim();
    if has_email_shape(email) {
        Ok(email.to_owned())
    } else {
        Err(invalid("email", "expected an address as name@example.org"))
    }
}

fn has_email_shape(email: &str) -> bool {
    let Some((local, domain)) = email.rsplit_once('@') else { return false };
    let has_plain_characters = !email.chars().any(|character| character.is_whitespace() || character.is_control());
    has_plain_characters
        && email.len() <= EMAIL_BYTES_MAX
        && (1..=EMAIL_LOCAL_BYTES_MAX).contains(&local.len())
        && !local.contains('@')
        && domain.contains('.')
        && domain.split('.').all(is_domain_label)
}

fn is_domain_label(label: &str) -> bool {
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.chars().all(|character| character.is_alphanumeric() || character == '-')
}

pub(super) fn check_password(field: &'static str, password: &str) -> Result<(), InvalidField> {
    let characters = password.chars().count();
    if (PASSWORD_CHARACTERS_MIN..=PASSWORD_CHARACTERS_MAX).contains(&characters) {
        Ok(())
    } else {
        let expected = format!("expected {PASSWORD_CHARACTERS_MIN} to {PASSWORD_CHARACTERS_MAX} characters");
        Err(invalid(field, expected))
    }
}

fn parse_name(field: &'static str, given: &str) -> Result<String, InvalidField> {
    let name = given.trim();
    if name.chars().count() > NAME_CHARACTERS_MAX {
        return Err(invalid(field, format!("expected at most {NAME_CHARACTERS_MAX} characters")));
    }
    if name.chars().any(char::is_control) {
        return Err(invalid(field, "expected no control characters"));
    }
    Ok(name.to_owned())
}

fn parse_time_zone(given: &str) -> Result<String, InvalidField> {
    if given.is_empty() {
        return Ok(DEFAULT_TIME_ZONE.name().to_owned());
    }
    let time_zone: Tz =
        given.parse().map_err(|_| invalid("time_zone", "expected the name of an IANA time zone, as Europe/Berlin"))?;
    Ok(time_zone.name().to_owned())
}

fn invalid(field: &'static str, problem: impl Into<String>) -> InvalidField {
    InvalidField { field, problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> RegisterRequest {
        RegisterRequest {
            email: "ada@example.org".to_owned(),
            password: "correct horse".to_owned(),
            first_name: "Ada".to_owned(),
            last_name: "Lovelace".to_owned(),
            time_zone: "Europe/London".to_owned(),
        }
    }

    fn fields(request: RegisterRequest) -> Vec<&'static str> {
        Registration::parse(request).unwrap_err().fields.into_iter().map(|invalid| invalid.field).collect()
    }

    #[test]
    fn a_complete_request_becomes_a_user() {
        let registration = Registration::parse(request()).unwrap();
        assert_eq!(registration.user.email, "ada@example.org");
        assert_eq!(registration.user.time_zone, "Europe/London");
        assert_eq!(registration.password, "correct horse");
    }

    #[test]
    fn an_absent_time_zone_is_utc() {
        let registration = Registration::parse(RegisterRequest { time_zone: String::new(), ..request() }).unwrap();
        assert_eq!(registration.user.time_zone, "UTC");
    }

    #[test]
    fn every_wrong_field_is_named() {
        let wrong = RegisterRequest {
            email: "ada".to_owned(),
            password: "short".to_owned(),
            first_name: "a".repeat(101),
            last_name: "a\nb".to_owned(),
            time_zone: "Mars/Olympus".to_owned(),
        };
        assert_eq!(fields(wrong), ["email", "password", "first_name", "last_name", "time_zone"]);
    }

    #[test]
    fn addresses_without_the_shape_of_one_are_refused() {
        for email in ["", "@", "a@", "@b.org", "a b@c.org", "a@b", "a@b..org", "a@-b.org", "a@@b.org", "a@b.org\n@c"] {
            assert_eq!(fields(RegisterRequest { email: email.to_owned(), ..request() }), ["email"], "{email:?}");
        }
        let long = format!("{}@example.org", "a".repeat(65));
        assert_eq!(fields(RegisterRequest { email: long, ..request() }), ["email"]);
    }

    #[test]
    fn a_password_is_measured_in_characters_and_not_in_bytes() {
        let of = |length: usize| RegisterRequest { password: "ü".repeat(length), ..request() };
        assert!(Registration::parse(of(8)).is_ok());
        assert!(Registration::parse(of(128)).is_ok());
        assert_eq!(fields(of(7)), ["password"]);
        assert_eq!(fields(of(129)), ["password"]);
    }
}
