//! Resolver: the system's addresses of names, with bounded concurrency and a cache of a few seconds.
//! `address_policy` decides which addresses may be connected to.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Maximum number of concurrent lookups of all guests. Each blocks a thread until the system's resolver returns, and
/// threads cannot be stopped.
const MAX_LOOKUPS: usize = 64;

/// Maximum number of concurrent lookups of one guest, so that dead names of one guest leave the others their share.
const MAX_LOOKUPS_OF_GUEST: usize = 4;

/// The same by all guests of one task: its attempts follow each other, and each may leave questions behind.
const MAX_LOOKUPS_OF_TASK: usize = 16;

/// How long an answer is kept, so that a guest that asks for a name and then connects meets the same addresses,
/// whatever order and choice of them a server gives out.
const KEPT: Duration = Duration::from_secs(5);

/// Maximum number of cached answers.
const MAX_KEPT: usize = 256;

/// Maximum number of addresses used per name.
const MAX_ADDRESSES: usize = 16;

/// A source of addresses for names.
pub(crate) trait Resolve: Send + Sync {
    /// Returns the addresses of a name. May block.
    fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver.
struct System;

impl Resolve for System {
    fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
    }
}

/// Resolver of the process, with its cache.
pub(crate) struct Resolver {
    resolve: Arc<dyn Resolve>,
    lookups: Arc<Semaphore>,
    // A mutex, because guests run concurrently. The critical sections access the map once.
    kept: Mutex<HashMap<String, Kept>>,
}

struct Kept {
    until: Instant,
    addresses: Vec<IpAddr>,
}

impl Resolver {
    /// Creates a resolver that asks the operating system.
    pub(crate) fn of_system() -> Arc<Self> {
        Self::with_resolve(Arc::new(System))
    }

    /// Creates a resolver that asks `resolver`.
    pub(crate) fn with_resolve(resolver: Arc<dyn Resolve>) -> Arc<Self> {
        Arc::new(Self {
            resolve: resolver,
            lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)),
            kept: Mutex::default(),
        })
    }

    fn recall(&self, name: &str) -> Option<Vec<IpAddr>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.get(name).filter(|kept| kept.until > Instant::now())?;
        Some(found.addresses.clone())
    }

    fn keep(&self, name: String, addresses: Vec<IpAddr>) {
        let now = Instant::now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT {
            kept.retain(|_, kept| kept.until > now);
        }
        if kept.len() < MAX_KEPT {
            kept.insert(name, Kept { until: now + KEPT, addresses });
        }
    }
}

/// Questions that the guests of one task may have asked at the same time.
pub(crate) struct TaskLookups(Arc<Semaphore>);

impl Default for TaskLookups {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_LOOKUPS_OF_TASK)))
    }
}

/// What one guest may ask of names.
#[derive(Clone)]
pub(crate) struct GuestNames {
    names: Arc<Resolver>,
    /// Its own, and those of its task.
    lookups: [Arc<Semaphore>; 2],
}

impl GuestNames {
    /// A guest that has asked for nothing yet.
    pub(crate) fn new(names: &Arc<Resolver>, task: &TaskLookups) -> Self {
        let own = Arc::new(Semaphore::new(MAX_LOOKUPS_OF_GUEST));
        Self { names: Arc::clone(names), lookups: [own, Arc::clone(&task.0)] }
    }

