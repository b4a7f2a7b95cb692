//! DKIM signatures (RFC 6376, RFC 8463), over the final bytes and last of all.

use std::fmt;

use data_encoding::BASE64;
use mail_auth::common::crypto::{DkimKey, Ed25519Key, RsaKey, Sha256, SigningKey};
use mail_auth::common::headers::{HeaderWriter, Writable, Writer};
use mail_auth::dkim::canonicalize::CanonicalHeaders;
use mail_auth::dkim::{Canonicalization, Signature};
use ring::digest;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use super::mime::ComposeError;
use crate::config::{ConfigError, DkimKeyKind, DkimSettings};

/// What is signed: all that a receiver acts on. RFC 8058 section 4 wants both unsubscribe headers, Gmail
/// wants Feedback-ID.
const SIGNED: [&str; 12] = [
    "From",
    "Subject",
    "Date",
    "To",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Reply-To",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Id",
    "Feedback-ID",
];

/// Signed once more than they occur, so that a second one cannot be added (RFC 6376 section 8.15).
const SIGNED_AS_ABSENT: [&str; 6] = [
    "From",
    "Subject",
    "To",
    "Content-Type",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
];

/// Why a key cannot sign; `record` is the DNS name of its public half.
#[derive(Debug, thiserror::Error)]
pub enum DkimError {
    #[error("[[email.dkim]] {record}: {cause}")]
    Key {
        record: String,
        cause: Box<ConfigError>,
    },
    #[error(
        "[[email.dkim]] {record}: the key is not {expected}: {cause}; make one with: {command}"
    )]
    Malformed {
        record: String,
        expected: &'static str,
        cause: String,
        command: &'static str,
    },
}

/// One signature that every message carries.
pub(super) struct DkimSigner {
    key: DkimKey,
    template: Signature,
    /// The DNS record of the public half.
    published: String,
}

impl fmt::Debug for DkimSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DkimSigner({})", self.record())
    }
}

impl DkimSigner {
    /// Reads the key.
    ///
    /// # Errors
    /// When there is none, or it is not of the kind that is said.
    pub fn new(settings: &DkimSettings) -> Result<Self, DkimError> {
        let record = record(&settings.selector, &settings.domain);
        let secret = settings.private_key().map_err(|cause| DkimError::Key {
            record: record.clone(),
            cause: Box::new(cause),
        })?;
        let (expected, command) = match settings.kind {
            DkimKeyKind::Rsa => (
                "a PEM of an RSA private key (PKCS#8 or PKCS#1)",
                "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048",
            ),
            DkimKeyKind::Ed25519 => (
                "a PEM of an Ed25519 private key (PKCS#8)",
                "openssl genpkey -algorithm ed25519",
            ),
        };
        let malformed = |cause: String| DkimError::Malformed {
            record: record.clone(),
            expected,
            cause,
            command,
        };
        let der = PrivateKeyDer::from_pem_slice(secret.expose().as_bytes())
            .map_err(|cause| malformed(cause.to_string()))?;
        let (key, published) = match settings.kind {
            DkimKeyKind::Rsa => RsaKey::<Sha256>::from_key_der(der).map(|key| {
                let public = subject_public_key_info(&key.public_key());
                (DkimKey::Rsa(key), record_text("rsa", &public))
            }),
            DkimKeyKind::Ed25519 => match der {
                // OpenSSL writes version 1, which holds no public key to check against.
                PrivateKeyDer::Pkcs8(der) => {
                    Ed25519Key::from_pkcs8_maybe_unchecked_der(der.secret_pkcs8_der()).map(|key| {
                        let published = record_text("ed25519", &key.public_key());
                        (DkimKey::Ed25519(key), published)
                    })
                }
                _ => return Err(malformed("it is not PKCS#8".to_owned())),
            },
        }
        .map_err(|cause| malformed(cause.to_string()))?;
        let template = Signature {
            v: 1,
            a: key.algorithm(),
            d: settings.domain.clone(),
            s: settings.selector.clone(),
            ch: Canonicalization::Relaxed,
            cb: Canonicalization::Relaxed,
            ..Signature::default()
        };
        Ok(Self {
            key,
            template,
            published,
        })
    }

    /// What must stand in the record: the public key (RFC 6376 section 3.6.1, RFC 8463 section 4).
    pub fn published(&self) -> String {
        self.published.clone()
    }

    /// The name of the DNS record that must hold the public key.
    pub fn record(&self) -> String {
        record(&self.template.s, &self.template.d)
    }

    /// The header field that signs `raw` as of `at` (milliseconds since the epoch).
    ///
    /// # Errors
    /// When the key fails, which no message can cause.
    fn sign(&self, raw: &Message<'_>, at: i64) -> Result<String, ComposeError> {
        let mut signed = raw.headers.clone();
        signed.retain(|(name, _)| is_signed(name));
        let names = |fields: &[(&[u8], &[u8])]| {
            // Fields are hashed from the last to the first, and h= must say so.
            let present = fields.iter().rev().map(|(name, _)| *name);
            present
                .chain(SIGNED_AS_ABSENT.iter().map(|name| name.as_bytes()))
                .map(|name| String::from_utf8_lossy(name).into_owned())
                .collect()
        };
        let mut signature = self.template.clone();
        signature.t = u64::try_from(at / 1000).unwrap_or_default();
        signature.h = names(&signed);
        signature.bh = body_hash(raw.body);
        signature.b = self
            .key
            .sign(Signable {
                headers: Canonicalization::Relaxed.canonical_headers(signed),
                signature: &signature,
            })
            .map_err(|_cause: mail_auth::Error| ComposeError::Signature)?;
        Ok(signature.to_header())
    }
}

