//! The packets of SMPP 3.4, as far as a sender of text messages needs them, without I/O.
//!
//! Reading is lenient where peers are known to be careless: what follows the mandatory fields of a packet
//! is read as far as it makes sense, and letters need not be ASCII.

/// Octets of a packet's head.
pub const HEAD: usize = 16;
/// Octets of the longest packet that is read: one with the longest `message_payload`.
pub const LONGEST: usize = 70_000;

pub const GENERIC_NACK: u32 = 0x8000_0000;
pub const UNBIND: u32 = 0x06;
pub const BIND_TRANSCEIVER: u32 = 0x09;
pub const SUBMIT_SM: u32 = 0x04;
pub const DELIVER_SM: u32 = 0x05;
pub const ENQUIRE_LINK: u32 = 0x15;
/// What an answer has more than its request.
pub const ANSWER: u32 = 0x8000_0000;

/// SMPP 3.4 section 5.1.2.1.
pub mod status {
    pub const OK: u32 = 0x00;
    pub const INVALID_LENGTH: u32 = 0x02;
    pub const INVALID_COMMAND: u32 = 0x03;
    pub const WRONG_BIND_STATE: u32 = 0x04;
    pub const SYSTEM_ERROR: u32 = 0x08;
    pub const INVALID_SOURCE: u32 = 0x0A;
    pub const INVALID_DESTINATION: u32 = 0x0B;
    pub const BIND_FAILED: u32 = 0x0D;
    pub const INVALID_PASSWORD: u32 = 0x0E;
    pub const INVALID_SYSTEM_ID: u32 = 0x0F;
    pub const QUEUE_FULL: u32 = 0x14;
    pub const SUBMIT_FAILED: u32 = 0x45;
    pub const INVALID_SOURCE_TON: u32 = 0x48;
    pub const INVALID_SOURCE_NPI: u32 = 0x49;
    pub const INVALID_DESTINATION_TON: u32 = 0x50;
    pub const INVALID_DESTINATION_NPI: u32 = 0x51;
    pub const THROTTLED: u32 = 0x58;
    /// We cannot take it now.
    pub const NOT_TAKEN_NOW: u32 = 0x64;
    /// We shall never take it.
    pub const NEVER_TAKEN: u32 = 0x65;
    /// The first of those that each peer gives its own meaning.
    pub const VENDOR: u32 = 0x400;
}

const RECEIPTED_MESSAGE_ID: u16 = 0x001E;
const MESSAGE_PAYLOAD: u16 = 0x0424;
const MESSAGE_STATE: u16 = 0x0427;

/// One packet.
#[derive(Clone, PartialEq, Eq)]
pub struct Pdu {
    pub command: u32,
    pub status: u32,
    pub sequence: u32,
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Pdu {
    /// Without its body, which holds a password, a number or a text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pdu")
            .field("command", &self.command)
            .field("status", &self.status)
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}

impl Pdu {
    pub fn request(command: u32, sequence: u32, body: Vec<u8>) -> Self {
        Self {
            command,
            status: status::OK,
            sequence,
            body,
        }
    }

    /// The answer to a request of the peer.
    pub fn answer(command: u32, sequence: u32, status: u32) -> Self {
        // The answer to a deliver_sm has a message_id, which is always empty.
        let body = if command == DELIVER_SM {
            vec![0]
        } else {
            Vec::new()
        };
        Self {
            command: command | ANSWER,
            status,
            sequence,
            body,
        }
    }

    pub fn nack(sequence: u32, status: u32) -> Self {
        Self {
            command: GENERIC_NACK,
            status,
            sequence,
            body: Vec::new(),
        }
    }

    pub fn is_answer(&self) -> bool {
        self.command & ANSWER != 0
    }

    pub fn encode(&self) -> Vec<u8> {
        let length = u32::try_from(HEAD + self.body.len()).unwrap_or(u32::MAX);
        let mut octets = Vec::with_capacity(HEAD + self.body.len());
        for word in [length, self.command, self.status, self.sequence] {
            octets.extend_from_slice(&word.to_be_bytes());
        }
        octets.extend_from_slice(&self.body);
        octets
    }

    /// The peer's name for a message it took, from its submit_sm_resp.
    pub fn message_id(&self) -> Option<String> {
        Octets(&self.body).string().filter(|id| !id.is_empty())
    }
}

/// bind_transceiver, with interface_version 0x34.
pub fn bind(system_id: &str, password: &str, system_type: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for text in [system_id, password, system_type] {
        string(&mut body, text);
    }
    // interface_version, addr_ton, addr_npi, address_range.
    body.extend_from_slice(&[0x34, 0, 0, 0]);
    body
}

/// A number or a name, with its type and numbering plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub ton: u8,
    pub npi: u8,
    pub digits: String,
}

