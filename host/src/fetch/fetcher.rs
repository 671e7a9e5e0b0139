//! Finds components among those that are kept, or else fetches them, several at a time.
//! `registry` and `download` speak to servers; `app` decides what needs a pin.

use crate::config::{Access, Environment, FetchSettings, Pinning, Settings};
use crate::fetch::download::{Expected, download};
use crate::fetch::http::{Get, Http};
use crate::fetch::notes::Note;
use crate::fetch::registry::{Registry, Resolved};
use crate::fetch::{Error, Fetched, Pins};
use crate::model::{Digest, OciReference, Remote, SecureUrl, Size};
use crate::sandbox::{Client, KeptComponents, Sandbox};
use futures_util::StreamExt as _;
use futures_util::stream::iter;
use std::collections::HashMap;
use std::hash::Hash;
use std::io::Seek as _;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tempfile::NamedTempFile;
use tokio::runtime::Builder;
use tokio::time::timeout;

/// Maximum time for one component, from the first request to the last byte.
///
/// Threat: a server that sends a byte now and then.
const MAX_TIME: Duration = Duration::from_hours(1);

/// Maximum number of components that are fetched at the same time.
const MAX_PARALLEL: usize = 4;

/// Receives the source of a component that is fetched, and its size if that is known.
type Notice = Arc<dyn Fn(&Remote, Option<Size>) + Send + Sync>;

/// Fetches components for one command, or for the pipelines of one host.
pub(crate) struct Fetcher {
    environment: Environment,
    rules: FetchSettings,
    max: Size,
    client: Client,
    kept: Option<KeptComponents>,
    scratch: PathBuf,
    notice: Option<Notice>,
}

/// A component that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Wanted {
    /// Where it comes from.
    pub(crate) from: Remote,
    /// The digest that it must have.
    pub(crate) pin: Option<Digest>,
}

impl Wanted {
    /// Returns whether it is certain which bytes are meant.
    pub(crate) fn is_pinned(&self) -> bool {
        self.pin.is_some() || matches!(&self.from, Remote::Oci(reference) if reference.digest().is_some())
    }
}

impl Fetcher {
    /// Creates a fetcher with the rules of a host's settings and variables.
    pub(crate) fn new(settings: &Settings, environment: &Environment, sandbox: &Sandbox) -> Self {
        Self {
            environment: environment.clone(),
            rules: settings.fetch,
            max: sandbox.max_component_size(),
            client: sandbox.client(),
            kept: sandbox.kept_components(),
            scratch: settings.scratch.clone(),
            notice: None,
        }
    }

    /// Sets a function that is called for each component that is fetched.
    #[must_use]
    pub(crate) fn with_notice(self, notice: impl Fn(&Remote, Option<Size>) + Send + Sync + 'static) -> Self {
        Self { notice: Some(Arc::new(notice)), ..self }
    }

    /// Returns whether each component needs a pin.
    pub(crate) const fn pinning(&self) -> Pinning {
        self.rules.pinning
    }

    /// Returns the wanted components, in their order. Blocks until all of them are there or have failed.
    pub(crate) fn fetch(&self, wanted: &[Wanted]) -> Vec<Result<Fetched, Arc<Error>>> {
        let find = |wanted: &Wanted| match self.find(wanted) {
            None if self.rules.access == Access::Offline => Some(Err(Error::Offline)),
            // It was fetched by a host that accepts larger ones.
            Some(found) if found.len() > self.max.as_bytes() => Some(Err(Error::TooLarge(self.max))),
            found => found.map(Ok), // kept, or to be fetched
        };
        self.each(wanted, find, async |session, wanted| session.fetch(wanted).await)
    }

    /// Returns the digests that pin what the sources have now. A registry tells them without the component itself.
    pub(crate) fn pins(&self, sources: &[Remote]) -> Vec<Result<Pins, Arc<Error>>> {
        let here = |source: &Remote| match (self.rules.access, &self.kept, source) {
            (Access::Online, ..) => None,
            (Access::Offline, Some(kept), Remote::Oci(reference)) => {
                let pins = Note::of(kept, reference);
                let pins = pins.map(|note| Pins { manifest: Some(note.manifest), component: note.component });
                Some(pins.ok_or(Error::Offline))
            }
            (Access::Offline, ..) => Some(Err(Error::Offline)),
        };
        self.each(sources, here, async |session, source| session.pins(source).await)
    }

