//! The legal bases: what each rests on, what its evidence must hold, and how long it holds.

use serde::Serialize;

use super::model::Basis;
use crate::config::PermissionSettings;

/// A legal basis as law has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ground {
    pub basis: Basis,
    pub title: &'static str,
    pub law: &'static str,
    /// What must be true of the person.
    pub rests_on: &'static str,
    /// The fields of evidence without which it proves nothing.
    pub requires: &'static [&'static str],
    /// The fields a regulator will ask for besides.
    pub advised: &'static [&'static str],
    /// The setting that says how many days it holds after the person's last act.
    pub setting: &'static str,
}

/// All of them, the strongest first.
pub const GROUNDS: [Ground; 4] = [
    Ground {
        basis: Basis::Consent,
        title: "consent",
        law: "GDPR art. 6(1)(a) and 7; CPCE art. L34-5",
        rests_on: "a prior, free, specific and informed yes to this topic by this channel",
        requires: &["source", "date"],
        advised: &["wording", "confirmation"],
        setting: "permission.consent_days",
    },
    Ground {
        basis: Basis::SoftOptIn,
        title: "existing customer",
        law: "GDPR art. 6(1)(f); CPCE art. L34-5 al. 4",
        rests_on: "a purchase from us: similar products, a free refusal at collection and in every message",
        requires: &["source", "date"],
        advised: &["wording"],
        setting: "permission.soft_opt_in_days",
    },
    Ground {
        basis: Basis::B2bLegitimateInterest,
        title: "business interest",
        law: "GDPR art. 6(1)(f)",
        rests_on: "a person at a company, about the profession, informed at collection and free to object",
        requires: &["source", "date"],
        advised: &["wording"],
        setting: "permission.b2b_days",
    },
    Ground {
        basis: Basis::Contract,
        title: "contract",
        law: "GDPR art. 6(1)(b)",
        rests_on: "a contract with the person that the message is needed for; no advertising",
        requires: &["source", "date"],
        advised: &[],
        setting: "permission.contract_days",
    },
];

impl Ground {
    pub fn of(basis: Basis) -> &'static Self {
        match basis {
            Basis::Consent => &GROUNDS[0],
            Basis::SoftOptIn => &GROUNDS[1],
            Basis::B2bLegitimateInterest => &GROUNDS[2],
            Basis::Contract => &GROUNDS[3],
        }
    }
}

/// Days a basis holds after the person's last act; `None`: without end.
pub fn holds_days(basis: Basis, settings: &PermissionSettings) -> Option<u32> {
    let days = match basis {
        Basis::Consent => settings.consent_days,
        Basis::SoftOptIn => settings.soft_opt_in_days,
        Basis::B2bLegitimateInterest => settings.b2b_days,
        Basis::Contract => settings.contract_days,
    };
    Some(days).filter(|days| *days > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_basis_has_its_ground() {
        for basis in Basis::ALL {
            assert_eq!(Ground::of(basis).basis, basis);
        }
    }
}
