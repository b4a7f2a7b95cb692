//! Signatures by Standard Webhooks: `v1,` and the base64 of HMAC-SHA-256 over id, timestamp and body.

use data_encoding::BASE64;
use ring::hmac;

/// What stands before a secret, so that people and scanners of code know it for one.
pub const PREFIX: &str = "whsec_";

/// How long after a rotation the secret before still signs, in milliseconds.
const OVERLAP_MS: i64 = 86_400_000;

/// The header `webhook-signature`: one signature for each secret, parted by spaces.
pub fn sign(secrets: &[[u8; 32]], id: &str, seconds: i64, body: &str) -> String {
    let signed = format!("{id}.{seconds}.{body}");
    let signatures: Vec<String> = secrets
        .iter()
        .map(|secret| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            let tag = hmac::sign(&key, signed.as_bytes());
            format!("v1,{}", BASE64.encode(tag.as_ref()))
        })
        .collect();
    signatures.join(" ")
}

/// The generations of an endpoint's secret that sign now, the newest first.
pub(super) fn generations(newest: i64, renewed_at: Option<i64>, now_ms: i64) -> Vec<i64> {
    match renewed_at {
        Some(at) if now_ms < at.saturating_add(OVERLAP_MS) => vec![newest, newest - 1],
        _ => vec![newest],
    }
}

/// A secret as it is given to whoever runs the endpoint.
pub(super) fn shown(secret: &[u8; 32]) -> String {
    format!("{PREFIX}{}", BASE64.encode(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python's hmac and base64 modules.
    #[test]
    fn a_signature_is_what_another_program_computes() {
        let secret: [u8; 32] = std::array::from_fn(|n| u8::try_from(n).unwrap());
        let header = sign(
            &[secret],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(header, "v1,O4Gjv1HqPqsMrjmczoggs/sWA8gZD0VyHG+fLh4+ktI=");
        assert_eq!(
            shown(&secret),
            "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
        );
    }

    #[test]
    fn for_a_day_both_secrets_sign() {
        assert_eq!(generations(1, None, 0), [1]);
        assert_eq!(generations(2, Some(0), 86_399_999), [2, 1]);
        assert_eq!(generations(2, Some(0), 86_400_000), [2]);
        let header = sign(&[[1; 32], [2; 32]], "a", 1, "{}");
        assert_eq!(
            header
                .split(' ')
                .filter(|one| one.starts_with("v1,"))
                .count(),
            2
        );
    }
}
