//! Records and what is found of them, without I/O.

/// What a record is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The public half of a signature (RFC 6376).
    Dkim,
    /// Who may send with our return path (RFC 7208).
    Spf,
    /// Where bounces arrive.
    ReturnPath,
    /// What receivers do with mail that proves neither (RFC 7489).
    Dmarc,
}

impl Purpose {
    pub fn title(self) -> &'static str {
        match self {
            Self::Dkim => "DKIM",
            Self::Spf => "SPF",
            Self::ReturnPath => "MX",
            Self::Dmarc => "DMARC",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordKind {
    Txt,
    Mx,
}

impl RecordKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Txt => "TXT",
            Self::Mx => "MX",
        }
    }
}

/// One record to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub purpose: Purpose,
    /// Its whole name, without a dot at the end.
    pub name: String,
    pub kind: RecordKind,
    /// As it is put into the zone.
    pub value: String,
}

/// A sender's domain and what belongs into DNS for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    pub domain: String,
    pub records: Vec<Record>,
    /// Whether a signature of ours counts for the domain (DMARC's relaxed alignment, RFC 7489 section 3.1.1).
    pub is_signed: bool,
    /// Whether the return path does.
    pub is_return_path_own: bool,
}

/// How a record stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    Right,
    Missing,
    Different(Difference),
    /// Nobody answered, or not so that it can be told.
    CannotTell(String),
}

/// What is wrong with a record that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// More than one, of which receivers take none.
    Several,
    /// `p=` is empty: the key was taken back.
    Revoked,
    OtherKey,
    OtherKind,
    /// `t=y`: receivers treat the mail as unsigned.
    Testing,
    /// It is not for SHA-256 or not for mail.
    Unusable,
    /// `+all`: everybody may send in this name.
    AllowsAll,
    /// It does not name what we send through.
    NotNamed,
    /// The domain says that it takes no mail (RFC 7505).
    TakesNoMail,
    /// It cannot be read.
    Malformed,
}

impl Difference {
    /// What is wrong, and what to do.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Several => {
                "there are several such records, and receivers then take none; keep one"
            }
            Self::Revoked => "the published key is empty, which takes it back; publish ours",
            Self::OtherKey => {
                "another key is published; publish ours, or give the key that belongs to it"
            }
            Self::OtherKind => "it is published as another kind of key; correct k=",
            Self::Testing => {
                "it is published for testing (t=y), so receivers treat mail as unsigned; take t=y out"
            }
            Self::Unusable => "it is not meant for SHA-256 or not for mail; take h= and s= out",
            Self::AllowsAll => "it lets everybody send in this name (+all); end it with ~all",
            Self::NotNamed => {
                "it does not name what we send through; right only where another of its parts allows it"
            }
            Self::TakesNoMail => "the domain says that it takes no mail, so no bounce arrives",
            Self::Malformed => "it cannot be read; publish ours",
        }
    }
}

/// A record, how it stands and what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub record: Record,
    pub standing: Standing,
    /// What is published, of the kind that is meant.
    pub values: Vec<String>,
    /// Where it was found, when that is above the name (DMARC of a parent domain).
    pub at: Option<String>,
}
