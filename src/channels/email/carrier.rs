//! One connection at work: message after message, as long as something waits in line.
//!
//! Where the server takes commands in groups (RFC 2920), the envelope of the next message travels with the
//! body of this one, so a message costs one round trip.

use std::future::Future;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Composed;
use super::connect::{Connection, put_off};
use super::pool::{Load, Pool, Seat};
use super::smtp::{self, After, End};
use crate::channels::model::{Class, Moment};
use crate::channels::parcel::Parcel;

/// Takes from the line until it is empty.
pub(super) async fn carry(seat: Seat) {
    let mut seat = seat;
    let pool = Arc::clone(&seat.pool);
    let mut connection = None;
    loop {
        while let Some(load) = pool.next() {
            connection = match ready(&pool, load).await {
                Some(message) => serve(&pool, message, connection).await,
                None => connection,
            };
        }
        // Before the seat is free, so that nobody opens another meanwhile.
        if let Some(connection) = connection.take() {
            pool.keep(connection);
        }
        match seat.leave() {
            Some(still) => seat = still,
            None => return,
        }
    }
}

/// A parcel with its message.
struct Message {
    parcel: Box<dyn Parcel<Composed>>,
    mail: Composed,
}

impl Message {
    fn back(self) -> Load {
        Load::composed(self.parcel, self.mail)
    }
}

/// Waits for the pace and composes; `None` when the parcel has ended.
async fn ready(pool: &Pool, load: Load) -> Option<Message> {
    if !pool.health.is_well() {
        load.parcel.unreachable(put_off(Class::Network));
        return None;
    }
    if load.parcel.may_go(Moment::Begin)
        && let Some(pace) = &pool.pace
    {
        let given_up = load.parcel.given_up().clone();
        unless(&given_up, pace.until_ready()).await?;
    }
    compose(load)
}

/// Composes if it may still go; `None` when the parcel has ended.
fn compose(load: Load) -> Option<Message> {
    let Load {
        mut parcel, mail, ..
    } = load;
    if !parcel.may_go(Moment::Begin) {
        parcel.end(None);
        return None;
    }
    match mail.or_else(|| parcel.compose()) {
        Some(mail) => Some(Message { parcel, mail }),
        None => {
            parcel.end(None);
            None
        }
    }
}

/// Hands a message over, and those that follow it at once; returns the connection if it is good for more.
async fn serve(pool: &Arc<Pool>, message: Message, held: Option<Connection>) -> Option<Connection> {
    let mut held = held.or_else(|| pool.freshest());
    loop {
        let given_up = message.parcel.given_up().clone();
        let is_reused = held.is_some();
        let mut connection = match held.take() {
            Some(connection) => connection,
            None => match unless(&given_up, pool.connect()).await? {
                Ok(connection) => connection,
                Err(error) => {
                    let outcome = error.outcome();
                    tracing::debug!(?outcome, "no connection to the relay");
                    pool.health.failed(error.in_words());
                    message.parcel.unreachable(outcome);
                    return None;
                }
            },
        };
        if !is_reused && !message.parcel.may_go(Moment::Begin) {
            message.parcel.end(None);
            return Some(connection);
        }
        // Shared by the dialogue alone: the parcel itself waits outside of it.
        let envelope = smtp::announce(&mut connection, &message.mail, pool.timeout, |moment| {
            message.parcel.may_go(moment)
        });
        match unless(&given_up, envelope).await? {
            Ok(()) => return go_on(pool, connection, message).await,
            // It was closed while it was idle, and the server has seen nothing of this message.
            Err(end) if end.is_stale && is_reused => {}
            Err(end) => return conclude(pool, connection, message, end).await,
        }
    }
}

/// The message itself, its envelope agreed upon, and all that can follow with it.
async fn go_on(
    pool: &Arc<Pool>,
    mut connection: Connection,
    mut message: Message,
) -> Option<Connection> {
    loop {
        let given_up = message.parcel.given_up().clone();
        if !message.parcel.may_go(Moment::Message) || !message.parcel.begin() {
            message.parcel.end(None);
            // Nothing but a message may follow now, and an empty one would be taken for one.
            return None;
        }
        let following = next_along(pool, &connection);
        let mail = following.as_ref().map(|following| &following.mail);
        let handed_over = smtp::hand_over(&mut connection, &message.mail, mail, pool.timeout);
        let Some(end) = unless(&given_up, handed_over).await else {
            if let Some(following) = following {
                pool.put_back(following.back());
            }
            return None;
        };
        let is_usable = end.after == After::Reuse && !connection.smtp.has_broken();
        let Some(following) = following else {
            return conclude(pool, connection, message, end).await;
        };
        connection.sent += 1;
        pool.health.heed(&end.sign);
        message.parcel.end(end.outcome);
        if !is_usable {
            pool.put_back(following.back());
            return None;
        }
        message = following;
        let given_up = message.parcel.given_up().clone();
        let agreed = smtp::announced(&mut connection, pool.timeout);
        match unless(&given_up, agreed).await? {
            Ok(()) => {}
            // The server hung up after the message before: it has seen nothing of this one.
            Err(end) if end.is_stale => {
                pool.put_back(message.back());
                return None;
            }
            Err(end) => return conclude(pool, connection, message, end).await,
        }
    }
}

/// The next message, if its envelope can go along with the body of the one before.
fn next_along(pool: &Pool, connection: &Connection) -> Option<Message> {
    // Where a pace is kept, everyone waits for his turn.
    if pool.pace.is_some() || !pool.has_room(connection) {
        return None;
    }
    loop {
        let Some(message) = compose(pool.next()?) else {
            continue;
        };
        if smtp::may_follow(connection, &message.mail) {
            return Some(message);
        }
        pool.put_back(message.back());
        return None;
    }
}

/// Tells the parcel its end, and makes the connection ready for the next. One that is ready lies open to
/// others before its end is told, so that who sends one after the other uses one connection.
async fn conclude(
    pool: &Arc<Pool>,
    mut connection: Connection,
    message: Message,
    end: End,
) -> Option<Connection> {
    connection.sent += 1;
    pool.health.heed(&end.sign);
    if end.after == After::Close || !pool.is_fresh(&connection) {
        // A farewell must not keep an answer waiting.
        message.parcel.end(end.outcome);
        return pool.after(connection, end.after).await;
    }
    let given_up = message.parcel.given_up().clone();
    let mut ready = unless(&given_up, pool.after(connection, end.after))
        .await
        .flatten();
    if !pool.is_waited_for()
        && let Some(connection) = ready.take()
    {
        pool.keep(connection);
    }
    message.parcel.end(end.outcome);
    ready
}

/// Goes on unless nobody waits for the end any more; then what it holds is dropped with it.
async fn unless<T>(given_up: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = given_up.cancelled() => None,
    }
}
