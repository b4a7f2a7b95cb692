//! Amazon SNS: the envelope in which Amazon SES posts, and what proves it.
//!
//! Amazon signs a text made of the envelope's fields with RSA, and names the address of the certificate in the
//! envelope itself. So the address is believed only on a host that Amazon alone can have, and what it serves
//! came over TLS from there; the certificate is not traced to a root, since Amazon serves it without the links
//! between ("Verifying the signatures of Amazon SNS messages", Amazon SNS developer guide).

use std::time::Duration;

use data_encoding::BASE64;
use reqwest::Url;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RsaParameters,
    UnparsedPublicKey,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm,
    UnixTime, alg_id,
};
use serde::Deserialize;
use webpki::{EndEntityCert, KeyUsage};

use super::fields::{is_timely, moment};
use super::model::PostError;

/// A message of SNS, its signature not yet verified.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Envelope {
    #[serde(rename = "Type")]
    kind: String,
    message_id: String,
    topic_arn: String,
    #[serde(default)]
    subject: Option<String>,
    message: String,
    timestamp: String,
    signature_version: String,
    signature: String,
    #[serde(rename = "SigningCertURL", alias = "SigningCertUrl")]
    signing_cert_url: String,
    #[serde(rename = "SubscribeURL", alias = "SubscribeUrl", default)]
    subscribe_url: Option<String>,
    #[serde(default)]
    token: Option<String>,
}

/// What a proven envelope holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A message to the topic, as its sender wrote it.
    Notification(String),
    /// The topic asks whether we want its messages; asking for this address says yes.
    Confirm(Url),
    /// The topic posts to us no more.
    Ended,
}

/// The header of a delivery without envelope, and so without signature.
const RAW: &str = "x-amz-sns-rawdelivery";

impl Envelope {
    /// Reads an envelope, as far as it is worth fetching a certificate for: of a topic that may post, of now,
    /// with a certificate at Amazon.
    ///
    /// # Errors
    /// When it is none of these.
    pub(super) fn read(
        post: &super::Post<'_>,
        topics: &[String],
    ) -> Result<(Self, Url), PostError> {
        if post.header(RAW).is_some_and(|raw| raw == "true") {
            return Err(PostError::Unsigned(
                "the subscription has raw message delivery; turn it off, since a raw message carries no signature",
            ));
        }
        // An envelope that cannot be read proves nothing.
        let envelope: Self =
            serde_json::from_slice(post.body).map_err(|_unreadable| PostError::Forged)?;
        let is_ours = topics.contains(&envelope.topic_arn);
        let is_of_now = moment(&envelope.timestamp).is_some_and(|at| is_timely(at, post.now_ms));
        let certificate = amazon(&envelope.signing_cert_url)
            .filter(|url| url.path().ends_with(".pem") && url.query().is_none());
        match certificate {
            Some(url) if is_ours && is_of_now => Ok((envelope, url)),
            _ => Err(PostError::Forged),
        }
    }

    /// Verifies the signature by the certificate (PEM) and opens the envelope.
    ///
    /// # Errors
    /// [`PostError::Forged`] when certificate or signature is not right, or when it asks for a confirmation
    /// anywhere but at Amazon.
    pub fn open(self, certificate: &[u8], now_ms: i64) -> Result<Content, PostError> {
        let algorithm: &dyn SignatureVerificationAlgorithm = match self.signature_version.as_str() {
            "1" => &RSA_SHA1,
            "2" => &RSA_SHA256,
            _ => return Err(PostError::Forged),
        };
        let text = self.signed_text().ok_or(PostError::Forged)?;
        let signature = BASE64
            .decode(self.signature.as_bytes())
            .map_err(|_unreadable| PostError::Forged)?;
        let der =
            CertificateDer::from_pem_slice(certificate).map_err(|_unreadable| PostError::Forged)?;
        let signer = EndEntityCert::try_from(&der).map_err(|_unreadable| PostError::Forged)?;
        if !is_valid(&signer, now_ms) {
            return Err(PostError::Forged);
        }
        signer
            .verify_signature(algorithm, text.as_bytes(), &signature)
            .map_err(|_wrong| PostError::Forged)?;
        match self.kind.as_str() {
            "Notification" => Ok(Content::Notification(self.message)),
            "SubscriptionConfirmation" => self
                .subscribe_url
                .as_deref()
                .and_then(amazon)
                .map(Content::Confirm)
                .ok_or(PostError::Forged),
            _ => Ok(Content::Ended),
        }
    }

