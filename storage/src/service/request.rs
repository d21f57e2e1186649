//! What requests of all services have in common: ids, times, masks, pages, request ids.

use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use prost::Message;
use prost_types::{FieldMask, Timestamp};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::error::Error;
use crate::clock::{FIRST_TIME, LAST_TIME};
use crate::page;
use crate::sql::{Write, request_ids};

/// The whole seconds of the years 1 to 9999.
const SECONDS: RangeInclusive<i64> = FIRST_TIME.timestamp()..=LAST_TIME.timestamp();
const NANOS_PER_SECOND: u32 = 1_000_000_000;
const NANOS_PER_MICROSECOND: u32 = 1_000;

/// The fields of a resource, by what an update may do to them.
#[derive(Debug)]
pub(crate) struct Fields {
    /// What an update takes.
    pub(crate) mutable: &'static [&'static str],
    /// What the server sets, so that an update leaves it alone.
    pub(crate) output_only: &'static [&'static str],
}

impl Fields {
    /// The fields that an update takes: those that the mask names, or without a mask those that are set.
    pub(crate) fn resolve(
        &self,
        mask: Option<&FieldMask>,
        is_set: impl Fn(&str) -> bool,
    ) -> Result<Vec<&'static str>, Error> {
        let paths = mask.map(|mask| mask.paths.as_slice()).unwrap_or_default();
        if paths.is_empty() {
            return Ok(self.mutable.iter().copied().filter(|field| is_set(field)).collect());
        }
        if paths == ["*"] {
            return Ok(self.mutable.to_vec());
        }
        let unknown = paths
            .iter()
            .find(|path| !self.mutable.contains(&path.as_str()) && !self.output_only.contains(&path.as_str()));
        if let Some(path) = unknown {
            return Err(Error::field("update_mask", format!("names `{path}`, which is not a field of the resource")));
        }
        Ok(self.mutable.iter().copied().filter(|field| paths.iter().any(|path| path == field)).collect())
    }
}

/// The id in a field.
pub(crate) fn id(field: &str, text: &str) -> Result<Uuid, Error> {
    if text.is_empty() {
        return Err(Error::field(field, "is required"));
    }
    Uuid::parse_str(text).map_err(|_| Error::field(field, "must be a UUID"))
}

/// The id in a field that may be empty.
pub(crate) fn optional_id(field: &str, text: &str) -> Result<Option<Uuid>, Error> {
    if text.is_empty() { Ok(None) } else { id(field, text).map(Some) }
}

/// The message in a field.
pub(crate) fn required<T>(field: &str, value: Option<T>) -> Result<T, Error> {
    value.ok_or_else(|| Error::field(field, "is required"))
}

/// The instant in a field that may be absent.
pub(crate) fn optional_time(field: &str, time: Option<Timestamp>) -> Result<Option<DateTime<Utc>>, Error> {
    let Some(time) = time else { return Ok(None) };
    u32::try_from(time.nanos)
        .ok()
        .filter(|nanos| *nanos < NANOS_PER_SECOND && SECONDS.contains(&time.seconds))
        .and_then(|nanos| DateTime::from_timestamp(time.seconds, nanos - nanos % NANOS_PER_MICROSECOND))
        .map(Some)
        .ok_or_else(|| Error::field(field, "must be an instant of the years 1 to 9999"))
}

/// An instant on the wire.
pub(crate) fn timestamp(time: DateTime<Utc>) -> Timestamp {
    Timestamp { seconds: time.timestamp(), nanos: time.timestamp_subsec_nanos().cast_signed() }
}

/// Refuses an `etag` that is given and not `current`.
pub(crate) fn check_etag(given: &str, version: i64) -> Result<(), Error> {
    let current = etag(version);
    if given.is_empty() || given == current { Ok(()) } else { Err(Error::EtagMismatch { current }) }
}

/// The etag of a version.
pub(crate) fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

/// The page size to use for the one that was asked for.
pub(crate) fn page_size(asked: i32) -> Result<usize, Error> {
    page::size(asked).ok_or_else(|| Error::field("page_size", "must not be negative"))
}

/// One create, which its request id makes happen once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Creation {
    method: &'static str,
    request_id: Option<Uuid>,
    request_hash: [u8; 32],
}

impl Creation {
    /// Reads the id of `request`, which may be empty: then every request creates.
    pub(crate) fn parse(method: &'static str, request_id: &str, request: &impl Message) -> Result<Self, Error> {
        let request_id = optional_id("request_id", request_id)?;
        let request_hash = Sha256::digest(request.encode_to_vec()).into();
        Ok(Self { method, request_id, request_hash })
    }

