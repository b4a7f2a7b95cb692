//! The second factor: a code of one's telephone, or one of ten recovery codes that work once each.

use data_encoding::BASE32_NOPAD;
use ring::rand::SecureRandom as _;

use super::model::{User, UserId};
use super::totp::Secret;
use super::{AccountError, audit, digest_of, random_token, store};
use crate::keys::Keys;
use crate::storage::{Db, Txn};

/// Recovery codes that are given out.
const CODES: usize = 10;
/// Random bytes of one: 80 bits, so that its digest needs no salt.
const CODE_BYTES: usize = 10;

/// Characters of a random token.
const TOKEN_LENGTH: usize = 43;

/// What a telephone is to be shown before the second factor is on.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// Comes back with the first code.
    pub salt: String,
    pub secret: Secret,
}

/// Begins to turn the second factor on; nothing is kept until [`turn_on`].
///
/// # Errors
/// When chance is away.
pub fn begin(keys: &Keys, user: UserId) -> Result<Enrolment, AccountError> {
    Ok(of_salt(keys, user, random_token()?))
}

/// An enrolment that was begun before.
pub fn of_salt(keys: &Keys, user: UserId, salt: String) -> Enrolment {
    let secret = Secret::new(keys.second_factor(user.0, &salt));
    Enrolment { salt, secret }
}

/// Turns the second factor on with the first code of the telephone; returns the recovery codes, which are not
/// kept.
///
/// # Errors
/// [`AccountError::Code`] when the code is not the one of now.
pub async fn turn_on(
    txn: &Txn,
    user: UserId,
    enrolment: &Enrolment,
    code: &str,
    actor: &str,
    now_ms: i64,
) -> Result<Vec<String>, AccountError> {
    // One of [`begin`]'s, not what a form made up.
    let is_ours = enrolment.salt.len() == TOKEN_LENGTH;
    let step = enrolment
        .secret
        .step_of(code, None, now_ms)
        .filter(|_| is_ours)
        .ok_or(AccountError::Code)?;
    store::set_second_factor(txn, user, Some((&enrolment.salt, step))).await?;
    let codes = renew(txn, user).await?;
    let id = user.to_string();
    audit::note(&**txn, actor, "user.two_factors.on", &id, "", now_ms).await?;
    Ok(codes)
}

/// Turns the second factor off; its recovery codes go with it.
///
/// # Errors
/// When the database is away.
pub async fn turn_off(
    txn: &Txn,
    user: UserId,
    actor: &str,
    now_ms: i64,
) -> Result<(), AccountError> {
    store::set_second_factor(txn, user, None).await?;
    store::set_recovery_codes(txn, user, &[]).await?;
    let id = user.to_string();
    audit::note(&**txn, actor, "user.two_factors.off", &id, "", now_ms).await?;
    Ok(())
}

/// New recovery codes; the earlier ones end.
///
/// # Errors
/// When the database or chance is away.
pub async fn renew_codes(
    txn: &Txn,
    user: UserId,
    actor: &str,
    now_ms: i64,
) -> Result<Vec<String>, AccountError> {
    let codes = renew(txn, user).await?;
    let id = user.to_string();
    audit::note(&**txn, actor, "user.recovery_codes", &id, "", now_ms).await?;
    Ok(codes)
}

async fn renew(txn: &Txn, user: UserId) -> Result<Vec<String>, AccountError> {
    let mut codes = Vec::with_capacity(CODES);
    for _ in 0..CODES {
        let mut bytes = [0_u8; CODE_BYTES];
        ring::rand::SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|ring::error::Unspecified| AccountError::NoRandom)?;
        codes.push(in_groups(&BASE32_NOPAD.encode(&bytes).to_lowercase()));
    }
    let digests: Vec<String> = codes.iter().map(|code| digest_of(&plain(code))).collect();
    store::set_recovery_codes(txn, user, &digests).await?;
    Ok(codes)
}

/// How many recovery codes are left.
///
/// # Errors
/// When the database is away.
pub async fn codes_left(db: &Db, user: UserId) -> Result<i64, AccountError> {
    Ok(store::recovery_codes(db, user).await?)
}

/// Takes a code of the telephone, or a recovery code; either works once, also when it comes twice at the same
/// time. To be asked after [`super::sign_in::try_code`].
///
/// # Errors
/// [`AccountError::Code`] when it is none, or was used.
pub async fn take(
    txn: &Txn,
    keys: &Keys,
    user: &User,
    code: &str,
    now_ms: i64,
) -> Result<(), AccountError> {
    let Some((salt, taken)) = store::lock_second_factor(txn, user.id).await? else {
        return Err(AccountError::Code);
    };
    let secret = of_salt(keys, user.id, salt).secret;
    if let Some(step) = secret.step_of(code, taken, now_ms) {
        store::set_taken_step(txn, user.id, step).await?;
        return Ok(());
    }
    if store::take_recovery_code(txn, user.id, &digest_of(&plain(code))).await? {
        let actor = format!("user {} {}", user.id, user.name);
        let id = user.id.to_string();
        audit::note(&**txn, &actor, "user.recovery_code.used", &id, "", now_ms).await?;
        return Ok(());
    }
    Err(AccountError::Code)
}

/// `abcdefghijklmnop` as `abcd-efgh-ijkl-mnop`, which is easier to copy by hand.
fn in_groups(code: &str) -> String {
    let letters: Vec<char> = code.chars().collect();
    let groups: Vec<String> = letters
        .chunks(4)
        .map(|group| group.iter().collect())
        .collect();
    groups.join("-")
}

/// A recovery code as it is kept, however it was typed.
fn plain(code: &str) -> String {
    let letters = code.chars().filter(char::is_ascii_alphanumeric);
    letters.collect::<String>().to_lowercase()
}
