//! The open connections to the peer: never more than the setting says, kept for reuse while they are fresh.
//!
//! What is to be handed over waits in one line; a task for each connection in use takes from it
//! ([`super::carrier`]), and ends when the line is empty.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use lettre::transport::smtp::commands::{Quit, Rset};
use lettre::transport::smtp::extension::ClientId;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Composed;
use super::carrier;
use super::connect::{ConnectError, Connection, Peer, put_off, within};
use super::parcel::Single;
use super::smtp::After;
use crate::channels::health::Health;
use crate::channels::limits::Pace;
use crate::channels::model::{Class, Moment, Outcome};
use crate::channels::parcel::Parcel;

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(2);

pub(super) struct Pool {
    peer: Peer,
    hello: ClientId,
    size: usize,
    messages_per_connection: u32,
    pub timeout: Duration,
    idle_at_most: Duration,
    pub pace: Option<Pace>,
    pub health: Health,
    /// Places in the line: who brings more waits, so that those who bring take turns.
    room: Semaphore,
    line: Mutex<Line>,
    carriers: TaskTracker,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Line {
    parcels: VecDeque<Load>,
    /// Tasks that take from it.
    carriers: usize,
    is_closed: bool,
}

/// A parcel, and its message once that is composed.
pub(super) struct Load {
    pub parcel: Box<dyn Parcel<Composed>>,
    pub mail: Option<Composed>,
    /// Whether it holds a place in the line, which is given away when it is taken.
    has_place: bool,
}

impl Load {
    /// A parcel that was taken from the line and composed.
    pub fn composed(parcel: Box<dyn Parcel<Composed>>, mail: Composed) -> Self {
        Self {
            parcel,
            mail: Some(mail),
            has_place: false,
        }
    }
}

/// The right to hold one connection: there are as many as the setting says.
pub(super) struct Seat {
    pub pool: Arc<Pool>,
}

impl Seat {
    /// Gives the seat up if nothing waits; the seat again if something does.
    pub fn leave(self) -> Option<Self> {
        let is_wanted = !self.pool.line().parcels.is_empty();
        // Dropped, it is taken anew for what comes in between.
        is_wanted.then_some(self)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut line = self.pool.line();
        line.carriers = line.carriers.saturating_sub(1);
        // Also after a task that broke off: who waits is served.
        if !line.parcels.is_empty() {
            self.pool.occupy(&mut line);
        }
    }
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
        let size = bounds.connections.max(1) as usize;
        Arc::new(Self {
            peer,
            hello: ClientId::default(),
            size,
            messages_per_connection: bounds.messages_per_connection.max(1),
            timeout: bounds.timeout,
            idle_at_most: bounds.idle_at_most,
            pace: bounds.pace,
            health: Health::default(),
            // One for each connection to go on with at once, and one to wait.
            room: Semaphore::new(size * 2),
            line: Mutex::default(),
            carriers: TaskTracker::new(),
            idle: Mutex::default(),
        })
    }

    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Puts a parcel into the line, once there is room; its end is told to the parcel itself.
    pub async fn submit(self: &Arc<Self>, parcel: Box<dyn Parcel<Composed>>) {
        match self.room.acquire().await {
            Ok(place) => place.forget(),
            // Closed: the process is stopping.
            Err(_closed) => return parcel.end(None),
        }
        let mut line = self.line();
        if line.is_closed {
            drop(line);
            return parcel.end(None);
        }
        line.parcels.push_back(Load {
            parcel,
            mail: None,
            has_place: true,
        });
        self.occupy(&mut line);
    }