    /// What is signed: fields in the order of the alphabet, each name and each value on a line of its own.
    /// `None` for a kind that does not exist or lacks a field.
    fn signed_text(&self) -> Option<String> {
        let mut fields: Vec<(&str, &str)> =
            vec![("Message", &self.message), ("MessageId", &self.message_id)];
        match self.kind.as_str() {
            "Notification" => {
                if let Some(subject) = &self.subject {
                    fields.push(("Subject", subject));
                }
                fields.push(("Timestamp", &self.timestamp));
            }
            "SubscriptionConfirmation" | "UnsubscribeConfirmation" => {
                fields.push(("SubscribeURL", self.subscribe_url.as_deref()?));
                fields.push(("Timestamp", &self.timestamp));
                fields.push(("Token", self.token.as_deref()?));
            }
            _ => return None,
        }
        fields.push(("TopicArn", &self.topic_arn));
        fields.push(("Type", &self.kind));
        let lines = fields
            .into_iter()
            .map(|(name, value)| format!("{name}\n{value}\n"));
        Some(lines.collect())
    }
}

/// Whether these bytes are a certificate in PEM.
pub fn is_certificate(pem: &[u8]) -> bool {
    CertificateDer::from_pem_slice(pem).is_ok()
}

/// An address at Amazon SNS: https, a host that Amazon alone can have, nothing before and no port behind it.
fn amazon(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let host = url.host_str()?;
    let host = host.strip_suffix(".cn").unwrap_or(host);
    let region = host
        .strip_prefix("sns.")
        .and_then(|rest| rest.strip_suffix(".amazonaws.com"))?;
    let is_region = region.len() >= 3
        && region
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let is_plain = url.scheme() == "https"
        && url.port().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    (is_region && is_plain).then_some(url)
}

/// Whether a certificate is one of a server and `now_ms` lies between its dates.
fn is_valid(certificate: &EndEntityCert<'_>, now_ms: i64) -> bool {
    let Ok(now) = u64::try_from(now_ms) else {
        return false;
    };
    let now = UnixTime::since_unix_epoch(Duration::from_millis(now));
    // Without a root to reach, dates and use are looked at first, and then nobody is found who vouches for it.
    let verified =
        certificate.verify_for_usage(&[], &[], &[], now, KeyUsage::server_auth(), None, None);
    matches!(verified, Err(webpki::Error::UnknownIssuer))
}

/// RSA with PKCS#1 padding, as `webpki` asks for it: its own list has no SHA-1, which SNS uses unless the
/// topic's `SignatureVersion` is 2.
#[derive(Debug)]
struct Rsa {
    parameters: &'static RsaParameters,
    signature_alg_id: AlgorithmIdentifier,
}

static RSA_SHA1: Rsa = Rsa {
    parameters: &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
    // sha1WithRSAEncryption, 1.2.840.113549.1.1.5 (RFC 8017, appendix A.2.4).
    signature_alg_id: AlgorithmIdentifier::from_slice(&[
        0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05, 0x05, 0x00,
    ]),
};

static RSA_SHA256: Rsa = Rsa {
    parameters: &RSA_PKCS1_2048_8192_SHA256,
    signature_alg_id: alg_id::RSA_PKCS1_SHA256,
};

impl SignatureVerificationAlgorithm for Rsa {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        UnparsedPublicKey::new(self.parameters, public_key)
            .verify(message, signature)
            .map_err(|_wrong| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature_alg_id
    }
}

#[cfg(test)]
#[path = "sns_tests.rs"]
mod tests;
