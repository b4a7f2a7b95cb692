//! The chain: each piece of evidence is sealed with a MAC over itself and the link before, so that nobody
//! who can only write the database changes or removes sealed evidence unseen.
//!
//! Evidence waits in line from the transaction that appends it until it is given its place: a lock on the
//! chain's head must not be held through a long import while opt-outs wait. What no chain can show by itself
//! is that its end was cut off or that it was begun anew; an anchor (position and link) outside the database
//! shows it, and [`super::anchor`] keeps one on each node.
//!
//! What the chain does not show, to whom the database alone is open:
//! - Evidence inserted together with its place in the line is sealed like any other: it carries no MAC of
//!   its own before.
//! - Evidence changed or deleted while it still waits (seconds while a server runs, longer where only
//!   commands do).
//! - Of suppressions only those that a withdrawal on record asks for are compared: not those of imported
//!   lists, refusals, complaints or people whose rows were gone, and not the reason.
//! - Details deleted together with the customer's row, under an audit record of erasure: audit records are
//!   not chained.
//! - Evidence of before the chain: it was sealed as it stood when the database was migrated.

use std::fmt;
use std::str::FromStr;

use sea_orm::DbErr;
use serde::Serialize;

use super::store::chain::{self as store, DetailsState, Link};
use crate::ids::CustomerId;
use crate::keys::Keys;
use crate::storage::Db;

/// Links made in one transaction, and read at once.
const CHUNK: i64 = 2_000;

/// What the first link follows.
const BEGINNING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Gives waiting evidence its place in the chain, whatever the chain holds; returns how many pieces. A
/// server does it by [`super::anchor::seal`].
///
/// # Errors
/// When the database is away; what was sealed before stays.
pub async fn seal(db: &Db, keys: &Keys, now_ms: i64) -> Result<u64, DbErr> {
    match extend(db, keys, None, now_ms).await? {
        Extension::Sealed { count, .. } => Ok(count),
        Extension::NotHeld(_) => Ok(0),
    }
}

/// What became of waiting evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Extension {
    Sealed {
        count: u64,
        head: Option<Anchor>,
    },
    /// The chain does not hold this anchor: nothing was added behind what is not ours.
    NotHeld(Anchor),
}

/// Gives waiting evidence its place behind a chain that holds `anchor`, in short transactions.
pub(super) async fn extend(
    db: &Db,
    keys: &Keys,
    anchor: Option<&Anchor>,
    now_ms: i64,
) -> Result<Extension, DbErr> {
    let mut count = 0;
    loop {
        let txn = db.begin().await?;
        let (mut position, mut previous) = store::take_head(&txn)
            .await?
            .unwrap_or_else(|| (0, BEGINNING.to_owned()));
        if let Some(anchor) = anchor
            && store::link_at(&*txn, anchor.position).await?.as_ref() != Some(&anchor.link)
        {
            txn.rollback().await?;
            return Ok(Extension::NotHeld(anchor.clone()));
        }
        let waiting = store::unsealed(&txn, CHUNK).await?;
        if waiting.is_empty() {
            txn.rollback().await?;
            let head = (position > 0).then_some(Anchor {
                position,
                link: previous,
            });
            return Ok(Extension::Sealed { count, head });
        }
        let mut links = Vec::with_capacity(waiting.len());
        for evidence in &waiting {
            position += 1;
            previous = keys.evidence_link(&previous, &evidence.canonical);
            links.push((position, evidence.id, previous.clone()));
        }
        store::add(&txn, &links, now_ms).await?;
        txn.commit().await?;
        count += u64::try_from(links.len()).unwrap_or_default();
    }
}

/// A link to be noted outside the database: from then on the chain cannot be cut before it unseen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Anchor {
    pub position: i64,
    pub link: String,
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.position, self.link)
    }
}

impl FromStr for Anchor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split_once(':')
            .and_then(|(position, link)| {
                let is_link = link.len() == 64 && link.bytes().all(|b| b.is_ascii_hexdigit());
                let position = position.parse().ok().filter(|position| *position > 0)?;
                is_link.then(|| Self {
                    position,
                    link: link.to_ascii_lowercase(),
                })
            })
            .ok_or_else(|| {
                "an anchor is POSITION:LINK, as `visavis consent verify` prints it: a number, a colon and 64 hexadecimal digits"
                    .to_owned()
            })
    }
}

