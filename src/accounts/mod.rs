//! Who works here and who may do what: users, sign-in, sessions, tokens of programs, and the audit log.
//!
//! Promise: a password is kept as argon2id only; a session, a link and a token are kept as digests, so that who
//! reads the database can use none; a link works once; whoever guesses passwords is slowed down on every node, and
//! locks nobody out where he usually signs in; what was changed in the console or by a program stands in the audit
//! log, with accounts and campaigns in the transaction that changed it.

pub mod audit;
pub mod authority;
pub mod links;
pub mod model;
mod networks;
pub mod oidc;
pub mod passwords;
pub mod sessions;
pub mod sign_in;
mod store;
pub mod tickets;
pub mod tokens;
pub mod totp;
pub mod two_factors;
pub mod users;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ring::digest::{SHA256, digest};
use ring::rand::SecureRandom as _;

/// Why something with an account could not be done.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error("this is no mail address; write it like anne@example.com")]
    Email,
    #[error("the name is missing")]
    Name,
    #[error(
        "a password has {0} to {1} characters; three or four words that do not belong together are a good one",
        passwords::SHORTEST,
        passwords::LONGEST
    )]
    Password,
    #[error("there is a user with this address already")]
    Taken,
    #[error("there is no such user; `visavis user list` shows who there is")]
    NoSuchUser,
    #[error("this is the only administrator; make another one first")]
    LastAdministrator,
    #[error(
        "this link was used or has expired; ask an administrator for a new one (`visavis user link ADDRESS`)"
    )]
    Link,
    #[error(
        "this code is not the one of now, or was used; wait for the next one, or take a recovery code"
    )]
    Code,
    #[error("a token has a name of 1 to 60 letters, digits, spaces, - or _")]
    TokenName,
    #[error("there is a token of this name already; take another, also when it was revoked")]
    TokenTaken,
    #[error("a token that may do nothing is of no use; choose what it may do")]
    NoScope,
    #[error("there is no such token, or it was revoked already")]
    NoSuchToken,
    #[error("there is no such session, or it has ended")]
    NoSuchSession,
    #[error("the system gave no random bytes")]
    NoRandom,
    #[error("the password could not be read or written: {0}")]
    Hash(String),
    #[error("the database failed: {0}")]
    Database(#[from] sea_orm::DbErr),
}

/// 256 random bits in 43 characters that may stand in a URL.
pub(crate) fn random_token() -> Result<String, AccountError> {
    let mut bytes = [0_u8; 32];
    ring::rand::SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|ring::error::Unspecified| AccountError::NoRandom)?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

/// What is kept of a token: SHA-256 in hexadecimal. It is random, so that no salt is needed.
pub fn digest_of(token: &str) -> String {
    HEXLOWER.encode(digest(&SHA256, token.as_bytes()).as_ref())
}
