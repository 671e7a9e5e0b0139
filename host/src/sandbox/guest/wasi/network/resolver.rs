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

/// Maximum number of concurrent lookups of all guests of one task: each attempt may leave lookups behind.
const MAX_LOOKUPS_OF_TASK: usize = 16;

/// Time for which an answer is cached. A guest that resolves a name and then connects gets the same addresses, whatever
/// order and selection a DNS server returns.
const CACHE_TTL: Duration = Duration::from_secs(5);

/// Maximum number of cached answers.
const MAX_CACHED: usize = 256;

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
    cache: Mutex<HashMap<String, CachedAnswer>>,
}

struct CachedAnswer {
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
            cache: Mutex::default(),
        })
    }

    fn cached(&self, name: &str) -> Option<Vec<IpAddr>> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let found = cache.get(name).filter(|answer| answer.until > Instant::now())?;
        Some(found.addresses.clone())
    }

    fn cache_answer(&self, name: String, addresses: Vec<IpAddr>) {
        let now = Instant::now();
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= MAX_CACHED {
            cache.retain(|_, answer| answer.until > now);
        }
        if cache.len() < MAX_CACHED {
            cache.insert(name, CachedAnswer { until: now + CACHE_TTL, addresses });
        }
    }
}

/// Permits for the concurrent lookups of all guests of one task.
pub(crate) struct TaskLookups(Arc<Semaphore>);

impl Default for TaskLookups {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_LOOKUPS_OF_TASK)))
    }
}

/// Resolver of one guest, with its quota.
#[derive(Clone)]
pub(crate) struct GuestNames {
    names: Arc<Resolver>,
    /// Permits of the guest, and of its task.
    lookups: [Arc<Semaphore>; 2],
}

impl GuestNames {
    /// Creates the resolver of a guest.
    pub(crate) fn new(names: &Arc<Resolver>, task: &TaskLookups) -> Self {
        let own = Arc::new(Semaphore::new(MAX_LOOKUPS_OF_GUEST));
        Self { names: Arc::clone(names), lookups: [own, Arc::clone(&task.0)] }
    }

