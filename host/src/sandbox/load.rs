//! The sandbox: loads components and prepares their functions for calls.
//! `call` performs a single call, from its arguments to its result.

use crate::invoke::{FunctionId, Grants};
use crate::model::{Size, to_usize};
use crate::sandbox::codec::Codec;
use crate::sandbox::compile::precheck::Shape;
use crate::sandbox::compile::{
    Bounds, CodeCache, CompilePool, Compiler, KeptComponents, SlowCompilation, TextEncoding, Wit, module,
    precheck,
};
use crate::sandbox::component::{
    Codes, Component, Import, Interface, Offer, Shared, Source, Toolchain, is_later_wasi, reflect,
};
use crate::sandbox::engine::{Bounded, Engines};
use crate::sandbox::error::LoadError;
use crate::sandbox::guest::{
    Client, MAX_HANDLES, Network, Orphans, Prepared, TaskLookups, Variant, covers, max_instances,
};
use crate::sandbox::kind::{EngineKind, GuestKind};
use crate::state::Buckets;
use crate::value::{Command, Export};
use bytes::Bytes;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime::component::ComponentExportIndex;

/// Number of files that an operation of a guest opens for a moment, to walk a path or to look up a name.
const TRANSIENT_FILES: usize = 4;

/// Unit of a shared budget, in bytes.
const KIB: u64 = 1 << 10;

/// Settings of a sandbox.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Maximum number of guests at the same time (`-j`); more calls wait.
    pub calls: u32,
    /// Private folder for compiled code. Without one, every process compiles anew.
    pub code_cache: Option<PathBuf>,
}

/// How a component is loaded.
#[derive(Debug, Clone, Copy)]
pub struct LoadRequest<'a> {
    /// Its name, for messages.
    pub name: &'a str,
    /// The WIT of a core module that does not carry its own.
    pub wit: Option<&'a Wit>,
    /// The guests whose code is compiled first: no other is compiled unless a function is prepared for others.
    pub guest: GuestKind,
}

impl LoadRequest<'_> {
    /// The request for a component whose guests have default limits.
    pub const PLAIN: Self = Self { name: "component", wit: None, guest: GuestKind::PLAIN };
}

