//! The open connections to the peer: never more than the setting says, kept for reuse while they are fresh.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use lettre::transport::smtp::commands::{Quit, Rset};
use lettre::transport::smtp::extension::ClientId;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::Composed;
use super::connect::{ConnectError, Connection, Peer, put_off, within};
use super::smtp::{self, After};
use crate::channels::limits::Pace;
use crate::channels::model::{Class, Moment, Outcome};

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(2);

pub(super) struct Pool {
    peer: Peer,
    hello: ClientId,
    /// One permit per connection that is in use; idle ones are fewer than the free permits, since a new
    /// connection is opened only when none is idle.
    slots: Semaphore,
    size: u32,
    messages_per_connection: u32,
    timeout: Duration,
    idle_at_most: Duration,
    pace: Option<Pace>,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// The freshest last.
    connections: Vec<Connection>,
    is_reaped: bool,
}

/// The bounds of a pool.
#[derive(Debug)]
pub(super) struct Bounds {
    pub connections: u32,
    pub messages_per_connection: u32,
    pub timeout: Duration,
    /// After so long without use a connection is closed.
    pub idle_at_most: Duration,
    pub pace: Option<Pace>,
}

impl Pool {
    pub fn new(peer: Peer, bounds: Bounds) -> Arc<Self> {
        let size = bounds.connections.max(1);
        Arc::new(Self {
            peer,
            hello: ClientId::default(),
            slots: Semaphore::new(size as usize),
            size,
            messages_per_connection: bounds.messages_per_connection.max(1),
            timeout: bounds.timeout,
            idle_at_most: bounds.idle_at_most,
            pace: bounds.pace,
            idle: Mutex::default(),
        })
    }

    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Hands a message over when a connection is free and the pace allows it. `may_go` is asked before the
    /// first command, and once more before the message itself; `None` when it says no, and the server has
    /// seen no byte of the message.
    pub async fn deliver(
        self: &Arc<Self>,
        mail: &Composed,
        may_go: impl Fn(Moment) -> bool + Send + Sync,
    ) -> Option<Outcome> {
        let Ok(_slot) = self.slots.acquire().await else {
            // Closed: the process is stopping.
            return Some(put_off(Class::Network));
        };
        if !may_go(Moment::Begin) {
            return None;
        }
        if let Some(pace) = &self.pace {
            pace.until_ready().await;
        }
        if !may_go(Moment::Begin) {
            return None;
        }
        if let Some(mut connection) = self.freshest() {
            let end = smtp::transact(&mut connection, mail, self.timeout, &may_go).await;
            if !end.is_stale {
                self.put_back(connection, end.after).await;
                return end.outcome;
            }
            // It was closed while it was idle, and the server has seen nothing of this message.
        }
        let mut connection = match self.connect().await {
            Ok(connection) => connection,
            Err(error) => {
                let outcome = error.outcome();
                tracing::debug!(?outcome, "no connection to the relay");
                return Some(outcome);
            }
        };
        if !may_go(Moment::Begin) {
            self.keep(connection);
            return None;
        }
        let end = smtp::transact(&mut connection, mail, self.timeout, &may_go).await;
        self.put_back(connection, end.after).await;
        end.outcome
    }

    /// Opens a connection, apart from the pool's.
    pub async fn connect(&self) -> Result<Connection, ConnectError> {
        self.peer.connect(&self.hello, self.timeout).await
    }

