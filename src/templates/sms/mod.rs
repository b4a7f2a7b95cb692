//! Text messages: encoding and parts.

/// How a text goes over the air (3GPP TS 23.038).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    Gsm7,
    Ucs2,
}

/// How long a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Size {
    pub encoding: Encoding,
    /// Septets in GSM-7, UTF-16 units in UCS-2.
    pub units: usize,
    pub parts: u16,
}