    /// Returns a result for each item: of `here`, or else of `ask` over the network, once for equal items.
    fn each<K: Clone + Eq + Hash + Sync, T: Clone + Send>(
        &self,
        items: &[K],
        here: impl Fn(&K) -> Option<Result<T, Error>>,
        ask: impl AsyncFn(&Session<'_>, &K) -> Result<T, Error> + Sync,
    ) -> Vec<Result<T, Arc<Error>>> {
        let mut known: HashMap<&K, Result<T, Arc<Error>>> = HashMap::new();
        let mut missing: Vec<&K> = Vec::new();
        for item in items {
            if known.contains_key(item) || missing.contains(&item) {
                continue;
            }
            match here(item) {
                Some(found) => drop(known.insert(item, found.map_err(Arc::new))),
                None => missing.push(item),
            }
        }
        match self.ask_all(&missing, ask) {
            Ok(answers) => {
                known.extend(
                    missing.into_iter().zip(answers.into_iter().map(|answer| answer.map_err(Arc::new))),
                );
            }
            Err(error) => {
                let error = Arc::new(error);
                known.extend(missing.into_iter().map(|item| (item, Err(Arc::clone(&error)))));
            }
        }
        items.iter().filter_map(|item| known.get(item).cloned()).collect()
    }

    /// Asks for all items, a few at a time, in their order.
    fn ask_all<K: Sync, T: Send>(
        &self,
        items: &[&K],
        ask: impl AsyncFn(&Session<'_>, &K) -> Result<T, Error> + Sync,
    ) -> Result<Vec<Result<T, Error>>, Error> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let work = || {
            let http = Http::new(self.client.clone(), &self.environment)?;
            let session = Session { fetcher: self, http };
            let runtime = Builder::new_current_thread().enable_all().build().map_err(Error::Start)?;
            let bounded = async |item| {
                timeout(MAX_TIME, ask(&session, item)).await.unwrap_or(Err(Error::Slow(MAX_TIME)))
            };
            let answers =
                runtime.block_on(iter(items).map(|item| bounded(*item)).buffered(MAX_PARALLEL).collect());
            // A lookup of a name may hang, and cannot be stopped.
            runtime.shutdown_background();
            Ok(answers)
        };
        // On a thread of its own: that of a caller may drive another runtime, inside of which none may be entered.
        thread::scope(|scope| {
            let helper = thread::Builder::new().spawn_scoped(scope, work).map_err(Error::Start)?;
            helper.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// Returns a wanted component that is kept. What a tag means may have changed, so that is asked where it can be.
    fn find(&self, wanted: &Wanted) -> Option<Fetched> {
        let kept = self.kept.as_ref()?;
        let digest = match (wanted.pin, &wanted.from) {
            (Some(pin), _) => pin,
            (None, Remote::Oci(reference))
                if reference.digest().is_some() || self.rules.access == Access::Offline =>
            {
                Note::of(kept, reference)?.component
            }
            (None, Remote::Oci(_) | Remote::Url(_)) => return None,
        };
        Some(Fetched::new(kept.find(&digest)?, digest))
    }

    fn draft(&self) -> Result<NamedTempFile, Error> {
        let kept = self.kept.as_ref().and_then(|kept| kept.draft().ok());
        kept.map_or_else(|| NamedTempFile::new_in(&self.scratch), Ok).map_err(Error::Store)
    }

    /// Keeps a complete component.
    fn keep(&self, draft: NamedTempFile, digest: Digest) -> Result<Fetched, Error> {
        let file = draft.as_file().try_clone().map_err(Error::Store)?;
        if let Some(kept) = &self.kept {
            // Without it, the next host fetches the component again.
            drop(kept.keep(draft, &digest));
        }
        Ok(Fetched::new(file, digest))
    }
}

/// The fetching of one list of components. Without `Debug`, since it may hold secrets.
struct Session<'a> {
    fetcher: &'a Fetcher,
    http: Http,
}

impl Session<'_> {
    async fn fetch(&self, Wanted { from, pin }: &Wanted) -> Result<Fetched, Error> {
        match from {
            Remote::Oci(reference) => self.pull(reference, *pin).await,
            Remote::Url(url) => self.load(url, *pin).await,
        }
    }

    async fn pins(&self, source: &Remote) -> Result<Pins, Error> {
        match source {
            Remote::Oci(reference) => {
                let resolved = self.resolve(&mut self.registry(reference), reference).await?;
                Ok(Pins { manifest: Some(resolved.manifest), component: resolved.layer.digest })
            }
            Remote::Url(url) => Ok(Pins { manifest: None, component: self.load(url, None).await?.digest }),
        }
    }

    async fn resolve(
        &self,
        registry: &mut Registry<'_>,
        reference: &OciReference,
    ) -> Result<Resolved, Error> {
        let resolved = registry.resolve().await?;
        if let Some(kept) = &self.fetcher.kept {
            Note::store(kept, reference, &resolved);
        }
        Ok(resolved)
    }

    async fn pull(&self, reference: &OciReference, pin: Option<Digest>) -> Result<Fetched, Error> {
        let mut registry = self.registry(reference);
        let layer = self.resolve(&mut registry, reference).await?.layer;
        if pin.is_some_and(|pin| pin != layer.digest) {
            return Err(Error::NotPinned(layer.digest));
        }
        if layer.size > self.fetcher.max.as_bytes() {
            return Err(Error::TooLarge(self.fetcher.max));
        }
        if let Some(file) = self.fetcher.kept.as_ref().and_then(|kept| kept.find(&layer.digest)) {
            return Ok(Fetched::new(file, layer.digest));
        }
        self.tell(&Remote::Oci(reference.clone()), Some(Size::bytes(layer.size)));
        let url = registry.layer_url(layer)?;
        let expected = Expected { url: &url, size: Some(layer.size), max: self.fetcher.max, is_pinned: true };
        let mut draft = self.fetcher.draft()?;
        download(draft.as_file_mut(), expected, async |offset| registry.open(&url, offset).await).await?;
        let found = digest_of(&mut draft)?;
        if found != layer.digest {
            return Err(Error::Digest { what: "the layer", expected: layer.digest, found });
        }
        self.fetcher.keep(draft, found)
    }

    async fn load(&self, url: &SecureUrl, pin: Option<Digest>) -> Result<Fetched, Error> {
        self.tell(&Remote::Url(url.clone()), None);
        let url = url.url();
        let expected = Expected { url, size: None, max: self.fetcher.max, is_pinned: pin.is_some() };
        let mut draft = self.fetcher.draft()?;
        let open =
            async |offset| self.http.send(Get { offset, ..Get::new(url, "application/wasm, */*") }).await;
        download(draft.as_file_mut(), expected, open).await?;
        let found = digest_of(&mut draft)?;
        if pin.is_some_and(|pin| pin != found) {
            return Err(Error::NotPinned(found));
        }
        self.fetcher.keep(draft, found)
    }

    fn registry<'s>(&'s self, reference: &'s OciReference) -> Registry<'s> {
        Registry::new(&self.http, &self.fetcher.environment, reference)
    }

    fn tell(&self, from: &Remote, size: Option<Size>) {
        if let Some(notice) = &self.fetcher.notice {
            notice(from, size);
        }
    }
}

fn digest_of(draft: &mut NamedTempFile) -> Result<Digest, Error> {
    let file = draft.as_file_mut();
    file.rewind().and_then(|()| Digest::of_reader(file)).map_err(Error::Store)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, count};
    use crate::model::show_duration;

    #[test]
    fn manual_names_the_limits_of_this_file() {
        let host = |limit| Page::of("limits").section("Limits of a host").line(limit).cell(1);
        host("components that are fetched").says(&count(MAX_PARALLEL));
        host("time to fetch a component").says(&show_duration(MAX_TIME));
    }
}
