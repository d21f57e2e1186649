//! What storage keeps and must not be able to read: secrets of second factors are encrypted here, and addresses without
//! an account are named by keyed hashes. The keys are derived from the secrets of the key ring.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;
use rand::RngCore as _;
use uuid::Uuid;

const KEY_BYTES: usize = 32;
const ID_BYTES: usize = 8;
const ENCRYPTION: &[u8] = b"focusflow second factor";
const IDENTIFICATION: &[u8] = b"focusflow key id";
const NAMES: &[u8] = b"focusflow account name";

/// Encrypts with the first of its secrets, decrypts with any.
pub(crate) struct Vault {
    keys: Vec<VaultKey>,
    names: hmac::Key,
}

struct VaultKey {
    id: [u8; ID_BYTES],
    key: LessSafeKey,
}

/// Encryption or key derivation failed, or what was encrypted is not ours: the library does not say which.
#[derive(Debug, thiserror::Error)]
#[error("the secret cannot be encrypted or decrypted; was its key taken out of JWT_SECRET_PREVIOUS?")]
pub(crate) struct VaultError;

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl Vault {
    /// A vault under the secrets of a key ring, the current one first.
    pub(crate) fn new(secrets: &[&[u8]]) -> Result<Self, VaultError> {
        let current = secrets.first().ok_or(VaultError)?;
        let names = hmac::Key::new(hmac::HMAC_SHA256, &derive::<KEY_BYTES>(current, NAMES)?);
        let keys = secrets.iter().map(|secret| VaultKey::new(secret)).collect::<Result<_, _>>()?;
        Ok(Self { keys, names })
    }

    /// A person's secret as storage keeps it: key id, nonce, ciphertext and tag. It is no use to another person.
    pub(crate) fn seal(&self, user_id: Uuid, secret: &[u8]) -> Result<Vec<u8>, VaultError> {
        let VaultKey { id, key } = self.keys.first().ok_or(VaultError)?;
        let mut nonce = [0; NONCE_LEN];
        rand::rng().fill_bytes(&mut nonce);
        let mut text = secret.to_vec();
        let aad = Aad::from(user_id.into_bytes());
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut text).map_err(|_| VaultError)?;
        Ok([id.as_slice(), &nonce, &text].concat())
    }

    /// The inverse of [`Self::seal`].
    pub(crate) fn open(&self, user_id: Uuid, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
        let (id, rest) = sealed.split_first_chunk::<ID_BYTES>().ok_or(VaultError)?;
        let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>().ok_or(VaultError)?;
        let VaultKey { key, .. } = self.keys.iter().find(|key| key.id == *id).ok_or(VaultError)?;
        let mut text = text.to_vec();
        let aad = Aad::from(user_id.into_bytes());
        let plain = key.open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut text).map_err(|_| VaultError)?;
        Ok(plain.to_vec())
    }

    /// A sealed secret under the current key; `None` if it is.
    pub(crate) fn renew(&self, user_id: Uuid, sealed: &[u8]) -> Result<Option<Vec<u8>>, VaultError> {
        let current = self.keys.first().ok_or(VaultError)?;
        if sealed.starts_with(&current.id) {
            return Ok(None);
        }
        self.seal(user_id, &self.open(user_id, sealed)?).map(Some)
    }

    /// What an address is called where it must not be known: its keyed hash.
    pub(crate) fn name_of(&self, email: &str) -> Vec<u8> {
        hmac::sign(&self.names, email.trim().to_lowercase().as_bytes()).as_ref().to_vec()
    }
}

impl VaultKey {
    fn new(secret: &[u8]) -> Result<Self, VaultError> {
        let key = UnboundKey::new(&AES_256_GCM, &derive::<KEY_BYTES>(secret, ENCRYPTION)?).map_err(|_| VaultError)?;
        Ok(Self { id: derive(secret, IDENTIFICATION)?, key: LessSafeKey::new(key) })
    }
}

fn derive<const BYTES: usize>(secret: &[u8], purpose: &[u8]) -> Result<[u8; BYTES], VaultError> {
    let mut derived = [0; BYTES];
    let key = Salt::new(HKDF_SHA256, &[]).extract(secret);
    let purpose = [purpose];
    let output = key.expand(&purpose, Length(BYTES)).map_err(|_| VaultError)?;
    output.fill(&mut derived).map_err(|_| VaultError)?;
    Ok(derived)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &[u8] = &[1; 32];
    const NEW: &[u8] = &[2; 32];

    #[test]
    fn a_secret_is_read_by_its_person_only_and_after_a_rotation_too() {
        let (ada, eve) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let sealed = Vault::new(&[OLD]).unwrap().seal(ada, b"secret").unwrap();
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        let rotated = Vault::new(&[NEW, OLD]).unwrap();
        assert_eq!(rotated.open(ada, &sealed).unwrap(), b"secret");
        assert!(rotated.open(eve, &sealed).is_err());
        assert!(Vault::new(&[NEW]).unwrap().open(ada, &sealed).is_err());
        let renewed = rotated.renew(ada, &sealed).unwrap().unwrap();
        assert_eq!(Vault::new(&[NEW]).unwrap().open(ada, &renewed).unwrap(), b"secret");
        assert_eq!(rotated.renew(ada, &renewed).unwrap(), None);
        let mut changed = sealed;
        *changed.last_mut().unwrap() ^= 1;
        assert!(rotated.open(ada, &changed).is_err());
    }

    #[test]
    fn an_address_has_one_name_whatever_its_case() {
        let vault = Vault::new(&[OLD]).unwrap();
        assert_eq!(vault.name_of("Ada@Example.org "), vault.name_of("ada@example.org"));
        assert_ne!(vault.name_of("ada@example.org"), vault.name_of("eve@example.org"));
    }
}