    /// What an earlier request with the same id made. It must have been the same request.
    pub(crate) async fn made_before(self, write: &mut Write) -> Result<Option<Uuid>, Error> {
        let Some(request_id) = self.request_id else { return Ok(None) };
        let (user_id, now) = (write.user_id(), write.now());
        match request_ids::find(write.connection(), user_id, request_id, now).await? {
            Some(made) if made.method != self.method => {
                Err(Error::field("request_id", format!("was used for {}; every request needs its own", made.method)))
            }
            Some(made) if made.request_hash.as_ref().is_some_and(|hash| *hash != self.request_hash) => {
                Err(Error::field("request_id", "was used for another request; every request needs its own"))
            }
            made => Ok(made.map(|made| made.resource_id)),
        }
    }

    /// Remembers what this request made.
    pub(crate) async fn made(self, write: &mut Write, resource_id: Uuid) -> Result<(), Error> {
        let Some(request_id) = self.request_id else { return Ok(()) };
        let (user_id, now) = (write.user_id(), write.now());
        let request_hash = Some(self.request_hash.to_vec());
        let made = request_ids::Made { method: self.method.to_owned(), resource_id, request_hash };
        Ok(request_ids::insert(write.connection(), user_id, request_id, &made, now).await?)
    }
}

/// What an earlier request made, as it is now; refused if it is gone, since the request must not make it again.
pub(crate) fn still_there<T>(result: Result<T, Error>, resource: &'static str, id: Uuid) -> Result<T, Error> {
    match result {
        Err(Error::NotFound { .. }) => Err(Error::ResultDeleted { resource, id }),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: Fields = Fields { mutable: &["title", "notes"], output_only: &["id"] };

    fn mask(paths: &[&str]) -> FieldMask {
        FieldMask { paths: paths.iter().map(ToString::to_string).collect() }
    }

    #[test]
    fn every_instant_of_the_years_1_to_9999_is_taken_to_its_microsecond() {
        let read = |seconds, nanos| optional_time("due_time", Some(Timestamp { seconds, nanos }));
        let (first, last) = (FIRST_TIME.timestamp(), LAST_TIME.timestamp());
        let time = read(last, 999_999_999).unwrap().unwrap();
        assert_eq!((time.timestamp(), time.timestamp_subsec_nanos()), (last, 999_999_000));
        assert_eq!(read(first, 0).unwrap(), Some(FIRST_TIME));
        for (seconds, nanos) in [(last + 1, 0), (first - 1, 999_999_999), (last, 1_000_000_000), (0, -1)] {
            assert!(read(seconds, nanos).is_err(), "{seconds} s, {nanos} ns");
        }
    }

    #[test]
    fn a_mask_takes_what_it_names_and_leaves_what_the_server_sets() {
        assert_eq!(FIELDS.resolve(Some(&mask(&["notes", "id"])), |_| false).unwrap(), ["notes"]);
        assert_eq!(FIELDS.resolve(Some(&mask(&["*"])), |_| false).unwrap(), ["title", "notes"]);
    }

    #[test]
    fn no_mask_takes_what_is_set() {
        assert_eq!(FIELDS.resolve(None, |field| field == "title").unwrap(), ["title"]);
        assert_eq!(FIELDS.resolve(Some(&mask(&[])), |field| field == "notes").unwrap(), ["notes"]);
    }

    #[test]
    fn an_unknown_path_is_named() {
        let error = FIELDS.resolve(Some(&mask(&["title", "colour"])), |_| true).unwrap_err();
        assert_eq!(error.to_string(), "update_mask: names `colour`, which is not a field of the resource");
    }

    #[test]
    fn times_outside_the_contract_are_refused() {
        for (seconds, nanos) in [(253_402_300_800, 0), (-62_135_596_801, 0), (0, -1), (0, 1_000_000_000), (i64::MAX, 0)]
        {
            assert!(optional_time("t", Some(Timestamp { seconds, nanos })).is_err(), "{seconds} {nanos}");
        }
        let time = optional_time("t", Some(Timestamp { seconds: -1, nanos: 999_999_999 })).unwrap().unwrap();
        assert_eq!(timestamp(time), Timestamp { seconds: -1, nanos: 999_999_000 });
    }

    #[test]
    fn an_etag_is_a_quoted_string_and_must_be_current() {
        assert_eq!(etag(3), "\"3\"");
        assert!(check_etag("", 3).is_ok());
        assert!(check_etag("\"3\"", 3).is_ok());
        assert!(matches!(check_etag("\"2\"", 3), Err(Error::EtagMismatch { .. })));
    }
}
