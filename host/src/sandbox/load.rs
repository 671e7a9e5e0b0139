//! The sandbox itself: components are loaded, and their functions prepared for calls.
//! A single call, from its arguments to its result, is for `call`.

use crate::invoke::FunctionId;
use crate::invoke::Grants;
use crate::model::Digest;
use crate::model::to_usize;
use crate::sandbox::code_cache::CodeCache;
use crate::sandbox::component::Code;
use crate::sandbox::component::Component;
use crate::sandbox::component::LoadError;
use crate::sandbox::component::Shared;
use crate::sandbox::engine::Allocation;
use crate::sandbox::engine::Engines;
use crate::sandbox::engine::Runtime;
use crate::sandbox::offer::Offer;
use crate::sandbox::reflect;
use crate::sandbox::shape::Codec;
use crate::sandbox::sniff;
use crate::sandbox::state::State;
use crate::sandbox::wasi::Network;
use crate::value::Export;
use bytes::Bytes;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use tokio::sync::Semaphore;
use wasmtime::component::{ComponentExportIndex, InstancePre};

/// What a sandbox is made of.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How many guests run at the same time; more calls wait.
    pub calls: u32,
    /// A private folder for compiled code; without one, code is compiled anew by every process.
    pub code_cache: Option<PathBuf>,
}

/// What bounds a guest's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metering {
    /// The timeout of the call alone.
    Time,
    /// Fuel as well: for tasks that have `limits.fuel`. The code is slower, and not the code of other tasks.
    Fuel,
}

/// Loads components, and calls their functions, each call in a sandbox of its own.
pub struct Sandbox {
    engines: Engines,
    code_cache: Option<CodeCache>,
    network: Arc<Network>,
    warnings: Vec<String>,
    // A lock because functions may be prepared while others are called. Both sections are an access to the vector.
    prepared: RwLock<Vec<Arc<Prepared>>>,
    pub(crate) permits: Semaphore,
}

/// A function that is ready to be called.
pub(crate) struct Prepared {
    pub(crate) component: Digest,
    pub(crate) export: Export,
    pub(crate) codec: Arc<Codec>,
    pub(crate) grants: Grants,
    pub(crate) network: Arc<Network>,
    pub(crate) metering: Metering,
    pub(crate) instance: InstancePre<State>,
    pub(crate) index: ComponentExportIndex,
}

impl Sandbox {
    /// Makes the engine. A folder for code that cannot be trusted is not used, and [`Self::warnings`] says why.
    pub fn new(settings: Settings) -> Result<Self, LoadError> {
        Self::within(settings, Network::of_system())
    }

    /// The same within some network.
    pub(crate) fn within(settings: Settings, network: Network) -> Result<Self, LoadError> {
        let calls = settings.calls.max(1);
        let engines = Engines::new(calls);
        engines.runtime(Metering::Time, Allocation::Pooling)?;
        let mut warnings = Vec::new();
        let code_cache = settings.code_cache.and_then(|folder| match CodeCache::open(&folder) {
            Ok(cache) => Some(cache),
            Err(refused) => {
                warnings.push(format!("compiled code is not kept in `{}`: {refused}", folder.display()));
                None
            }
        });
        let permits = Semaphore::new(to_usize(calls));
        Ok(Self {
            engines,
            code_cache,
            network: Arc::new(network),
            warnings,
            prepared: RwLock::default(),
            permits,
        })
    }

    /// What an operator should know about how the sandbox was made.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Compiles a component, or takes its code from the cache, and looks at its types.
    ///
    /// Compiling takes its time: on an async runtime, call it where blocking is allowed.
    pub fn load(&self, bytes: Bytes) -> Result<Component, LoadError> {
        sniff::check(&bytes)?;
        let digest = Digest::of(&bytes);
        let code = self.code(Metering::Time, &digest, &bytes)?;
        let exports = reflect::exports(&code.runtime.engine, &code.component);
        let imports = reflect::imports(&code.runtime.engine, &code.component);
        Ok(Component {
            shared: Arc::new(Shared { digest, bytes, code, fueled: OnceLock::new(), exports, imports }),
        })
    }