/// What is wrong at the first broken place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Defect {
    EvidenceChanged,
    EvidenceMissing,
    /// A link stands where none was sealed.
    Inserted,
    /// Evidence stands outside the chain.
    Unlinked,
    LinkMissing,
    LinkAltered,
    /// The last link does not fit its evidence, and no later one tells which of them was changed.
    EndAltered,
    Order,
    DetailsAltered,
    DetailsMissing,
    /// A permission is not what its evidence says.
    Permission,
    /// A withdrawal whose suppression is gone or was set to an earlier date.
    SuppressionMissing,
    /// The chain does not hold the anchor.
    Anchor,
}

impl Defect {
    /// In words for a person.
    pub fn describe(self) -> &'static str {
        match self {
            Self::EvidenceChanged => {
                "the evidence is not what was sealed here: it was changed, or evidence before it was taken out"
            }
            Self::EvidenceMissing => "the evidence was deleted",
            Self::Inserted => "a link was inserted that was never sealed",
            Self::Unlinked => {
                "the evidence has no place in the chain: it was inserted past this program, or its link was cut off"
            }
            Self::LinkMissing => "the link was deleted",
            Self::LinkAltered => "the link was altered; its evidence is whole",
            Self::EndAltered => "the last link does not fit its evidence: one of them was altered",
            Self::Order => "links changed places",
            Self::DetailsAltered => "the details (IP address, browser, page) were altered",
            Self::DetailsMissing => {
                "the details (IP address, browser, page) were deleted, though the person was not erased"
            }
            Self::Permission => "the permission does not follow from its evidence",
            Self::SuppressionMissing => {
                "the person withdrew, and the suppression of the address is gone or was dated back"
            }
            Self::Anchor => {
                "the chain does not hold the anchor: its end was cut off, or it was made anew"
            }
        }
    }
}

/// The first place that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Break {
    pub defect: Defect,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerId>,
    /// `email/offers`, of a permission.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission: Option<String>,
}

/// What [`verify`] found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    pub is_whole: bool,
    /// Links read, up to the first broken one.
    pub links: u64,
    /// The end of the chain.
    pub head: Option<Anchor>,
    /// Evidence that waits for its place.
    pub unsealed: u64,
    /// Permissions compared with their evidence.
    pub permissions: u64,
    pub broken: Option<Break>,
}

/// Reads the whole chain and compares it with the evidence, with the `anchors` that it must hold, and the
/// permissions and the suppressions of withdrawals with the evidence; memory does not grow with them.
///
/// # Errors
/// When the database is away.
pub async fn verify(
    db: &Db,
    keys: &Keys,
    anchors: impl IntoIterator<Item = &Anchor>,
) -> Result<Verification, DbErr> {
    let anchors = anchors.into_iter().collect();
    let mut verification = Verification {
        is_whole: false,
        links: 0,
        head: None,
        unsealed: store::count_unsealed(&**db).await?,
        permissions: 0,
        broken: None,
    };
    walk(db, keys, anchors, &mut verification).await?;
    if verification.broken.is_none() {
        verification.broken = stray(db).await?;
    }
    if verification.broken.is_none() {
        compare_permissions(db, &mut verification).await?;
    }
    if verification.broken.is_none() {
        verification.broken = unsuppressed(db).await?;
    }
    verification.is_whole = verification.broken.is_none();
    Ok(verification)
}