    /// Returns the addresses of a name, at least one. Waits as long as the system's resolver does.
    ///
    /// Cancel safe: a dropped call leaves its lookup to finish in the background.
    pub(crate) async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        if let Some(addresses) = self.names.recall(name) {
            return Ok(addresses);
        }
        // The narrowest first: who waits for it takes nobody else's. Nobody closes the semaphores.
        let [own, of_task] = &self.lookups;
        let mut held = Vec::with_capacity(3);
        for lookups in [own, of_task, &self.names.lookups] {
            held.push(Arc::clone(lookups).acquire_owned().await.ok());
        }
        let resolver = Arc::clone(&self.names.resolve);
        let asked = name.to_owned();
        let answer = tokio::task::spawn_blocking(move || {
            let answer = resolver.addresses(&asked);
            // Here, so that a question counts until it has ended, though nobody may wait for it any more.
            drop(held);
            answer
        });
        let mut addresses = answer.await.map_err(io::Error::other)??;
        addresses.truncate(MAX_ADDRESSES);
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no addresses"));
        }
        self.names.keep(name.to_owned(), addresses.clone());
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, count};
    use futures_util::FutureExt as _;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Maximum time for the threads to meet.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// Returns another address for each lookup, and records how many run at once. The first lookups return as soon as
    /// `awaited` of them run, or after [`PATIENCE`].
    #[derive(Default)]
    struct Busy {
        asked: AtomicUsize,
        running: AtomicUsize,
        most: AtomicUsize,
        awaited: usize,
    }

    impl Resolve for Busy {
        fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
            let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(running, Ordering::SeqCst);
            let began = std::time::Instant::now();
            while self.most.load(Ordering::SeqCst) < self.awaited && began.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(1));
            }
            self.running.fetch_sub(1, Ordering::SeqCst);
            let asked = u8::try_from(self.asked.fetch_add(1, Ordering::SeqCst)).unwrap();
            if name == "nobody" { Ok(Vec::new()) } else { Ok(vec![[1, 1, 1, asked].into(); 100]) }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_kept_for_a_while() {
        let names =
            GuestNames::new(&Resolver::with_resolve(Arc::new(Busy::default())), &TaskLookups::default());
        let first = names.addresses("a").await.unwrap();
        assert_eq!(first.len(), MAX_ADDRESSES);
        assert_eq!(names.addresses("a").await.unwrap(), first);
        assert_ne!(names.addresses("b").await.unwrap(), first);
        tokio::time::advance(KEPT).await;
        assert!(names.names.recall("a").is_none());
    }

    #[tokio::test]
    async fn a_name_without_addresses_is_an_error() {
        let names =
            GuestNames::new(&Resolver::with_resolve(Arc::new(Busy::default())), &TaskLookups::default());
        assert_eq!(names.addresses("nobody").await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn a_guest_asks_for_few_names_at_a_time() {
        let busy = Arc::new(Busy { awaited: MAX_LOOKUPS_OF_GUEST, ..Busy::default() });
        let resolver: Arc<dyn Resolve> = Arc::<Busy>::clone(&busy);
        let names = GuestNames::new(&Resolver::with_resolve(resolver), &TaskLookups::default());
        let texts: Vec<_> = (0..40).map(|number| number.to_string()).collect();
        let answers = futures_util::future::join_all(texts.iter().map(|name| names.addresses(name))).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(busy.most.load(Ordering::SeqCst), MAX_LOOKUPS_OF_GUEST);
    }

    #[tokio::test]
    async fn questions_that_guests_have_left_behind_count_for_their_task() {
        let never = Busy { awaited: 2 * MAX_LOOKUPS_OF_TASK, ..Busy::default() };
        let busy = Arc::new(never);
        let resolver: Arc<dyn Resolve> = Arc::<Busy>::clone(&busy);
        let (names, task) = (Resolver::with_resolve(resolver), TaskLookups::default());
        let texts: Vec<_> = (0..40).map(|number| number.to_string()).collect();
        let ask = |text: &String| {
            let guest = GuestNames::new(&names, &task);
            let text = text.clone();
            async move { guest.addresses(&text).await }
        };
        let mut asked: Vec<_> = texts.iter().map(ask).map(Box::pin).collect();
        for question in &mut asked {
            assert!(question.now_or_never().is_none());
        }
        while busy.most.load(Ordering::SeqCst) < MAX_LOOKUPS_OF_TASK {
            tokio::task::yield_now().await;
        }
        // Their guests are gone, and others ask: none of their questions reaches the resolver.
        drop(asked);
        assert!(ask(&"one more".to_owned()).now_or_never().is_none());
        assert_eq!(busy.running.load(Ordering::SeqCst), MAX_LOOKUPS_OF_TASK);
        let other = GuestNames::new(&names, &TaskLookups::default());
        let mut other = Box::pin(other.addresses("of another task"));
        assert!((&mut other).now_or_never().is_none());
        while busy.most.load(Ordering::SeqCst) == MAX_LOOKUPS_OF_TASK {
            tokio::task::yield_now().await;
        }
        busy.most.store(2 * MAX_LOOKUPS_OF_TASK, Ordering::SeqCst);
        assert!(other.await.is_ok());
    }

    #[test]
    fn the_manual_has_the_bounds_of_this_file() {
        let call = |limit| Page::of("limits").section("Limits of a call").line(limit).cell(1);
        call("names looked up").says(&count(MAX_LOOKUPS_OF_GUEST));
        call("names looked up").says(&count(MAX_LOOKUPS));
        call("addresses of a name").says(&count(MAX_ADDRESSES));
        assert_eq!(KEPT, Duration::from_secs(5));
        Page::of("grants").section("tcp and dns").says("kept for five seconds");
    }
}
