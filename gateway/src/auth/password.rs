//! Password hashes: argon2id off the async threads, with a bound on how many wait.
//!
//! A hash takes tens of milliseconds and 19 MiB on purpose. Without a bound, a flood of sign-ins would take all memory
//! and every thread of the blocking pool, so that beyond the queue the caller is told to come back.

use std::sync::Arc;
use std::thread::available_parallelism;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// OWASP's second recommended profile for argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Compared with when an address has no account, so that the answer takes as long as for one that has. It is a hash
/// of random bytes that nobody kept, with the parameters above.
const NOBODYS_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$ZUxHd1Z5Y0pQb3E5TUNXbg$VtYtyc1hGK7uOzFz3bA+mqaOhk0tVYgvT1BYTmsDbz0";

/// How much hashing goes on at once.
#[derive(Debug, Clone, Copy)]
pub struct PasswordLimits {
    /// Hashes computed at the same time; by default one per processor.
    pub concurrent_max: usize,
    /// Requests that wait for their turn; by default 64.
    pub queue_max: usize,
}

impl Default for PasswordLimits {
    fn default() -> Self {
        Self { concurrent_max: available_parallelism().map_or(1, usize::from), queue_max: 64 }
    }
}

/// Why a password was neither hashed nor compared.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The queue is full.
    #[error("too many sign-ins are waiting")]
    Busy,
    /// A stored hash does not parse, or the hasher itself failed.
    #[error("password hashing failed: {0}")]
    Hash(String),
}

/// Hashes and compares passwords within its limits. Clones share them.
#[derive(Clone)]
pub struct PasswordHasher {
    argon2: Argon2<'static>,
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

impl PasswordHasher {
    /// A hasher with the given limits.
    pub fn new(limits: PasswordLimits) -> Result<Self, PasswordError> {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(hash_error)?;
        Ok(Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            running: Arc::new(Semaphore::new(limits.concurrent_max)),
            admitted: Arc::new(Semaphore::new(limits.concurrent_max.saturating_add(limits.queue_max))),
        })
    }

    /// The password's hash as a PHC string, under a fresh salt.
    pub async fn hash(&self, password: String) -> Result<String, PasswordError> {
        self.run(move |argon2| Ok(argon2.hash_password(password.as_bytes()).map_err(hash_error)?.to_string())).await
    }

    /// Whether the password is the one that was hashed. `None` stands for an account that does not exist: it takes as
    /// long and is never true.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, PasswordError> {
        self.run(move |argon2| {
            let exists = hash.is_some();
            let hash = hash.as_deref().unwrap_or(NOBODYS_HASH);
            let parsed = PasswordHash::new(hash).map_err(hash_error)?;
            Ok(argon2.verify_password(password.as_bytes(), &parsed).is_ok() && exists)
        })
        .await
    }

    async fn run<T, F>(&self, work: F) -> Result<T, PasswordError>
    where
        T: Send + 'static,
        F: FnOnce(&Argon2<'static>) -> Result<T, PasswordError> + Send + 'static,
    {
        let turn = self.take_turn().await?;
        let argon2 = self.argon2.clone();
        let finished = tokio::task::spawn_blocking(move || {
            // Held until the work ends: a caller that goes away does not stop it, so it must still count.
            let _turn = turn;
            work(&argon2)
        });
        finished.await.map_err(hash_error)?
    }

    async fn take_turn(&self) -> Result<Turn, PasswordError> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(hash_error)?;
        Ok(Turn { _running: running, _admitted: admitted })
    }
}

struct Turn {
    _running: OwnedSemaphorePermit,
    _admitted: OwnedSemaphorePermit,
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn hash_error(error: impl ToString) -> PasswordError {
    PasswordError::Hash(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher(concurrent_max: usize, queue_max: usize) -> PasswordHasher {
        PasswordHasher::new(PasswordLimits { concurrent_max, queue_max }).unwrap()
    }

    #[tokio::test]
    async fn a_hash_admits_its_password_and_no_other() {
        let hasher = hasher(1, 8);
        let hash = hasher.hash("correct horse".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(hasher.verify("correct horse".to_owned(), Some(hash.clone())).await.unwrap());
        assert!(!hasher.verify("correct horsE".to_owned(), Some(hash)).await.unwrap());
    }

    #[tokio::test]
    async fn two_hashes_of_one_password_differ() {
        let hasher = hasher(1, 8);
        let first = hasher.hash("correct horse".to_owned()).await.unwrap();
        assert_ne!(first, hasher.hash("correct horse".to_owned()).await.unwrap());
    }

    #[tokio::test]
    async fn nobodys_hash_is_compared_with_the_same_parameters_and_never_admits() {
        let parsed = PasswordHash::new(NOBODYS_HASH).unwrap();
        assert_eq!(parsed.params.to_string(), "m=19456,t=2,p=1");
        assert!(!hasher(1, 8).verify("anything".to_owned(), None).await.unwrap());
    }

    #[tokio::test]
    async fn a_hash_that_does_not_parse_is_an_error_and_not_a_mismatch() {
        let outcome = hasher(1, 8).verify("anything".to_owned(), Some("plain text".to_owned())).await;
        assert!(matches!(outcome, Err(PasswordError::Hash(_))));
    }

    #[tokio::test]
    async fn beyond_the_queue_the_caller_is_told_that_it_is_full() {
        let hasher = hasher(1, 0);
        let turn = hasher.take_turn().await.unwrap();
        assert!(matches!(hasher.hash("correct horse".to_owned()).await, Err(PasswordError::Busy)));
        drop(turn);
        assert!(hasher.hash("correct horse".to_owned()).await.is_ok());
    }
}