async fn walk(
    db: &Db,
    keys: &Keys,
    mut anchors: Vec<&Anchor>,
    found: &mut Verification,
) -> Result<(), DbErr> {
    let mut previous = BEGINNING.to_owned();
    let mut position = 0;
    loop {
        // One more than is checked, so that every link but the last has its follower at hand.
        let links = store::links_after(&**db, position, CHUNK + 1).await?;
        let is_end = i64::try_from(links.len()).is_ok_and(|n| n <= CHUNK);
        let checked = links.len() - usize::from(!is_end);
        for (n, link) in links.iter().take(checked).enumerate() {
            let rest = links.get(n..).unwrap_or_default();
            if let Some(defect) = defect(keys, &previous, position + 1, rest) {
                let is_gap = defect == Defect::LinkMissing;
                found.broken = Some(Break {
                    defect,
                    position: Some(if is_gap { position + 1 } else { link.position }),
                    evidence: (!is_gap).then_some(link.evidence_id),
                    customer: link
                        .evidence
                        .as_ref()
                        .filter(|_| !is_gap)
                        .map(|evidence| evidence.customer),
                    permission: None,
                });
                return Ok(());
            }
            position = link.position;
            previous.clone_from(&link.link);
            found.links += 1;
            anchors.retain(|anchor| anchor.position != link.position || anchor.link != link.link);
        }
        if is_end {
            break;
        }
    }
    found.head = (position > 0).then_some(Anchor {
        position,
        link: previous,
    });
    if let Some(anchor) = anchors.iter().min_by_key(|anchor| anchor.position) {
        found.broken = Some(Break {
            defect: Defect::Anchor,
            position: Some(anchor.position),
            evidence: None,
            customer: None,
            permission: None,
        });
    }
    Ok(())
}

/// What is wrong with the first of `links`, which ought to stand at `position` and follow `previous`.
fn defect(keys: &Keys, previous: &str, position: i64, links: &[Link]) -> Option<Defect> {
    let (link, later) = links.split_first()?;
    if link.position != position {
        return Some(Defect::LinkMissing);
    }
    let Some(evidence) = &link.evidence else {
        return Some(Defect::EvidenceMissing);
    };
    let computed = keys.evidence_link(previous, &evidence.canonical);
    if computed == link.link {
        return match link.details {
            DetailsState::Whole => None,
            DetailsState::Altered => Some(Defect::DetailsAltered),
            DetailsState::Missing => Some(Defect::DetailsMissing),
        };
    }
    let follows = |before: &str, link: &Link, sealed: &str| {
        link.evidence
            .as_ref()
            .is_some_and(|evidence| keys.evidence_link(before, &evidence.canonical) == sealed)
    };
    // Does a later one belong here?
    for (n, other) in later.iter().enumerate() {
        if follows(previous, other, &link.link) {
            return Some(Defect::Order);
        }
        if follows(previous, other, &other.link) {
            let is_swap = n > 0 || follows(&other.link, link, &link.link);
            return Some(if is_swap {
                Defect::Order
            } else {
                Defect::Inserted
            });
        }
    }
    Some(match later.first() {
        None => Defect::EndAltered,
        Some(next) if follows(&computed, next, &next.link) => Defect::LinkAltered,
        Some(_) => Defect::EvidenceChanged,
    })
}

async fn stray(db: &Db) -> Result<Option<Break>, DbErr> {
    let (unlinked, lost) = store::strays(&**db).await?;
    let of = |defect, evidence| Break {
        defect,
        position: None,
        evidence: Some(evidence),
        customer: None,
        permission: None,
    };
    Ok(unlinked
        .map(|id| of(Defect::Unlinked, id))
        .or(lost.map(|id| of(Defect::EvidenceMissing, id))))
}

/// The first withdrawal whose address is not suppressed since then.
async fn unsuppressed(db: &Db) -> Result<Option<Break>, DbErr> {
    let first = store::unsuppressed(&**db).await?;
    Ok(first.map(|(evidence, customer)| Break {
        defect: Defect::SuppressionMissing,
        position: None,
        evidence: Some(evidence),
        customer: Some(customer),
        permission: None,
    }))
}

async fn compare_permissions(db: &Db, found: &mut Verification) -> Result<(), DbErr> {
    let mut after = CustomerId(0);
    while let Some(compared) = store::compare_permissions(&**db, after).await? {
        found.permissions += compared.permissions;
        if let Some((customer, channel, topic)) = compared.differing {
            found.broken = Some(Break {
                defect: Defect::Permission,
                position: None,
                evidence: None,
                customer: Some(customer),
                permission: Some(format!("{channel}/{topic}")),
            });
            return Ok(());
        }
        after = compared.last;
    }
    Ok(())
}