    /// Makes an exported function ready to be called with some grants. Ids count from zero in the order of preparation.
    pub fn prepare(
        &self,
        component: &Component,
        export: &Export,
        grants: Grants,
        metering: Metering,
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
        let shared = &component.shared;
        let code = match metering {
            Metering::Time => shared.code.clone(),
            Metering::Fuel => self.fueled(shared)?,
        };
        let linked = code.runtime.linker.instantiate_pre(&code.component);
        let instance = linked.map_err(|error| import_type(&error))?;
        let index = find(&code.component, export).ok_or_else(|| LoadError::NoExport(export_text(export)))?;
        let prepared = Prepared {
            component: shared.digest,
            export: export.clone(),
            codec: Arc::new(Codec::of(signature)),
            grants,
            network: Arc::clone(&self.network),
            metering,
            instance,
            index,
        };
        let mut all = self.prepared.write().unwrap_or_else(PoisonError::into_inner);
        all.push(Arc::new(prepared));
        Ok(FunctionId(all.len() - 1))
    }

    /// The function that was prepared under that id.
    pub(crate) fn prepared(&self, id: FunctionId) -> Option<Arc<Prepared>> {
        self.prepared.read().unwrap_or_else(PoisonError::into_inner).get(id.0).map(Arc::clone)
    }

    /// The code of a component that counts fuel, compiled for the first task that needs it.
    fn fueled(&self, shared: &Shared) -> Result<Code, LoadError> {
        if let Some(code) = shared.fueled.get() {
            return Ok(code.clone());
        }
        let code = self.code(Metering::Fuel, &shared.digest, &shared.bytes)?;
        Ok(shared.fueled.get_or_init(|| code).clone())
    }

    /// Code for the pool, or, for a component that needs more than the pool's share of one guest, without it.
    fn code(&self, metering: Metering, digest: &Digest, bytes: &Bytes) -> Result<Code, LoadError> {
        let runtime = self.engines.runtime(metering, Allocation::Pooling)?;
        let pooled = match self.compile(&runtime, digest, bytes) {
            Ok(component) => return Ok(Code { runtime, component }),
            Err(error) => error,
        };
        if runtime.allocation == Allocation::OnDemand || !refused_by_pool(&pooled) {
            return Err(sniff::compile_error(pooled));
        }
        let runtime = self.engines.runtime(metering, Allocation::OnDemand)?;
        let component = self.compile(&runtime, digest, bytes).map_err(sniff::compile_error)?;
        Ok(Code { runtime, component })
    }

    fn compile(
        &self,
        runtime: &Runtime,
        digest: &Digest,
        bytes: &Bytes,
    ) -> wasmtime::Result<wasmtime::component::Component> {
        if let Some(kept) = self.code_cache.as_ref().and_then(|cache| cache.get(runtime, digest)) {
            return Ok(kept);
        }
        let component = wasmtime::component::Component::from_binary(&runtime.engine, bytes)?;
        if let Some(cache) = &self.code_cache {
            cache.put(runtime, digest, &component);
        }
        Ok(component)
    }
}

/// Whether the component is sound, and only larger than what the pool has for one guest.
fn refused_by_pool(error: &wasmtime::Error) -> bool {
    !error.is::<sniff::Invalid>()
}

fn require_known_imports(component: &Component) -> Result<(), LoadError> {
    match component.imports().iter().find(|import| import.offer == Offer::Unknown) {
        None => Ok(()),
        Some(import) => Err(LoadError::UnknownImport {
            interface: Arc::clone(&import.name),
            function: import.functions.first().cloned(),
        }),
    }
}

fn import_type(error: &wasmtime::Error) -> LoadError {
    let message = error.to_string();
    let interface = message.split('`').nth(1).unwrap_or(&message).to_owned();
    let causes: Vec<_> = error.chain().skip(1).map(ToString::to_string).collect();
    LoadError::ImportType { interface, source: causes.join(": ").into() }
}

fn find(component: &wasmtime::component::Component, export: &Export) -> Option<ComponentExportIndex> {
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