/// Receives reports of compilations that take long.
pub(crate) type SlowCompile = Arc<dyn Fn(SlowCompilation<'_>) + Send + Sync>;

/// Loads components and calls their functions, each call in a fresh guest.
pub struct Sandbox {
    /// Engines, created on first use.
    pub(crate) engines: Arc<Engines>,
    /// Compiler and composer.
    pub(crate) compiler: Compiler,
    /// Cache of compiled code, if a folder is given and can be trusted.
    pub(crate) code_cache: Option<Arc<CodeCache>>,
    /// Whether compiled code is still added to the cache. After an error, such as a full disk, no more is added.
    pub(crate) is_caching: Arc<AtomicBool>,
    /// Folder for code that cannot be cached.
    pub(crate) scratch: PathBuf,
    /// Function that is called after each second of a compilation, and at the end of one that took longer than a second.
    pub(crate) slow_compile: Option<SlowCompile>,
    network: Arc<Network>,
    // A mutex because components are loaded concurrently. Each critical section accesses a few lines.
    warnings: Arc<Mutex<Vec<String>>>,
    // A lock because functions may be prepared while others are called. Each critical section is one vector access.
    prepared: RwLock<Vec<Arc<Prepared>>>,
    // Set after functions are prepared: the backend is opened last, once everything else is valid.
    buckets: Arc<OnceLock<Arc<dyn Buckets>>>,
    /// Permits of guests, one per slot.
    pub(crate) permits: Arc<Semaphore>,
    /// Memory of the host for all guests.
    pub(crate) budget: Size,
    /// What is left of the budget, in KiB, if several runs share it. The ledger of a run counts that run alone.
    shared_budget: Option<Arc<Semaphore>>,
    // Set after components are loaded, because loading opens files too.
    files: Arc<OnceLock<usize>>,
    orphans: Arc<Orphans>,
    pub(crate) bounded: Bounded,
}

impl Prepared {
    /// Returns whether a folder is granted.
    pub(crate) const fn has_folders(&self) -> bool {
        !self.grants.read.is_empty() || !self.grants.write.is_empty()
    }
}

impl Sandbox {
    /// Creates a sandbox. Components are compiled in this process unless a pool of worker processes is set. An untrusted
    /// code cache folder is not used, and [`Self::take_warnings`] returns the reason.
    pub fn new(settings: Settings) -> Result<Self, LoadError> {
        Self::build(settings, Bounded::Yes)
    }

    /// Creates a sandbox without all bounds that can be left out, to measure their cost.
    #[cfg(feature = "internals")]
    pub fn without_bounds(settings: Settings) -> Result<Self, LoadError> {
        Self::build(settings, Bounded::No)
    }

    fn build(settings: Settings, bounded: Bounded) -> Result<Self, LoadError> {
        let calls = settings.calls.max(1);
        let engines = Engines::new(calls, bounded)?;
        engines.runtime(EngineKind::PLAIN)?;
        let mut warnings = Vec::new();
        let code_cache = settings.code_cache.and_then(|folder| match CodeCache::open(&folder) {
            Ok(cache) => Some(Arc::new(cache)),
            Err(error) => {
                warnings.push(CodeCache::not_cached(&folder, &error));
                None
            }
        });
        let permits = Semaphore::new(to_usize(calls));
        Ok(Self {
            engines: Arc::new(engines),
            compiler: Compiler::InProcess,
            code_cache,
            is_caching: Arc::new(AtomicBool::new(true)),
            scratch: PathBuf::from("/tmp"),
            slow_compile: None,
            network: Arc::new(Network::of_system()),
            warnings: Arc::new(warnings.into()),
            prepared: RwLock::default(),
            buckets: Arc::default(),
            permits: Arc::new(permits),
            budget: Size::bytes(u64::MAX),
            shared_budget: None,
            files: Arc::default(),
            orphans: Arc::default(),
            bounded,
        })
    }

    /// Returns the sender of the host's own requests.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(Arc::clone(&self.network))
    }

    /// Returns the fetched components that are kept beside the compiled code, if that is cached.
    #[must_use]
    pub fn kept_components(&self) -> Option<KeptComponents> {
        self.code_cache.as_ref().map(|cache| KeptComponents(Arc::clone(cache)))
    }

    /// Returns a sandbox for another run of the same components: with the same engines, slots, budget and bounds, and with
    /// functions and buckets of its own.
    #[must_use]
    pub fn for_another_run(&self) -> Self {
        Self {
            engines: Arc::clone(&self.engines),
            compiler: self.compiler.clone(),
            code_cache: self.code_cache.clone(),
            is_caching: Arc::clone(&self.is_caching),
            scratch: self.scratch.clone(),
            slow_compile: self.slow_compile.clone(),
            network: Arc::clone(&self.network),
            warnings: Arc::clone(&self.warnings),
            prepared: RwLock::default(),
            buckets: Arc::default(),
            permits: Arc::clone(&self.permits),
            budget: self.budget,
            shared_budget: self.shared_budget.clone(),
            files: Arc::clone(&self.files),
            orphans: Arc::clone(&self.orphans),
            bounded: self.bounded,
        }
    }

    /// Sets the host's memory for all guests. A guest whose limit exceeds it runs alone.
    #[must_use]
    pub fn with_budget(mut self, budget: Size) -> Self {
        self.budget = budget;
        self
    }

    /// Shares the budget between the runs of [`Self::for_another_run`]: a call waits until its limit of memory is free.
    #[must_use]
    pub fn with_shared_budget(mut self) -> Self {
        let kib = usize::try_from(self.budget.as_bytes() / KIB).unwrap_or(Semaphore::MAX_PERMITS);
        self.shared_budget = Some(Arc::new(Semaphore::new(kib.clamp(1, Semaphore::MAX_PERMITS))));
        self
    }

    /// Waits until the budget has room for a guest; none if runs do not share it. A guest with a larger limit waits for all.
    pub(crate) async fn reserve_memory(&self, limit: Size) -> Option<SemaphorePermit<'_>> {
        let shared = self.shared_budget.as_deref()?;
        let kib = limit.min(self.budget).as_bytes().div_ceil(KIB);
        let kib = u32::try_from(kib.min(self.budget.as_bytes() / KIB)).unwrap_or(u32::MAX);
        shared.acquire_many(kib).await.ok() // the semaphore is never closed
    }

    /// Sets the pool of worker processes that compile components, each within its bounds.
    #[must_use]
    pub fn with_compile_pool(self, pool: CompilePool) -> Self {
        Self { compiler: Compiler::Child(pool), ..self }
    }

    /// Sets the folder for code that cannot be cached. If it cannot be written either, the code stays in memory.
    #[must_use]
    pub fn with_scratch(self, folder: PathBuf) -> Self {
        Self { scratch: folder, ..self }
    }

    /// Sets a function that is called after each second of a compilation, and at the end of one that took longer.
    #[must_use]
    pub fn with_slow_compile(self, follow: impl Fn(SlowCompilation<'_>) + Send + Sync + 'static) -> Self {
        Self { slow_compile: Some(Arc::new(follow)), ..self }
    }

    /// Returns the maximum size of a component.
    #[must_use]
    pub fn max_component_size(&self) -> Size {
        match &self.compiler {
            Compiler::InProcess => Bounds::default().component,
            Compiler::Child(pool) => pool.bounds.component,
        }
    }

    /// Returns how many components may be loaded at the same time.
    #[must_use]
    pub fn max_parallel_loads(&self) -> usize {
        match &self.compiler {
            Compiler::InProcess => 1,
            Compiler::Child(pool) => pool.max_processes.max(1),
        }
    }

    /// Returns the warnings about creating the sandbox and loading components, each once.
    #[must_use]
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn warn(&self, warning: String) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    /// Divides the process's spare files among the guests that may run at the same time; returns one guest's share.
    ///
    /// Only the first call has an effect.
    pub fn share_files(&self, spare: usize) -> usize {
        let per_guest = (spare / to_usize(self.engines.calls)).saturating_sub(TRANSIENT_FILES);
        *self.files.get_or_init(|| per_guest.clamp(1, MAX_HANDLES))
    }

    /// Returns the maximum number of open files of one guest.
    pub(crate) fn files_of_guest(&self) -> usize {
        self.files.get().copied().unwrap_or(MAX_HANDLES)
    }

    /// Fails if the address space is too small for as many guests as may run at the same time.
    pub fn require_address_space(&self) -> Result<(), LoadError> {
        self.engines.require_address_space()
    }

    /// Sets the backend of the guests' buckets. Only the first call has an effect.
    pub fn set_buckets(&self, buckets: Arc<dyn Buckets>) {
        self.buckets.get_or_init(|| buckets);
    }

    /// Compiles a component, or takes its code from the cache, and reads its interface.
    ///
    /// Blocks while compiling: on an async runtime, call it where blocking is allowed.
    pub fn load(&self, bytes: Bytes) -> Result<Component, LoadError> {
        self.load_as(bytes, &LoadRequest::PLAIN)
    }

    /// Loads a component like [`Self::load`], or a core module by the WIT that it was built by.
    pub fn load_as(&self, bytes: Bytes, request: &LoadRequest<'_>) -> Result<Component, LoadError> {
        let LoadRequest { name, wit, guest } = *request;
        let (counts, Shape { form, strangers }) = precheck::precheck(&bytes, wit)?;
        let digest = module::identity(form, &bytes, wit);
        let bytes = module::payload(bytes, wit, TextEncoding::Utf8);
        let source = Source { name, digest: &digest, bytes: &bytes };
        let code = self.first_code(guest, counts.features, source)?;
        // Compilation has validated the component, so its types are sound.
        let Interface { exports, mut imports } = reflect::interface(&code.runtime.engine, &code.component)?;
        if let Some(later) = imports.iter().find(|import| is_later_wasi(&import.name)) {
            return Err(LoadError::LaterWasi(later.name.to_string()));
        }
        imports.extend(strangers.into_iter().map(|(module, functions)| Import::of_module(module, functions)));
        Ok(Component {
            shared: Arc::new(Shared {
                name: name.into(),
                digest,
                identity: digest,
                traps: Vec::new(),
                form,
                bytes,
                codes: Arc::new(Codes::new(code)),
                toolchain: counts.toolchain.or_else(|| Toolchain::of_exports(&exports)),
                exports,
                imports,
                instances: max_instances(counts),
            }),
        })
    }

    /// Prepares an exported function for calls with some grants by guests of these kinds, at least one. Ids count from zero
    /// in the order of preparation. With a command, the export is that of `wasi:cli/run`, and the arguments of a call are
    /// those of the command.
    ///
    /// Fails if the function's types, or an import of the component, are not supported.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the prepared function")]
    pub fn prepare(
        &self,
        component: &Component,
        export: &Export,
        command: Option<&Arc<Command>>,
        grants: Grants,
        guests: &[GuestKind],
    ) -> Result<FunctionId, LoadError> {
        let signature = match &export.signature {
            Ok(signature) => signature,
            Err(unsupported) => {
                return Err(LoadError::Unsupported {
                    function: export_text(export),
                    source: unsupported.clone(),
                });
            }
        };
        require_known_imports(component)?;
        if command.is_some() {
            require_free_root(&grants)?;
        }
        let shared = &component.shared;
        let mut variants = Vec::with_capacity(guests.len());
        for guest in guests {
            let code = self.code_for(shared, *guest)?;
            let index = export_index(&code.component, export)
                .ok_or_else(|| LoadError::NoExport(export_text(export)))?;
            variants.push(Variant { guest: *guest, instance: shared.link(&code)?, index });
        }
        let prepared = Prepared {
            component: shared.identity,
            export: export.clone(),
            command: command.map(Arc::clone),
            codec: Arc::new(Codec::new(signature, &export.passing)),
            is_concurrent: shared.codes.first.runtime.kind.code.features.concurrency,
            grants,
            buckets: Arc::clone(&self.buckets),
            network: Arc::clone(&self.network),
            lookups: TaskLookups::default(),
            orphans: Arc::clone(&self.orphans),
            instances: component.shared.instances,
            variants,
        };
        let mut functions = self.prepared.write().unwrap_or_else(PoisonError::into_inner);
        functions.push(Arc::new(prepared));
        Ok(FunctionId(functions.len() - 1))
    }

    /// Returns the prepared function with that id.
    pub(crate) fn prepared(&self, id: FunctionId) -> Option<Arc<Prepared>> {
        self.prepared.read().unwrap_or_else(PoisonError::into_inner).get(id.0).map(Arc::clone)
    }
}