impl Address {
    /// Of an E.164 number, a short code or a name; `None` when it is none of them.
    pub fn of(text: &str) -> Option<Self> {
        let (ton, npi, digits) = match text.strip_prefix('+') {
            Some(digits) if is_digits(digits) => (1, 1, digits),
            Some(_) => return None,
            // Network specific.
            None if is_digits(text) && text.len() <= 8 => (3, 0, text),
            None if is_digits(text) => (1, 1, text),
            None if (1..=11).contains(&text.len()) && text.is_ascii() => (5, 0, text),
            None => return None,
        };
        let is_sound = digits.len() <= 20 && !digits.contains(|c: char| c.is_ascii_control());
        is_sound.then(|| Self {
            ton,
            npi,
            digits: digits.to_owned(),
        })
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// submit_sm that asks for a receipt. `header` is the user data header, empty for a message of one part.
pub fn submit(
    source: &Address,
    destination: &Address,
    data_coding: u8,
    header: &[u8],
    text: &[u8],
) -> Vec<u8> {
    let mut body = vec![0];
    for address in [source, destination] {
        body.extend_from_slice(&[address.ton, address.npi]);
        string(&mut body, &address.digits);
    }
    let esm_class = if header.is_empty() { 0x00 } else { 0x40 };
    // esm_class, protocol_id, priority_flag, schedule_delivery_time, validity_period,
    // registered_delivery, replace_if_present_flag, data_coding, sm_default_msg_id.
    body.extend_from_slice(&[esm_class, 0, 0, 0, 0, 1, 0, data_coding, 0]);
    // A part has at most 160 octets.
    body.push(u8::try_from(header.len() + text.len()).unwrap_or(u8::MAX));
    body.extend_from_slice(header);
    body.extend_from_slice(text);
    body
}

fn string(body: &mut Vec<u8>, text: &str) {
    body.extend(text.bytes().filter(|b| *b != 0));
    body.push(0);
}

/// What a deliver_sm says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deliver {
    pub source: String,
    pub destination: String,
    pub esm_class: u8,
    pub data_coding: u8,
    /// Without the user data header.
    pub text: Vec<u8>,
    pub receipted_message_id: Option<String>,
    pub message_state: Option<u8>,
}

impl Deliver {
    /// Reads the body; `None` when a mandatory field is missing. A text or optional parameters that are cut
    /// are read as far as they go.
    pub fn read(body: &[u8]) -> Option<Self> {
        let mut octets = Octets(body);
        octets.string()?;
        octets.take(2)?;
        let source = octets.string()?;
        octets.take(2)?;
        let destination = octets.string()?;
        let esm_class = octets.octet()?;
        octets.take(2)?;
        octets.string()?;
        octets.string()?;
        octets.take(2)?;
        let data_coding = octets.octet()?;
        octets.octet()?;
        let length = usize::from(octets.octet()?);
        let mut text = octets.up_to(length).to_vec();
        let mut deliver = Self {
            source,
            destination,
            esm_class,
            data_coding,
            ..Self::default()
        };
        while let Some((tag, value)) = octets.parameter() {
            match tag {
                RECEIPTED_MESSAGE_ID => {
                    deliver.receipted_message_id =
                        Some(until_nul(value)).filter(|id| !id.is_empty());
                }
                MESSAGE_STATE => deliver.message_state = value.first().copied(),
                MESSAGE_PAYLOAD if text.is_empty() => text = value.to_vec(),
                _ => {}
            }
        }
        if esm_class & 0x40 != 0
            && let Some((&length, rest)) = text.split_first()
        {
            text = rest.get(usize::from(length)..).unwrap_or(&[]).to_vec();
        }
        deliver.text = text;
        Some(deliver)
    }
}

/// What is left to read.
struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn up_to(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at_checked(count).unwrap_or((self.0, &[]));
        self.0 = rest;
        taken
    }

    fn octet(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn word(&mut self) -> Option<u16> {
        let octets = self.take(2)?;
        Some(u16::from_be_bytes(octets.try_into().ok()?))
    }

    /// A string that ends with NUL.
    fn string(&mut self) -> Option<String> {
        let end = self.0.iter().position(|b| *b == 0)?;
        let text = until_nul(self.take(end)?);
        self.take(1)?;
        Some(text)
    }

    /// An optional parameter: tag, length, value.
    fn parameter(&mut self) -> Option<(u16, &'a [u8])> {
        let tag = self.word()?;
        let length = self.word()?;
        Some((tag, self.take(usize::from(length))?))
    }
}

fn until_nul(octets: &[u8]) -> String {
    octets
        .iter()
        .take_while(|b| **b != 0)
        .map(|b| char::from(*b))
        .collect()
}