    /// Lets a further task take from the line, if there is a connection left for it.
    fn occupy(self: &Arc<Self>, line: &mut Line) {
        // A seat may be dropped with the runtime itself: then nobody is served any more.
        if line.carriers < self.size
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            line.carriers += 1;
            let seat = Seat {
                pool: Arc::clone(self),
            };
            self.carriers.spawn_on(carrier::carry(seat), &runtime);
        }
    }

    /// Hands a message over when a connection is free and the pace allows it. `may_go` is asked before the
    /// first command, and once more before the message itself; `None` when it says no, and the server has
    /// seen no byte of the message. Dropping the future closes the connection.
    pub async fn deliver(
        self: &Arc<Self>,
        mail: Composed,
        may_go: impl Fn(Moment) -> bool + Send + Sync + 'static,
    ) -> Option<Outcome> {
        if self.line().is_closed {
            return Some(put_off(Class::Network));
        }
        let given_up = CancellationToken::new();
        let _guard = given_up.clone().drop_guard();
        let (told, end) = oneshot::channel();
        self.submit(Box::new(Single {
            mail: Some(mail),
            may_go,
            given_up,
            told,
        }))
        .await;
        // A task that ends without a word may have handed it over.
        end.await.unwrap_or(Some(Outcome::Unknown {
            why: "the hand-over was broken off",
        }))
    }

    /// The next in line, if one waits.
    pub fn next(&self) -> Option<Load> {
        let load = self.line().parcels.pop_front()?;
        if load.has_place {
            self.room.add_permits(1);
        }
        Some(load)
    }

    /// Puts back what was taken and not handed over; it is the next again.
    pub fn put_back(&self, load: Load) {
        self.line().parcels.push_front(load);
    }

    /// Whether somebody waits in line.
    pub fn is_waited_for(&self) -> bool {
        !self.line().parcels.is_empty()
    }

    /// Whether a connection may carry another message.
    pub fn is_fresh(&self, connection: &Connection) -> bool {
        connection.sent < self.messages_per_connection
    }

    /// Whether another message may follow over the same connection.
    pub fn has_room(&self, connection: &Connection) -> bool {
        connection.sent + 1 < self.messages_per_connection
    }

    /// Tries a relay that rested, with the permit to do so: a connection that works is kept.
    pub async fn try_again(self: &Arc<Self>) {
        let connected = self.connect().await;
        match connected {
            Ok(connection) => {
                self.health.connected();
                let seat = self.sit();
                match seat {
                    Some(_seat) => self.keep(connection),
                    // What is still under way has every connection we may hold.
                    None => farewell(connection).await,
                }
            }
            Err(error) => self.health.failed(error.in_words()),
        }
    }

    /// Opens a connection, apart from the pool's.
    pub async fn connect(&self) -> Result<Connection, ConnectError> {
        self.peer.connect(&self.hello, self.timeout).await
    }

    /// Waits for what is in flight, says farewell on every connection, and refuses what comes later.
    pub async fn close(&self) {
        self.line().is_closed = true;
        self.carriers.close();
        self.carriers.wait().await;
        self.room.close();
        let idle = std::mem::take(&mut self.idle().connections);
        futures_util::future::join_all(idle.into_iter().map(farewell)).await;
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sit(self: &Arc<Self>) -> Option<Seat> {
        let mut line = self.line();
        let is_free = line.carriers < self.size;
        is_free.then(|| {
            line.carriers += 1;
            Seat {
                pool: Arc::clone(self),
            }
        })
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection used last, if it is fresh enough.
    pub fn freshest(&self) -> Option<Connection> {
        let mut idle = self.idle();
        let connection = idle.connections.pop()?;
        if connection.used_at.elapsed() < self.idle_at_most {
            return Some(connection);
        }
        // The others are older still.
        idle.connections.clear();
        None
    }

    /// Makes a connection ready for the next message after one that ended so; `None`: it is closed.
    pub async fn after(&self, mut connection: Connection, after: After) -> Option<Connection> {
        if after == After::Close || connection.smtp.has_broken() {
            return None;
        }
        if !self.is_fresh(&connection) {
            farewell(connection).await;
            return None;
        }
        if after == After::Reset {
            within(self.timeout, connection.smtp.command(Rset))
                .await
                .ok()?;
        }
        Some(connection)
    }

    /// Keeps a connection for the next message.
    pub fn keep(self: &Arc<Self>, mut connection: Connection) {
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
            // On a seat, so that what is being closed counts as open. Without one nothing is idle.
            let Some(_seat) = pool.sit() else { break };
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
            let (one, two) = tokio::join!(
                pool.deliver(mail(), |_| true),
                pool.deliver(mail(), |_| true)
            );
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
            pool.deliver(mail(), |_| true).await,
            Some(Outcome::Accepted)
        );
        // What may not go is not shown to the server.
        assert_eq!(pool.deliver(mail(), |_| false).await, None);
        let weak = Arc::downgrade(&pool);
        drop(pool);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(weak.upgrade().is_none());
    }
}
