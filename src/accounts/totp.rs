//! Codes by time (RFC 6238): HMAC-SHA-1, six digits, a new one every 30 seconds, which is what every
//! authenticator app makes.

use data_encoding::BASE32_NOPAD;
use ring::hmac;

/// Milliseconds for which a code is the current one.
const STEP_MS: i64 = 30_000;
/// Steps that a clock may be off, either way (RFC 6238 section 5.2).
const DRIFT: i64 = 1;

/// What codes are made of.
#[derive(Clone)]
pub struct Secret([u8; 20]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Secret {
    pub fn new(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// As it is typed into an app: base 32.
    pub fn base32(&self) -> String {
        BASE32_NOPAD.encode(&self.0)
    }

    /// As an app reads it from a QR code (Google Authenticator's Key Uri Format); the app shows `account`.
    pub fn uri(&self, account: &str) -> String {
        let account: String = form_urlencoded::byte_serialize(account.as_bytes()).collect();
        // A form writes a space as +, a path does not.
        let account = account.replace('+', "%20");
        format!(
            "otpauth://totp/visavis:{account}?secret={}&issuer=visavis",
            self.base32()
        )
    }

    /// The step of which this is the code; neither one that was taken before (`taken`) nor one before it, so that
    /// no code works twice.
    pub fn step_of(&self, code: &str, taken: Option<i64>, now_ms: i64) -> Option<i64> {
        let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        let now = now_ms.div_euclid(STEP_MS);
        // Every step is compared, whichever fits.
        (now - DRIFT..=now + DRIFT)
            .filter(|step| taken.is_none_or(|taken| *step > taken))
            .fold(None, |found, step| {
                if is_equal(self.code(step).as_bytes(), code.as_bytes()) {
                    Some(step)
                } else {
                    found
                }
            })
    }

    /// The code of an instant.
    pub fn code_at(&self, now_ms: i64) -> String {
        self.code(now_ms.div_euclid(STEP_MS))
    }

    /// RFC 4226 section 5.3, cut to six digits.
    fn code(&self, step: i64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let offset = usize::from(tag.last().copied().unwrap_or(0) & 0x0f);
        let number = tag
            .iter()
            .skip(offset)
            .take(4)
            .fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        format!("{:06}", (number & 0x7fff_ffff) % 1_000_000)
    }
}

fn is_equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |acc, (a, b)| acc | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Secret {
        Secret::new(*b"12345678901234567890")
    }

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B, SHA-1, the last six of its eight digits.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(secret().code_at(seconds * 1000), code, "{seconds}");
        }
    }

    #[test]
    fn a_code_works_once_and_for_a_minute_and_a_half() {
        let now = 1_111_111_111_000;
        let code = secret().code_at(now);
        let step = secret().step_of(&code, None, now).expect("it is current");
        assert_eq!(secret().step_of(&code, Some(step), now), None, "twice");
        assert_eq!(secret().step_of(&code, Some(step - 1), now), Some(step));
        assert_eq!(secret().step_of(&code, None, now + 30_000), Some(step));
        assert_eq!(secret().step_of(&code, None, now - 30_000), Some(step));
        assert_eq!(secret().step_of(&code, None, now + 60_000), None);
        assert_eq!(secret().step_of(&code, None, now - 60_000), None);
        let (head, tail) = code.split_at(3);
        assert_eq!(
            secret().step_of(&format!("{head} {tail}"), None, now),
            Some(step)
        );
        assert_eq!(secret().step_of("", None, now), None);
    }

    #[test]
    fn an_app_can_read_it() {
        assert_eq!(
            secret().uri("anne petit@example.com"),
            "otpauth://totp/visavis:anne%20petit%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=visavis"
        );
    }
}
