//! Where things lie until a writer's thread takes them up together: it is woken rarely, which is what costs most.
//! What lies there and how it is written is for whoever has a writer.

use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long things gather from the first on, before they are taken up.
const GATHER: Duration = Duration::from_millis(2);

/// A tray with one writer, who takes, and any number of others, who put.
pub struct BatchQueue<T> {
    // A mutex because things come from many threads; each section is a push or an exchange of vectors.
    inner: Mutex<Batch<T>>,
    has_news: Condvar,
}

struct Batch<T> {
    items: Vec<T>,
    is_closed: bool,
}

/// What the writer found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Something.
    Things,
    /// Nothing came in time.
    Nothing,
    /// Nothing, and nothing will come.
    Closed,
}

impl<T> Default for BatchQueue<T> {
    fn default() -> Self {
        Self { inner: Mutex::new(Batch { items: Vec::new(), is_closed: false }), has_news: Condvar::new() }
    }
}

impl<T> BatchQueue<T> {
    /// Puts something there. On a closed tray it is lost.
    pub fn push(&self, thing: T) {
        let mut pile = self.inner();
        if pile.is_closed {
            return;
        }
        pile.items.push(thing);
        if pile.items.len() == 1 {
            drop(pile);
            self.has_news.notify_one();
        }
    }

    /// Lets nothing more be put there; what lies there can still be taken.
    pub fn close(&self) {
        self.inner().is_closed = true;
        self.has_news.notify_one();
    }

    /// Waits for things, at most so long, and takes all that have gathered; `things` is empty before.
    pub fn take(&self, things: &mut Vec<T>, patience: Duration) -> Taken {
        let is_quiet = |pile: &mut Batch<T>| pile.items.is_empty() && !pile.is_closed;
        let waited = self.has_news.wait_timeout_while(self.inner(), patience, is_quiet);
        let (pile, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if pile.items.is_empty() {
            return if pile.is_closed { Taken::Closed } else { Taken::Nothing };
        }
        let gathered = self.has_news.wait_timeout_while(pile, GATHER, |pile| !pile.is_closed);
        let (mut pile, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut pile.items, things);
        Taken::Things
    }

    fn inner(&self) -> MutexGuard<'_, Batch<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
