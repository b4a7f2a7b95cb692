//! Where events may go: only to addresses of the public internet, so that whoever enters an endpoint cannot
//! reach what stands behind our firewall (server-side request forgery).
//!
//! A name is resolved once for a connection, each address it leads to is judged, and the connection is made to
//! one of those: a name that answers differently a moment later gains nothing.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Why no event goes there; says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("is no address of a web server; write it as https://example.com/path")]
    NoUrl,
    #[error("must begin with https://: events speak of people, and go out encrypted only")]
    NotEncrypted,
    #[error("must not hold a name and password; who sends is proved by the signature")]
    Credentials,
    #[error("names the port {0}; it must be 443 or one from 1024 on")]
    Port(u16),
    #[error("is longer than 1,000 characters")]
    TooLong,
    #[error("leads to {0}, which is no address of the public internet")]
    NotPublic(IpAddr),
    #[error("leads nowhere: the name has no address")]
    NoAddress,
}

/// Reads the address of an endpoint, as far as it can be judged without asking for its name.
///
/// # Errors
/// Why no event goes there.
pub fn read(text: &str, allow_loopback: bool) -> Result<Url, Refusal> {
    if text.len() > 1_000 {
        return Err(Refusal::TooLong);
    }
    let url = Url::parse(text).map_err(|_cause| Refusal::NoUrl)?;
    let host = url.host_str().ok_or(Refusal::NoUrl)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refusal::Credentials);
    }
    // However an address was written, the URL has it in its one form.
    let literal = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>()
        .ok();
    let is_here =
        allow_loopback && literal.map_or(host == "localhost", |address| address.is_loopback());
    match url.scheme() {
        "https" => {}
        "http" if is_here => {}
        "http" => return Err(Refusal::NotEncrypted),
        _ => return Err(Refusal::NoUrl),
    }
    if let Some(address) = literal
        && !is_here
        && !is_public(address)
    {
        return Err(Refusal::NotPublic(address));
    }
    // The well-known ports are those of other services, which must not be talked to by way of us.
    match url.port_or_known_default() {
        Some(443 | 1024..) => Ok(url),
        Some(port) if is_here && port == 80 => Ok(url),
        Some(port) => Err(Refusal::Port(port)),
        None => Err(Refusal::NoUrl),
    }
}

/// Whether an address is one of the public internet: global unicast, and none of the special-purpose blocks of
/// RFC 6890 and the IANA registries after it.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL_V4
            .iter()
            .any(|(block, bits)| is_in_v4(address, *block, *bits)),
        // Global unicast is 2000::/3 (RFC 4291): mapped, compatible and translated addresses, unique local,
        // link-local and multicast ones lie outside.
        IpAddr::V6(address) => {
            address.segments()[0] & 0xe000 == 0x2000
                && !SPECIAL_V6
                    .iter()
                    .any(|(block, bits)| is_in_v6(address, *block, *bits))
        }
    }
}

/// Blocks that are no addresses of the public internet.
const SPECIAL_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),       // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),      // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),   // shared by a provider's customers (RFC 6598)
    (Ipv4Addr::new(127, 0, 0, 0), 8),     // loopback
    (Ipv4Addr::new(169, 254, 0, 0), 16),  // link-local, and the data of clouds about their machines
    (Ipv4Addr::new(172, 16, 0, 0), 12),   // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),    // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),    // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),  // relays of 6to4 (RFC 7526)
    (Ipv4Addr::new(192, 168, 0, 0), 16),  // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),   // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),  // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),     // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),     // reserved, and broadcast
];

/// As above, within 2000::/3.
const SPECIAL_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments, Teredo, ORCHID
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4: any address of the old internet
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation (RFC 9637)
];

fn is_in_v4(address: Ipv4Addr, block: Ipv4Addr, bits: u32) -> bool {
    (u32::from(address) ^ u32::from(block)) >> (32 - bits) == 0
}

fn is_in_v6(address: Ipv6Addr, block: Ipv6Addr, bits: u32) -> bool {
    (u128::from(address) ^ u128::from(block)) >> (128 - bits) == 0
}

/// Asks for the addresses of a name.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// The system's own look-up.
pub fn system_lookup() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

/// Resolves names for the HTTP client, and gives it nothing but addresses it may connect to.
#[derive(Clone)]
pub struct Guard {
    lookup: Lookup,
    allow_loopback: bool,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("allow_loopback", &self.allow_loopback)
            .finish_non_exhaustive()
    }
}

impl Guard {
    pub fn new(lookup: Lookup, allow_loopback: bool) -> Self {
        Self {
            lookup,
            allow_loopback,
        }
    }

    /// The addresses a name leads to, all of which may be connected to.
    ///
    /// # Errors
    /// A [`Refusal`] where one of them may not, since a name of the public internet has no such addresses; else
    /// what the look-up says.
    pub async fn addresses(
        &self,
        name: &str,
    ) -> Result<Vec<IpAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let found = (self.lookup)(name.to_owned()).await?;
        if found.is_empty() {
            return Err(Refusal::NoAddress.into());
        }
        let refused = found.iter().find(|address| {
            !(is_public(**address) || self.allow_loopback && address.is_loopback())
        });
        match refused {
            Some(address) => Err(Refusal::NotPublic(*address).into()),
            None => Ok(found),
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = guard.addresses(name.as_str()).await?;
            // The port is the client's.
            let addresses: Addrs =
                Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