    /// Returns the addresses of a name, at least one. Waits as long as the system's resolver does.
    ///
    /// Cancel safe: a dropped call leaves its lookup to finish in the background.
    pub(crate) async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        if let Some(addresses) = self.names.cached(name) {
            return Ok(addresses);
        }
        // The narrowest quota first: a guest that waits for it holds no permits of others. The semaphores are never closed.
        let [own, of_task] = &self.lookups;
        let mut held = Vec::with_capacity(3);
        for lookups in [own, of_task, &self.names.lookups] {
            held.push(Arc::clone(lookups).acquire_owned().await.ok());
        }
        let resolver = Arc::clone(&self.names.resolve);
        let lookup_name = name.to_owned();
        let answer = tokio::task::spawn_blocking(move || {
            let answer = resolver.addresses(&lookup_name);
            // Dropped here, so that a lookup counts until it returns, even if it is no longer awaited.
            drop(held);
            answer
        });
        let mut addresses = answer.await.map_err(io::Error::other)??;
        addresses.truncate(MAX_ADDRESSES);
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no addresses"));
        }
        self.names.cache_answer(name.to_owned(), addresses.clone());
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
    const MAX_WAIT: Duration = Duration::from_secs(20);

    /// Returns another address for each lookup, and records how many run at once. The first lookups return as soon as
    /// `awaited` of them run, or after [`MAX_WAIT`].
    #[derive(Default)]
    struct CountingResolver {
        lookups: AtomicUsize,
        running: AtomicUsize,
        max_running: AtomicUsize,
        awaited: usize,
    }

    impl Resolve for CountingResolver {
        fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
            let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
            self.max_running.fetch_max(running, Ordering::SeqCst);
            let started = std::time::Instant::now();
            while self.max_running.load(Ordering::SeqCst) < self.awaited && started.elapsed() < MAX_WAIT {
                std::thread::sleep(Duration::from_millis(1));
            }
            self.running.fetch_sub(1, Ordering::SeqCst);
            let nth = u8::try_from(self.lookups.fetch_add(1, Ordering::SeqCst)).unwrap();
            if name == "nobody" { Ok(Vec::new()) } else { Ok(vec![[1, 1, 1, nth].into(); 100]) }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn answers_are_cached_for_the_ttl() {
        let names = GuestNames::new(
            &Resolver::with_resolve(Arc::new(CountingResolver::default())),
            &TaskLookups::default(),
        );
        let first = names.addresses("a").await.unwrap();
        assert_eq!(first.len(), MAX_ADDRESSES);
        assert_eq!(names.addresses("a").await.unwrap(), first);
        assert_ne!(names.addresses("b").await.unwrap(), first);
        tokio::time::advance(CACHE_TTL).await;
        assert!(names.names.cached("a").is_none());
    }

    #[tokio::test]
    async fn name_without_addresses_is_an_error() {
        let names = GuestNames::new(
            &Resolver::with_resolve(Arc::new(CountingResolver::default())),
            &TaskLookups::default(),
        );
        assert_eq!(names.addresses("nobody").await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn lookups_of_a_guest_are_bounded() {
        let counting =
            Arc::new(CountingResolver { awaited: MAX_LOOKUPS_OF_GUEST, ..CountingResolver::default() });
        let resolver: Arc<dyn Resolve> = Arc::<CountingResolver>::clone(&counting);
        let names = GuestNames::new(&Resolver::with_resolve(resolver), &TaskLookups::default());
        let texts: Vec<_> = (0..40).map(|number| number.to_string()).collect();
        let answers = futures_util::future::join_all(texts.iter().map(|name| names.addresses(name))).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(counting.max_running.load(Ordering::SeqCst), MAX_LOOKUPS_OF_GUEST);
    }

    #[tokio::test]
    async fn abandoned_lookups_count_for_their_task() {
        let blocked = CountingResolver { awaited: 2 * MAX_LOOKUPS_OF_TASK, ..CountingResolver::default() };
        let counting = Arc::new(blocked);
        let resolver: Arc<dyn Resolve> = Arc::<CountingResolver>::clone(&counting);
        let (names, task) = (Resolver::with_resolve(resolver), TaskLookups::default());
        let texts: Vec<_> = (0..40).map(|number| number.to_string()).collect();
        let look_up = |text: &String| {
            let guest = GuestNames::new(&names, &task);
            let text = text.clone();
            async move { guest.addresses(&text).await }
        };
        let mut lookups: Vec<_> = texts.iter().map(look_up).map(Box::pin).collect();
        for lookup in &mut lookups {
            assert!(lookup.now_or_never().is_none());
        }
        while counting.max_running.load(Ordering::SeqCst) < MAX_LOOKUPS_OF_TASK {
            tokio::task::yield_now().await;
        }
        // The guests are gone; no lookup of other guests of the task reaches the resolver.
        drop(lookups);
        assert!(look_up(&"one more".to_owned()).now_or_never().is_none());
        assert_eq!(counting.running.load(Ordering::SeqCst), MAX_LOOKUPS_OF_TASK);
        let other = GuestNames::new(&names, &TaskLookups::default());
        let mut other = Box::pin(other.addresses("of another task"));
        assert!((&mut other).now_or_never().is_none());
        while counting.max_running.load(Ordering::SeqCst) == MAX_LOOKUPS_OF_TASK {
            tokio::task::yield_now().await;
        }
        counting.max_running.store(2 * MAX_LOOKUPS_OF_TASK, Ordering::SeqCst);
        assert!(other.await.is_ok());
    }

    #[test]
    fn manual_names_the_limits_of_this_file() {
        let call = |limit| Page::of("limits").section("Limits of a call").line(limit).cell(1);
        call("names looked up").says(&count(MAX_LOOKUPS_OF_GUEST));
        call("names looked up").says(&count(MAX_LOOKUPS));
        call("addresses of a name").says(&count(MAX_ADDRESSES));
        assert_eq!(CACHE_TTL, Duration::from_secs(5));
        Page::of("grants").section("tcp and dns").says("kept for five seconds");
    }
}
