//! The server's secret and what is derived from it.
//!
//! One secret of 32 bytes; each use has a key of its own by HKDF-SHA-256 (RFC 5869), so that a MAC
//! made for one purpose proves nothing for another. Losing the secret breaks every link already sent
//! and every suppression: it belongs in the backup, beside the database.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use aes::Aes256;
use data_encoding::HEXLOWER;
use fpe::ff1::{FF1, FlexibleNumeralString};
use ring::rand::SecureRandom;
use ring::{hkdf, hmac};

/// Why the secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error(
        "cannot read or write the secret file {path}: {cause}; check that the data folder is writable"
    )]
    File { path: String, cause: std::io::Error },
    #[error(
        "the secret file {path} does not hold 64 hexadecimal digits; restore it from your backup"
    )]
    Malformed { path: String },
    #[error("the system gave no random bytes")]
    NoRandom,
}

/// What a MAC is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Links in messages.
    Link,
    /// The return path (VERP).
    ReturnPath,
    /// The Message-ID, so that it cannot be guessed.
    MessageId,
    /// Links that confirm what a person asked for.
    Confirmation,
    /// Links to the preference centre, and what its form was shown with.
    Preferences,
    /// What a browser carries from one step of signing in to the next.
    SignIn,
    /// Where a list of the API goes on.
    Cursor,
}

/// Bytes of a MAC: HMAC-SHA-256 cut to 128 bits (RFC 2104 section 5).
pub const MAC_BYTES: usize = 16;

/// The derived keys.
#[derive(Clone)]
pub struct Keys {
    link: hmac::Key,
    return_path: hmac::Key,
    message_id: hmac::Key,
    confirmation: hmac::Key,
    preferences: hmac::Key,
    sign_in: hmac::Key,
    second_factor: hmac::Key,
    cursor: hmac::Key,
    fingerprint: hmac::Key,
    evidence: hmac::Key,
    webhooks: hmac::Key,
    /// `None` never: FF1 knows every radix from 2 to 65 536.
    short_codes: Option<Arc<FF1<Aes256>>>,
    /// As above.
    coupons: Option<Arc<FF1<Aes256>>>,
}

/// Digits of a short code are of this radix.
pub const SHORT_CODE_RADIX: u16 = 62;
/// Digits of a coupon are of this radix.
pub const COUPON_RADIX: u16 = 32;

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