/// SHA-256 of the body in relaxed form (RFC 6376 section 3.4.4): runs of white space are one space, none at the
/// end of a line, no empty lines at the end. Line by line, since nearly all lines are in that form
/// already, which is many times faster than byte by byte.
fn body_hash(body: &[u8]) -> Vec<u8> {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut empty_lines = 0;
    let mut rest = body;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let (line, after) = rest.split_at(end);
        rest = after;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let end = line
            .iter()
            .rposition(|byte| !is_space(*byte))
            .map_or(0, |at| at + 1);
        let (line, _) = line.split_at(end);
        if line.is_empty() {
            empty_lines += 1;
            continue;
        }
        for _ in 0..std::mem::take(&mut empty_lines) {
            context.update(b"\r\n");
        }
        let is_relaxed = !line.contains(&b'\t') && memchr::memmem::find(line, b"  ").is_none();
        if is_relaxed {
            context.update(line);
        } else {
            update_reduced(&mut context, line);
        }
        context.update(b"\r\n");
    }
    context.finish().as_ref().to_vec()
}

/// A line with its runs of white space as one space each.
fn update_reduced(context: &mut digest::Context, line: &[u8]) {
    let words = line.split(|byte| is_space(*byte));
    let mut is_first = true;
    for (at, word) in words.enumerate() {
        if word.is_empty() && at > 0 {
            continue;
        }
        if !is_first {
            context.update(b" ");
        }
        is_first = false;
        context.update(word);
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Puts the signatures before the message.
///
/// # Errors
/// When a key fails, which no message can cause.
pub(super) fn sign(signers: &[DkimSigner], raw: Vec<u8>, at: i64) -> Result<Vec<u8>, ComposeError> {
    if signers.is_empty() {
        return Ok(raw);
    }
    let message = Message::split(&raw);
    let mut signed = Vec::with_capacity(raw.len() + 1024 * signers.len());
    for signer in signers {
        signed.extend_from_slice(signer.sign(&message, at)?.as_bytes());
    }
    signed.extend_from_slice(&raw);
    Ok(signed)
}

fn record_text(kind: &str, public: &[u8]) -> String {
    format!("v=DKIM1; k={kind}; p={}", BASE64.encode(public))
}

/// An RSA key (PKCS #1) with its algorithm before it (RFC 5280 section 4.1.2.7), as it is published everywhere
/// (RFC 6376 erratum 3017).
fn subject_public_key_info(key: &[u8]) -> Vec<u8> {
    /// rsaEncryption without parameters, DER.
    const ALGORITHM: [u8; 15] = [
        0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
    ];
    let bits = [&[0], key].concat();
    let body = [&ALGORITHM[..], &der(0x03, &bits)].concat();
    der(0x30, &body)
}

/// A DER element: tag, length, content.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let digits: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut out = vec![tag];
    match digits.as_slice() {
        [] => out.push(0),
        [short] if *short < 0x80 => out.push(*short),
        long => {
            // At most 8 of them.
            out.push(0x80 | u8::try_from(long.len()).unwrap_or(8));
            out.extend_from_slice(long);
        }
    }
    out.extend_from_slice(content);
    out
}

/// Where the public key stands in DNS (RFC 6376 section 3.6.2.1).
fn record(selector: &str, domain: &str) -> String {
    format!("{selector}._domainkey.{domain}")
}

fn is_signed(name: &[u8]) -> bool {
    SIGNED
        .iter()
        .any(|signed| signed.as_bytes().eq_ignore_ascii_case(name))
}

/// What the signature is over: the canonical headers and its own field without `b=`.
struct Signable<'a> {
    headers: CanonicalHeaders<'a>,
    signature: &'a Signature,
}

impl Writable for Signable<'_> {
    fn write(self, writer: &mut impl Writer) {
        self.headers.write(writer);
        self.signature.write(writer, false);
    }
}

/// A message taken apart: fields as name and value (with its folding and line end), and the body.
struct Message<'a> {
    headers: Vec<(&'a [u8], &'a [u8])>,
    body: &'a [u8],
}

impl<'a> Message<'a> {
    fn split(raw: &'a [u8]) -> Self {
        let mut headers = Vec::with_capacity(20);
        let mut rest = raw;
        while let Some(end) = field_end(rest) {
            let (field, after) = rest.split_at(end);
            rest = after;
            if field == b"\r\n" {
                break;
            }
            if let Some(colon) = field.iter().position(|byte| *byte == b':') {
                let (name, value) = field.split_at(colon);
                headers.push((name, value.strip_prefix(b":").unwrap_or(value)));
            }
        }
        Self {
            headers,
            body: rest,
        }
    }
}

/// Where the first field ends: after a CRLF that no space follows.
fn field_end(raw: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let rest = raw.get(from..)?;
        let end = from + rest.iter().position(|byte| *byte == b'\n')? + 1;
        let is_folded = end > 2 && matches!(raw.get(end), Some(b' ' | b'\t'));
        if !is_folded {
            return Some(end);
        }
        from = end;
    }
}

#[cfg(test)]
#[path = "dkim_tests.rs"]
mod tests;
