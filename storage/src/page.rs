//! Page tokens: where the next page begins, in a form that clients can keep but not forge.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use prost::Message;
use sha2::Sha256;
use uuid::Uuid;

use crate::domain::listing::Place;

const SIZE_DEFAULT: i32 = 50;
const SIZE_MAX: i32 = 1000;
/// The most that the items of a page are long on the wire, all in all. gRPC clients take 4 MiB unless told otherwise,
/// and fifty tasks with the longest descriptions are longer.
pub(crate) const BYTES_MAX: usize = 3 * 1024 * 1024;

const TIME_LENGTH: usize = 8;
const ID_LENGTH: usize = 16;
const POSITION_LENGTH: usize = TIME_LENGTH + ID_LENGTH;
const SIGNATURE_LENGTH: usize = 32;

/// A place in a list, in bytes that a token carries.
pub(crate) trait Cursor: Sized {
    /// The bytes.
    fn encode(&self) -> Vec<u8>;

    /// The place that was encoded so; `None` if none was.
    fn decode(bytes: &[u8]) -> Option<Self>;
}

/// A place in a list that is ordered by a time and an id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Position {
    /// The time by which the list is ordered.
    pub time: DateTime<Utc>,
    /// Orders what has the same time.
    pub id: Uuid,
}

/// Signs page tokens and reads those that it signed.
#[derive(Clone)]
pub(crate) struct PageSigner {
    mac: Hmac<Sha256>,
}

/// A page of a list.
#[derive(Debug, PartialEq)]
pub(crate) struct Page<T, C = Position> {
    /// What it shows, in the order of the list.
    pub(crate) items: Vec<T>,
    /// The place of its last item, if there is more to come.
    pub(crate) end: Option<C>,
}

/// A token that this service did not give out for this list.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("is not a token of this list: use `next_page_token` with the request that it answered")]
pub(crate) struct BadPageToken;

impl PageSigner {
    /// Signs with `key`, of which any length will do.
    pub(crate) fn new(key: &[u8]) -> Result<Self, hmac::digest::InvalidLength> {
        Ok(Self { mac: Hmac::new_from_slice(key)? })
    }

    /// A token for the page after `place`. It is bound to the person and to the query: all that decides what the list
    /// shows, in any form that differs between queries.
    fn token(&self, user_id: Uuid, query: &str, place: &impl Cursor) -> String {
        let mut token = place.encode();
        let signature = self.sign(user_id, query, &token).finalize().into_bytes();
        token.extend_from_slice(&signature);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// A token for the page after one that ends at `end`; empty after the last.
    pub(crate) fn next_token(&self, user_id: Uuid, query: &str, end: Option<impl Cursor>) -> String {
        end.map(|end| self.token(user_id, query, &end)).unwrap_or_default()
    }

    /// As [`place`](Self::place), in a list that is ordered by a time.
    pub(crate) fn position(&self, user_id: Uuid, query: &str, token: &str) -> Result<Option<Position>, BadPageToken> {
        self.place(user_id, query, token)
    }

    /// The place of a token that was given to this person for this query; `None` if `token` is empty.
    pub(crate) fn place<C: Cursor>(&self, user_id: Uuid, query: &str, token: &str) -> Result<Option<C>, BadPageToken> {
        if token.is_empty() {
            return Ok(None);
        }
        let token = URL_SAFE_NO_PAD.decode(token).map_err(|_| BadPageToken)?;
        let (place, signature) = token.split_last_chunk::<SIGNATURE_LENGTH>().ok_or(BadPageToken)?;
        self.sign(user_id, query, place).verify_slice(signature).map_err(|_| BadPageToken)?;
        C::decode(place).map(Some).ok_or(BadPageToken)
    }

    fn sign(&self, user_id: Uuid, query: &str, place: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(user_id.as_bytes());
        // Where the place ends and the query begins must not be in doubt.
        mac.update(&(place.len() as u64).to_be_bytes());
        mac.update(place);
        mac.update(query.as_bytes());
        mac
    }
}

impl std::fmt::Debug for PageSigner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PageSigner").finish_non_exhaustive()
    }
}

impl Cursor for Position {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(POSITION_LENGTH + SIGNATURE_LENGTH);
        bytes.extend_from_slice(&self.time.timestamp_micros().to_be_bytes());
        bytes.extend_from_slice(self.id.as_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (time, id) = bytes.split_first_chunk::<TIME_LENGTH>()?;
        let time = DateTime::from_timestamp_micros(i64::from_be_bytes(*time))?;
        Some(Self { time, id: Uuid::from_slice(id).ok()? })
    }
}

impl Cursor for i64 {
    fn encode(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_be_bytes)
    }
}