impl Keys {
    /// Derives the keys from a secret.
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"visavis").extract(secret);
        let key = |info: &str| -> hmac::Key {
            let info = [info.as_bytes()];
            match prk.expand(&info, hmac::HMAC_SHA256) {
                Ok(okm) => hmac::Key::from(okm),
                // Unreachable: HKDF fails only for more than 255 blocks, and this asks for one.
                Err(ring::error::Unspecified) => hmac::Key::new(hmac::HMAC_SHA256, secret),
            }
        };
        Self {
            link: key("link"),
            return_path: key("return path"),
            message_id: key("message id"),
            confirmation: key("confirmation"),
            preferences: key("preferences"),
            sign_in: key("sign-in"),
            second_factor: key("second factor"),
            cursor: key("cursor"),
            fingerprint: key("fingerprint"),
            evidence: key("evidence"),
            webhooks: key("webhooks"),
            short_codes: cipher(&prk, "short codes", SHORT_CODE_RADIX),
            coupons: cipher(&prk, "coupons", COUPON_RADIX),
        }
    }

    /// Reads the secret from `path`, or makes one there (readable by its owner only).
    ///
    /// # Errors
    /// When the file cannot be read, written or understood.
    pub fn load_or_create(path: &Path) -> Result<Self, KeysError> {
        let name = path.display().to_string();
        let file = |cause| KeysError::File {
            path: name.clone(),
            cause,
        };
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let bytes = HEXLOWER
                    .decode(text.trim().as_bytes())
                    .ok()
                    .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
                    .ok_or(KeysError::Malformed { path: name.clone() })?;
                Ok(Self::from_secret(&bytes))
            }
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                let mut secret = [0_u8; 32];
                ring::rand::SystemRandom::new()
                    .fill(&mut secret)
                    .map_err(|ring::error::Unspecified| KeysError::NoRandom)?;
                match write_private(path, &HEXLOWER.encode(&secret)) {
                    Ok(()) => Ok(Self::from_secret(&secret)),
                    // Another process was first: its secret is the one.
                    Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => {
                        Self::load_or_create(path)
                    }
                    Err(cause) => Err(file(cause)),
                }
            }
            Err(cause) => Err(file(cause)),
        }
    }

    /// The MAC of `message` for `purpose`.
    pub fn mac(&self, purpose: Purpose, message: &[u8]) -> [u8; MAC_BYTES] {
        let tag = hmac::sign(self.key(purpose), message);
        let mut mac = [0_u8; MAC_BYTES];
        for (to, from) in mac.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        mac
    }

    /// Whether `mac` is the (possibly further truncated) MAC of `message`, compared in constant time.
    pub fn is_authentic(&self, purpose: Purpose, message: &[u8], mac: &[u8]) -> bool {
        let expected = self.mac(purpose, message);
        let Some(expected) = expected.get(..mac.len()) else {
            return false;
        };
        // At least 40 bits: the shortest we emit (return path).
        mac.len() >= 5 && is_equal_in_constant_time(expected, mac)
    }

    /// The keyed fingerprint of a normalised address, 64 hexadecimal digits (RULES: HMAC-SHA-256, since
    /// a plain hash of an address can be guessed).
    pub fn fingerprint(&self, normalised: &str) -> String {
        HEXLOWER.encode(hmac::sign(&self.fingerprint, normalised.as_bytes()).as_ref())
    }

    /// Names the key of fingerprints, 8 hexadecimal digits: fingerprints under another mean nothing here.
    pub fn fingerprint_key_id(&self) -> String {
        // No normalised address has a line break.
        let mut id = self.fingerprint("\nkey id\n");
        id.truncate(8);
        id
    }

    /// The link of the evidence chain that follows `previous`, 64 hexadecimal digits: HMAC-SHA-256 of the
    /// previous link and the evidence. Keyed, so that who can only write the database cannot forge it.
    pub fn evidence_link(&self, previous: &str, evidence: &str) -> String {
        let mut context = hmac::Context::with_key(&self.evidence);
        context.update(previous.as_bytes());
        context.update(evidence.as_bytes());
        HEXLOWER.encode(context.sign().as_ref())
    }

    /// The secret that a user's telephone makes codes of, 20 bytes (RFC 4226 section 4 asks for 16 at least): derived,
    /// so that no copy of the database holds it.
    pub fn second_factor(&self, user: i64, salt: &str) -> [u8; 20] {
        let tag = hmac::sign(&self.second_factor, format!("{user}.{salt}").as_bytes());
        let mut secret = [0_u8; 20];
        for (to, from) in secret.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        secret
    }

    /// The secret of a generation of an endpoint of webhooks, 32 bytes: derived, so that no copy of the database
    /// holds it.
    pub fn webhook_secret(&self, salt: &str, generation: i64) -> [u8; 32] {
        let tag = hmac::sign(&self.webhooks, format!("{salt}.{generation}").as_bytes());
        let mut secret = [0_u8; 32];
        for (to, from) in secret.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        secret
    }

    /// The digits of a short code, enciphered: FF1 (NIST SP 800-38G) over AES-256, as many digits as came;
    /// `None` for fewer than 4 or one that is none of the radix.
    pub fn encipher_digits(&self, digits: Vec<u16>) -> Option<Vec<u16>> {
        let cipher = self.short_codes.as_ref()?;
        let digits = FlexibleNumeralString::from(digits);
        cipher.encrypt(&[], &digits).ok().map(Vec::from)
    }

    /// Undoes [`Keys::encipher_digits`].
    pub fn decipher_digits(&self, digits: Vec<u16>) -> Option<Vec<u16>> {
        let cipher = self.short_codes.as_ref()?;
        let digits = FlexibleNumeralString::from(digits);
        cipher.decrypt(&[], &digits).ok().map(Vec::from)
    }

    /// The digits of a coupon, enciphered as those of a short code are, under a key of their own.
    pub fn encipher_coupon(&self, digits: Vec<u16>) -> Option<Vec<u16>> {
        let digits = FlexibleNumeralString::from(digits);
        let cipher = self.coupons.as_ref()?;
        cipher.encrypt(&[], &digits).ok().map(Vec::from)
    }

    /// Undoes [`Keys::encipher_coupon`].
    pub fn decipher_coupon(&self, digits: Vec<u16>) -> Option<Vec<u16>> {
        let digits = FlexibleNumeralString::from(digits);
        let cipher = self.coupons.as_ref()?;
        cipher.decrypt(&[], &digits).ok().map(Vec::from)
    }

    fn key(&self, purpose: Purpose) -> &hmac::Key {
        match purpose {
            Purpose::Link => &self.link,
            Purpose::ReturnPath => &self.return_path,
            Purpose::MessageId => &self.message_id,
            Purpose::Confirmation => &self.confirmation,
            Purpose::Preferences => &self.preferences,
            Purpose::SignIn => &self.sign_in,
            Purpose::Cursor => &self.cursor,
        }
    }
}

/// A permutation of texts of digits of this radix, under the key derived for `name`.
fn cipher(prk: &hkdf::Prk, name: &str, radix: u16) -> Option<Arc<FF1<Aes256>>> {
    let info = [name.as_bytes()];
    let okm = prk.expand(&info, hmac::HMAC_SHA256).ok()?;
    let mut key = [0_u8; 32];
    okm.fill(&mut key).ok()?;
    FF1::new(&key, radix.into()).ok().map(Arc::new)
}

/// Equality whose time does not depend on where the first difference is.
fn is_equal_in_constant_time(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0_u8, |acc, (x, y)| acc | (x ^ y)) == 0
}

/// Writes a new file that only its owner may read, to the disk.
pub(crate) fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
