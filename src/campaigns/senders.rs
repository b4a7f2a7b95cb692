//! Who our mail is from: the domains that the settings and the campaigns name.

use std::collections::BTreeMap;

use sea_orm::DbErr;

use super::store;
use crate::config::{Settings, domain_of};
use crate::storage::Db;

/// A domain, and what sends in its name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Use {
    /// Campaigns, by name.
    pub campaigns: Vec<String>,
    /// Confirmations and summaries ([notices]).
    pub is_of_notices: bool,
    /// A relay or a signature of the settings is for it.
    pub is_in_settings: bool,
}

/// The domains of senders, each with its use.
///
/// # Errors
/// When the database is away.
pub async fn domains(db: &Db, settings: &Settings) -> Result<BTreeMap<String, Use>, DbErr> {
    let mut domains = of_settings(settings);
    for campaign in store::list(db).await? {
        let definition = campaign.definition;
        // One by text message alone has no address.
        if definition.sender.address.contains('@') {
            let domain = domain_of(&definition.sender.address);
            domains
                .entry(domain)
                .or_default()
                .campaigns
                .push(definition.name);
        }
    }
    Ok(domains)
}

/// As [`domains`], of the settings alone.
pub fn of_settings(settings: &Settings) -> BTreeMap<String, Use> {
    let mut domains: BTreeMap<String, Use> = BTreeMap::new();
    let notices = domain_of(&settings.notices.sender_address);
    domains.entry(notices).or_default().is_of_notices = true;
    let relays = settings.email.relays.values();
    let named = relays.flat_map(|relay| relay.senders.iter());
    let signed = settings.email.dkim.iter().map(|dkim| &dkim.domain);
    for domain in named.chain(signed) {
        let domain = domain.to_ascii_lowercase();
        domains.entry(domain).or_default().is_in_settings = true;
    }
    domains
}