impl Cursor for Place {
    fn encode(&self) -> Vec<u8> {
        // Nothing in a place can fail to be written; were it so, the empty token would be refused when it is read.
        serde_json::to_vec(self).unwrap_or_default()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

impl<T: Message, C> Page<T, C> {
    /// The page that shows at most `size` of the [`rows`] that were read, and no more than an answer can carry.
    pub(crate) fn cut<R>(rows: Vec<R>, size: usize, place: impl Fn(&R) -> C) -> Self
    where
        T: From<R>,
    {
        let count = rows.len();
        let mut filling = Filling::new(size);
        let mut last = None;
        for row in rows.into_iter().take(size) {
            let end = place(&row);
            if !filling.push(T::from(row)) {
                break;
            }
            last = Some(end);
        }
        let end = last.filter(|_| filling.items.len() < count);
        filling.page(end)
    }
}

/// A page that is being put together.
#[derive(Debug)]
pub(crate) struct Filling<T> {
    items: Vec<T>,
    size: usize,
    bytes: usize,
}

impl<T: Message> Filling<T> {
    /// An empty page for at most `size` items.
    pub(crate) fn new(size: usize) -> Self {
        Self { items: Vec::new(), size, bytes: 0 }
    }

    /// How many more items there may be.
    pub(crate) fn room(&self) -> usize {
        self.size.saturating_sub(self.items.len())
    }

    /// Adds an item; not if the page would be longer than an answer can be. The first one is always taken, or nobody
    /// would get beyond it.
    pub(crate) fn push(&mut self, item: T) -> bool {
        self.bytes += item.encoded_len();
        let fits = self.bytes <= BYTES_MAX || self.items.is_empty();
        self.items.extend(Some(item).filter(|_| fits));
        fits
    }

    /// The page, and the place of its last item if there is more to come.
    pub(crate) fn page<C>(self, end: Option<C>) -> Page<T, C> {
        Page { items: self.items, end }
    }
}

/// How many rows to read for a page: one more than it shows tells whether there is a next one.
pub(crate) fn rows(size: usize) -> i64 {
    i64::try_from(size + 1).unwrap_or(i64::MAX)
}

/// The page size to use for the one that was asked for: 0 is the default, more than the most is the most. `None` if
/// it is negative.
pub(crate) fn size(asked: i32) -> Option<usize> {
    let size = match asked {
        0 => SIZE_DEFAULT,
        size => size.min(SIZE_MAX),
    };
    usize::try_from(size).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::listing::Value;

    const USER: Uuid = Uuid::from_u128(1);

    fn signer() -> PageSigner {
        PageSigner::new(b"a key of the test").unwrap()
    }

    fn position() -> Position {
        Position { time: DateTime::from_timestamp_micros(1_234_567_890_123_456).unwrap(), id: Uuid::from_u128(7) }
    }

    fn read(signer: &PageSigner, user_id: Uuid, query: &str, token: &str) -> Result<Option<Position>, BadPageToken> {
        signer.position(user_id, query, token)
    }

    #[test]
    fn a_token_leads_back_to_its_position() {
        let token = signer().token(USER, "query", &position());
        assert_eq!(read(&signer(), USER, "query", &token), Ok(Some(position())));
        assert_eq!(read(&signer(), USER, "query", ""), Ok(None));
    }

    #[test]
    fn a_token_is_good_for_one_person_one_query_and_one_key() {
        let token = signer().token(USER, "query", &position());
        assert_eq!(read(&signer(), Uuid::from_u128(2), "query", &token), Err(BadPageToken));
        assert_eq!(read(&signer(), USER, "another", &token), Err(BadPageToken));
        assert_eq!(read(&PageSigner::new(b"another").unwrap(), USER, "query", &token), Err(BadPageToken));
    }

    #[test]
    fn a_token_with_any_bit_changed_is_refused() {
        let token = URL_SAFE_NO_PAD.decode(signer().token(USER, "query", &position())).unwrap();
        for index in 0..token.len() {
            let mut forged = token.clone();
            forged[index] ^= 1;
            let forged = URL_SAFE_NO_PAD.encode(forged);
            assert_eq!(read(&signer(), USER, "query", &forged), Err(BadPageToken), "byte {index}");
        }
        for garbage in ["!", "AAAA", "ünïcode"] {
            assert_eq!(read(&signer(), USER, "query", garbage), Err(BadPageToken), "{garbage}");
        }
    }

    #[test]
    fn a_place_by_any_values_comes_back_as_it_was() {
        let values = vec![
            Value::None,
            Value::Number(-3),
            Value::Time(DateTime::from_timestamp_micros(-62_135_596_799_999_999).unwrap()),
            Value::Text("\"größe\"".to_owned()),
        ];
        let place = Place { values, id: Uuid::from_u128(7) };
        let token = signer().token(USER, "query", &place);
        assert_eq!(signer().place(USER, "query", &token), Ok(Some(place)));
    }

    fn page_of(lengths: &[usize], size: usize) -> (usize, Option<Position>) {
        let rows: Vec<String> = lengths.iter().map(|length| "x".repeat(*length)).collect();
        let length = |row: &String| ending(row.len());
        let Page::<String> { items, end } = Page::cut(rows, size, length);
        (items.len(), end)
    }

    fn ending(length: usize) -> Position {
        Position { id: Uuid::from_u128(length as u128), ..position() }
    }

    #[test]
    fn a_page_ends_at_its_size_or_with_the_list() {
        assert_eq!(page_of(&[1, 2, 3], 2), (2, Some(ending(2))));
        assert_eq!(page_of(&[1, 2], 2), (2, None));
        assert_eq!(page_of(&[], 2), (0, None));
    }

    #[test]
    fn a_page_ends_before_it_is_too_long_to_be_answered() {
        assert_eq!(page_of(&[BYTES_MAX / 2, BYTES_MAX / 3, BYTES_MAX / 2], 50), (2, Some(ending(BYTES_MAX / 3))));
        assert_eq!(page_of(&[BYTES_MAX * 2, 1], 50), (1, Some(ending(BYTES_MAX * 2))), "one is always shown");
    }

    #[test]
    fn page_sizes_are_clamped() {
        assert_eq!([0, 1, 1000, 5000].map(size), [Some(50), Some(1), Some(1000), Some(1000)]);
        assert_eq!(size(-1), None);
    }
}