fn require_known_imports(component: &Component) -> Result<(), LoadError> {
    let is_missing = |import: &&Import| matches!(import.offer, Offer::Unknown | Offer::Module);
    match component.imports().iter().find(is_missing) {
        None => Ok(()),
        Some(import) => Err(LoadError::UnknownImport {
            interface: Arc::clone(&import.name),
            function: import.functions.first().cloned(),
        }),
    }
}

/// Fails if a granted folder would hide the working directory of a command.
fn require_free_root(grants: &Grants) -> Result<(), LoadError> {
    let folders = grants.read.iter().chain(&grants.write);
    match folders.map(|(_, guest)| guest).find(|guest| covers(guest, "/")) {
        None => Ok(()),
        Some(guest) => Err(LoadError::HidesWorkingDirectory(guest.clone())),
    }
}

fn export_index(component: &wasmtime::component::Component, export: &Export) -> Option<ComponentExportIndex> {
    let interface = match &export.interface {
        Some(name) => Some(component.get_export_index(None, &**name)?),
        None => None,
    };
    component.get_export_index(interface.as_ref(), &*export.function)
}

fn export_text(export: &Export) -> String {
    match &export.interface {
        Some(interface) => format!("{interface}.{}", export.function),
        None => export.function.to_string(),
    }
}
