//! Looking records up.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};

use super::judge::judge;
use super::model::{Found, Purpose, Record, RecordKind, Sender, Standing};

/// How long one question may take, with its second try.
const PATIENCE: Duration = Duration::from_secs(8);

/// Labels above a name that are asked for a policy (the tree walk of DMARC's successor asks no more than 8).
const STEPS: usize = 8;

/// Why nothing can be looked up.
#[derive(Debug, thiserror::Error)]
#[error("the name servers of this machine cannot be read: {0}; set [email] name_server")]
pub struct LookError(String);

/// Whom DNS is asked.
#[derive(Debug, Clone)]
pub struct Dns(TokioResolver);

impl Dns {
    /// `server`, or those of this machine.
    ///
    /// # Errors
    /// When those of this machine cannot be read.
    pub fn new(server: Option<SocketAddr>) -> Result<Self, LookError> {
        let mut builder = match server {
            None => TokioResolver::builder_tokio().map_err(|error| LookError(error.to_string()))?,
            Some(server) => {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()]
                    .into_iter()
                    .map(|mut connection| {
                        connection.port = server.port();
                        connection
                    })
                    .collect();
                let server = NameServerConfig::new(server.ip(), true, connections);
                TokioResolver::builder_with_config(
                    ResolverConfig::from_parts(None, Vec::new(), vec![server]),
                    TokioRuntimeProvider::default(),
                )
            }
        };
        let options = builder.options_mut();
        options.timeout = Duration::from_secs(3);
        options.attempts = 1;
        // Who corrects a record wants to see it at once.
        options.cache_size = 0;
        builder
            .build()
            .map(Self)
            .map_err(|error| LookError(error.to_string()))
    }

    /// What is published at a name; nothing is an answer too.
    async fn ask(&self, name: &str, kind: RecordKind) -> Result<Vec<String>, String> {
        let record_type = match kind {
            RecordKind::Txt => RecordType::TXT,
            RecordKind::Mx => RecordType::MX,
        };
        // With a dot no domain of this machine is tried behind it.
        let asked = self.0.lookup(format!("{name}."), record_type);
        match tokio::time::timeout(PATIENCE, asked).await {
            Err(_elapsed) => Err("no name server answered in time".to_owned()),
            Ok(Err(error)) if error.is_no_records_found() || error.is_nx_domain() => Ok(Vec::new()),
            Ok(Err(error)) => Err(error.to_string()),
            Ok(Ok(found)) => Ok(found
                .answers()
                .iter()
                .filter_map(|record| written(&record.data))
                .collect()),
        }
    }
}

/// A record's content as a zone shows it.
fn written(content: &RData) -> Option<String> {
    match content {
        RData::TXT(text) => {
            let pieces: Vec<u8> = text
                .txt_data
                .iter()
                .flat_map(|piece| piece.iter().copied())
                .collect();
            Some(String::from_utf8_lossy(&pieces).into_owned())
        }
        RData::MX(server) => Some(format!("{} {}", server.preference, server.exchange)),
        _ => None,
    }
}

/// Looks every record of a sender up, all at once.
pub async fn look(dns: &Dns, sender: &Sender) -> Vec<Found> {
    future::join_all(sender.records.iter().map(|record| one(dns, record))).await
}

async fn one(dns: &Dns, record: &Record) -> Found {
    let mut found = at(dns, record, &record.name).await;
    if record.purpose == Purpose::Dmarc && found.standing == Standing::Missing {
        // Without one of its own a domain follows that of the domain above.
        let mut domain = record.name.trim_start_matches("_dmarc.");
        for _ in 0..STEPS {
            let Some((_, above)) = domain.split_once('.') else {
                break;
            };
            if !above.contains('.') {
                break;
            }
            domain = above;
            let name = format!("_dmarc.{domain}");
            let higher = at(dns, record, &name).await;
            if higher.standing != Standing::Missing {
                found = Found {
                    at: Some(name),
                    ..higher
                };
                break;
            }
        }
    }
    found
}

async fn at(dns: &Dns, record: &Record, name: &str) -> Found {
    let (standing, values) = match dns.ask(name, record.kind).await {
        Ok(texts) => judge(record, &texts),
        Err(cause) => (Standing::CannotTell(cause), Vec::new()),
    };
    Found {
        record: record.clone(),
        standing,
        values,
        at: None,
    }
}
