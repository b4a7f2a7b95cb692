//! Passwords: argon2id with the parameters of OWASP's Password Storage Cheat Sheet (19 MiB, 2 passes, 1 lane).

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use super::AccountError;

/// Characters of a password, at least (NIST SP 800-63B asks for length and nothing else).
pub const SHORTEST: usize = 12;
/// Characters of a password, at most: what is hashed is bounded.
pub const LONGEST: usize = 256;

/// Hashes that are computed at once: each takes 19 MiB and a core, and mail must still go out.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

/// The hash of `nothing at all`, against which an unknown user's password is checked, so that it takes as long.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Whether a password may be one.
pub fn is_allowed(password: &str) -> bool {
    (SHORTEST..=LONGEST).contains(&password.chars().count())
}

/// The hash of a password, in the notation that names its parameters.
///
/// # Errors
/// When it is too short or too long, or chance is away.
pub async fn hash(password: &str) -> Result<String, AccountError> {
    if !is_allowed(password) {
        return Err(AccountError::Password);
    }
    let password = password.to_owned();
    off_the_loop(move || {
        Argon2::default()
            .hash_password(password.as_bytes())
            .map(|hash| hash.to_string())
            .map_err(|error| AccountError::Hash(error.to_string()))
    })
    .await
}

/// Whether a password is the one of a hash; without a hash it is none, after the same work.
///
/// # Errors
/// When the hash cannot be read.
pub async fn is_right(password: &str, hash: Option<&str>) -> Result<bool, AccountError> {
    if password.chars().count() > LONGEST {
        return Ok(false);
    }
    let password = password.to_owned();
    let is_known = hash.is_some();
    let hash = hash.unwrap_or(NOBODY).to_owned();
    off_the_loop(move || {
        let parsed =
            PasswordHash::new(&hash).map_err(|error| AccountError::Hash(error.to_string()))?;
        let fits = Argon2::default()
            .verify_password(password.as_bytes(), &parsed)
            .is_ok();
        Ok(fits && is_known)
    })
    .await
}

async fn off_the_loop<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AccountError> + Send + 'static,
) -> Result<T, AccountError> {
    let permit = AT_ONCE
        .acquire()
        .await
        .map_err(|error| AccountError::Hash(error.to_string()))?;
    let done = tokio::task::spawn_blocking(work).await;
    drop(permit);
    done.map_err(|error| AccountError::Hash(error.to_string()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_hash_alone() {
        let hash = super::hash("pans and pots and lids")
            .await
            .expect("it is long enough");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        for (password, hash, fits) in [
            ("pans and pots and lids", Some(hash.as_str()), true),
            ("pans and pots and lid", Some(hash.as_str()), false),
            ("pans and pots and lids", None, false),
        ] {
            assert_eq!(is_right(password, hash).await.expect("it is read"), fits);
        }
    }

    #[tokio::test]
    async fn what_is_too_short_or_long_is_none() {
        for password in ["short", &"x".repeat(LONGEST + 1)] {
            assert!(matches!(hash(password).await, Err(AccountError::Password)));
        }
    }
}