    /// Waits for what is in flight, says farewell on every connection, and refuses what comes later.
    pub async fn close(&self) {
        let Ok(_all) = self.slots.acquire_many(self.size).await else {
            return;
        };
        let idle = std::mem::take(&mut self.idle().connections);
        futures_util::future::join_all(idle.into_iter().map(farewell)).await;
        self.slots.close();
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn freshest(&self) -> Option<Connection> {
        let mut idle = self.idle();
        let connection = idle.connections.pop()?;
        if connection.used_at.elapsed() < self.idle_at_most {
            return Some(connection);
        }
        // The others are older still.
        idle.connections.clear();
        None
    }

    async fn put_back(self: &Arc<Self>, mut connection: Connection, after: After) {
        connection.sent += 1;
        if after == After::Close || connection.smtp.has_broken() {
            return;
        }
        if connection.sent >= self.messages_per_connection {
            return farewell(connection).await;
        }
        if after == After::Reset {
            let reset = within(self.timeout, connection.smtp.command(Rset)).await;
            if reset.is_err() {
                return;
            }
        }
        self.keep(connection);
    }

    /// Keeps a connection for the next message.
    fn keep(self: &Arc<Self>, mut connection: Connection) {
        connection.used_at = Instant::now();
        let mut idle = self.idle();
        idle.connections.push(connection);
        if !idle.is_reaped {
            idle.is_reaped = true;
            tokio::spawn(reap(Arc::downgrade(self)));
        }
    }

    /// The oldest idle connection if it is too old; says when nothing idle is left to wait for.
    fn oldest_expired(&self) -> Result<Option<Connection>, AllGone> {
        let mut idle = self.idle();
        let Some(oldest) = idle.connections.first() else {
            idle.is_reaped = false;
            return Err(AllGone);
        };
        let is_expired = oldest.used_at.elapsed() >= self.idle_at_most;
        Ok(is_expired.then(|| idle.connections.remove(0)))
    }
}

struct AllGone;

/// Closes idle connections in time, as long as there are any.
async fn reap(pool: Weak<Pool>) {
    while let Some(often) = pool.upgrade().map(|pool| pool.idle_at_most / 6) {
        tokio::time::sleep(often).await;
        let Some(pool) = pool.upgrade() else { return };
        loop {
            // Under a permit, so that what is being closed counts as open.
            let Ok(_slot) = pool.slots.acquire().await else {
                return;
            };
            match pool.oldest_expired() {
                Ok(Some(connection)) => farewell(connection).await,
                Ok(None) => break,
                Err(AllGone) => return,
            }
        }
    }
}

/// QUIT, if the server answers soon.
pub(super) async fn farewell(mut connection: Connection) {
    let _ = within(FAREWELL, connection.smtp.command(Quit)).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::outbox::Outbox;
    use crate::channels::sandbox::Sandbox;
    use crate::clock::SystemClock;
    use crate::keys::Keys;

    fn pool(folder: &std::path::Path, idle_at_most: Duration) -> Arc<Pool> {
        let keys = Keys::from_secret(&[7; 32]);
        let outbox = Outbox::open(folder).unwrap();
        Pool::new(
            Peer::Sandbox(Sandbox::new(outbox, keys, Arc::new(SystemClock))),
            Bounds {
                connections: 3,
                messages_per_connection: 10,
                timeout: Duration::from_secs(5),
                idle_at_most,
                pace: None,
            },
        )
    }

    fn mail() -> Composed {
        Composed {
            return_path: "b@example.com".to_owned(),
            recipient: "x@example.org".to_owned(),
            raw: b"Subject: x\r\n\r\nx\r\n".to_vec(),
        }
    }

    #[tokio::test]
    async fn idle_connections_are_closed_in_time_and_new_ones_opened() {
        let folder = tempfile::tempdir().unwrap();
        let pool = pool(folder.path(), Duration::from_millis(60));
        for _ in 0..2 {
            let mail = mail();
            let (one, two) =
                tokio::join!(pool.deliver(&mail, |_| true), pool.deliver(&mail, |_| true));
            let accepted = || Some(Outcome::Accepted);
            assert_eq!((one, two), (accepted(), accepted()));
            assert!(!pool.idle().connections.is_empty());
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert!(pool.idle().connections.is_empty());
            assert!(!pool.idle().is_reaped, "nothing is left to wait for");
        }
    }

    #[tokio::test]
    async fn a_dropped_pool_leaves_nothing_running() {
        let folder = tempfile::tempdir().unwrap();
        let pool = pool(folder.path(), Duration::from_millis(60));
        assert_eq!(
            pool.deliver(&mail(), |_| true).await,
            Some(Outcome::Accepted)
        );
        // What may not go is not shown to the server.
        assert_eq!(pool.deliver(&mail(), |_| false).await, None);
        let weak = Arc::downgrade(&pool);
        drop(pool);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(weak.upgrade().is_none());
    }
}
