//! Turns at questions that keep a core busy: few at a time, and of each who asks only the latest.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use super::Unanswered;

/// Who is asking now, and what ends his question, by a number that tells it from his next one.
type Asking = HashMap<String, (u64, CancellationToken)>;

/// The turns.
#[derive(Debug)]
pub struct Turns {
    seats: Semaphore,
    asking: Mutex<Asking>,
    asked: AtomicU64,
}

impl Turns {
    /// So many questions at a time.
    pub fn new(at_a_time: usize) -> Self {
        Self {
            seats: Semaphore::new(at_a_time),
            asking: Mutex::default(),
            asked: AtomicU64::new(0),
        }
    }

    /// A turn, to be held as long as the question takes.
    ///
    /// # Errors
    /// When it does not come within `patience`.
    pub async fn seat(&self, patience: Duration) -> Result<SemaphorePermit<'_>, Unanswered> {
        let late = || Unanswered::TooLong(patience);
        let seat = tokio::time::timeout(patience, self.seats.acquire()).await;
        seat.map_err(|_cause| late())?.map_err(|_closed| late())
    }

    /// Asks a question in its turn. One that `who` asked before and that has no answer yet is given up: nobody
    /// looks at it any more. Nothing of what nobody (`None`) asks is.
    ///
    /// # Errors
    /// When it took longer than `patience`, the wait for others included; when the same asks anew; and those of
    /// the question.
    pub async fn ask<T, E: From<Unanswered>>(
        &self,
        who: Option<&str>,
        patience: Duration,
        question: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let ask = self.begin(who);
        let in_turn = async {
            let _seat = self.seat(patience).await?;
            question.await
        };
        tokio::select! {
            biased;
            () = ask.end.cancelled() => Err(Unanswered::Replaced.into()),
            answer = tokio::time::timeout(patience, in_turn) => {
                answer.unwrap_or_else(|_elapsed| Err(Unanswered::TooLong(patience).into()))
            }
        }
    }

    fn begin(&self, who: Option<&str>) -> Ask<'_> {
        let (number, end) = (
            self.asked.fetch_add(1, Ordering::Relaxed),
            CancellationToken::new(),
        );
        if let Some(who) = who {
            let ask = (number, end.clone());
            if let Some((_, earlier)) = self.lock().insert(who.to_owned(), ask) {
                earlier.cancel();
            }
        }
        Ask {
            turns: self,
            who: who.map(str::to_owned),
            number,
            end,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Asking> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question under way.
struct Ask<'t> {
    turns: &'t Turns,
    who: Option<String>,
    number: u64,
    end: CancellationToken,
}

impl Drop for Ask<'_> {
    fn drop(&mut self) {
        if let Some(who) = &self.who {
            let mut asking = self.turns.lock();
            if asking
                .get(who)
                .is_some_and(|(number, _)| *number == self.number)
            {
                asking.remove(who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    async fn answer(n: u32) -> Result<u32, Unanswered> {
        Ok(n)
    }

    #[tokio::test]
    async fn who_asks_anew_gives_up_what_he_asked_before() {
        let turns = Turns::new(2);
        let never = || pending::<Result<u32, Unanswered>>();
        let (first, of_other, second) = tokio::join!(
            turns.ask(Some("anne"), LONG, never()),
            turns.ask(Some("bob"), LONG, answer(1)),
            turns.ask(Some("anne"), LONG, answer(2)),
        );
        assert!(matches!(first, Err(Unanswered::Replaced)), "{first:?}");
        assert_eq!((of_other.unwrap(), second.unwrap()), (1, 2));
        assert!(turns.lock().is_empty(), "nobody is remembered");
        let (one, other) = tokio::join!(
            turns.ask(None, LONG, answer(3)),
            turns.ask(None, LONG, answer(4)),
        );
        assert_eq!((one.unwrap(), other.unwrap()), (3, 4));
    }

    #[tokio::test]
    async fn there_are_so_many_at_a_time_and_the_wait_counts() {
        let turns = Turns::new(1);
        let seat = turns.seat(LONG).await.unwrap();
        let soon = Duration::from_millis(20);
        let waited = turns.ask(Some("anne"), soon, answer(1)).await;
        assert!(matches!(waited, Err(Unanswered::TooLong(_))), "{waited:?}");
        drop(seat);
        assert_eq!(turns.ask(Some("anne"), LONG, answer(1)).await.unwrap(), 1);
    }
}
