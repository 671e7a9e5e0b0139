//! The loaded component: code, exports and imports, shared by all its clones.
//! `compile` produces the code, `guest` and `call` run it.

use crate::model::{Digest, are_compatible};
use crate::sandbox::compile::Form;
use crate::sandbox::component::imports::{Import, Offer};
use crate::sandbox::component::toolchain::Toolchain;
use crate::sandbox::component::traps;
use crate::sandbox::engine::Runtime;
use crate::sandbox::error::{LoadError, import_type};
use crate::sandbox::guest::State;
use crate::sandbox::kind::EngineKind;
use crate::value::Export;
use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime::component::InstancePre;
use wasmtime::component::types::ComponentItem;

/// A compiled component with its exports and imports. Cheap to clone.
#[derive(Clone)]
pub struct Component {
    pub(crate) shared: Arc<Shared>,
}

/// State shared by all clones of a component.
pub(crate) struct Shared {
    /// Name for messages.
    pub(crate) name: Arc<str>,
    /// Identity of the component: of a module also its adapter and WIT.
    pub(crate) digest: Digest,
    /// Digest of all that determines results: the component, and what satisfies its imports.
    pub(crate) identity: Digest,
    /// Names of imports that trap.
    pub(crate) traps: Vec<Arc<str>>,
    /// Form of its file.
    pub(crate) form: Form,
    /// The component, or the module with its WIT, kept because tasks with a fuel limit need other code.
    pub(crate) bytes: Bytes,
    /// Its code, for each kind of guest.
    pub(crate) codes: Arc<Codes>,
    /// Exported functions.
    pub(crate) exports: Vec<Export>,
    /// Imported interfaces and functions.
    pub(crate) imports: Vec<Import>,
    /// The toolchain that built it, if it is a known one.
    pub(crate) toolchain: Option<Toolchain>,
    /// Maximum number of core instances in one of its guests.
    pub(crate) instances: usize,
}

/// Code of a component for each kind of guest that a task needs.
pub(crate) struct Codes {
    /// The code that was loaded first: of whichever kind, its types are the same.
    pub(crate) first: Code,
    // A mutex because runs of one host may prepare tasks concurrently. Each critical section accesses a few entries.
    others: Mutex<Vec<Code>>,
}

impl Codes {
    /// Creates a set of one code.
    pub(crate) fn new(first: Code) -> Self {
        Self { first, others: Mutex::default() }
    }

    /// Returns code of a kind that `is_wanted`.
    pub(crate) fn find(&self, is_wanted: impl Fn(EngineKind) -> bool) -> Option<Code> {
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let mut codes = std::iter::once(&self.first).chain(&*others);
        codes.find(|code| is_wanted(code.runtime.kind)).cloned()
    }

    /// Adds code for another kind of guest.
    pub(crate) fn add(&self, code: Code) {
        self.others.lock().unwrap_or_else(PoisonError::into_inner).push(code);
    }
}

/// Compiled code and the runtime that executes it.
#[derive(Clone)]
pub(crate) struct Code {
    /// The engine with its linker.
    pub(crate) runtime: Arc<Runtime>,
    /// The code, as wasmtime knows it.
    pub(crate) component: wasmtime::component::Component,
}

impl Component {
    /// Returns the digest that identifies the component. It is that of the file, but for a module, whose adapter and WIT
    /// decide what it does.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.shared.digest
    }

    /// Returns the form of the component's file.
    #[must_use]
    pub fn form(&self) -> Form {
        self.shared.form
    }

    /// Fails if the component imports a known interface with other types than the host's.
    pub fn check_imports(&self) -> Result<(), LoadError> {
        self.shared.link(&self.shared.codes.first).map(drop)
    }

    /// Returns the component with imports that trap, and with another identity. Names of imports that it does not have
    /// are ignored.
    #[must_use]
    pub fn with_traps(&self, names: &[Arc<str>], identity: Digest) -> Self {
        let shared = &self.shared;
        let is_trap = |import: &Import| names.iter().any(|name| are_compatible(name, &import.name));
        let trap = |import: &Import| {
            let offer = if is_trap(import) { Offer::Trap } else { import.offer };
            Import { offer, ..import.clone() }
        };
        let imports: Vec<Import> = shared.imports.iter().map(trap).collect();
        let traps = imports.iter().filter(|import| import.offer == Offer::Trap);
        Self {
            shared: Arc::new(Shared {
                name: Arc::clone(&shared.name),
                digest: shared.digest,
                identity,
                traps: traps.map(|import| Arc::clone(&import.name)).collect(),
                form: shared.form,
                toolchain: shared.toolchain,
                bytes: shared.bytes.clone(),
                codes: Arc::clone(&shared.codes),
                exports: shared.exports.clone(),
                imports,
                instances: shared.instances,
            }),
        }
    }

    /// Returns the digest of all that determines results: of the component's bytes, unless [`Self::with_traps`] set it.
    #[must_use]
    pub fn identity(&self) -> &Digest {
        &self.shared.identity
    }

    /// Returns the exported functions.
    #[must_use]
    pub fn exports(&self) -> &[Export] {
        &self.shared.exports
    }

    /// Returns the names of exported interfaces, and of functions at the root. An interface may have no functions.
    pub(crate) fn exported_names(&self) -> Vec<Arc<str>> {
        let component = &self.shared.codes.first.component;
        let ty = component.component_type();
        let exports = ty.exports(component.engine());
        let is_importable = |item: &ComponentItem| {
            matches!(item, ComponentItem::ComponentFunc(_) | ComponentItem::ComponentInstance(_))
        };
        exports.filter(|(_, item)| is_importable(&item.ty)).map(|(name, _)| Arc::from(name)).collect()
    }

    /// Returns the toolchain that built the component, if it is a known one.
    #[must_use]
    pub fn toolchain(&self) -> Option<Toolchain> {
        self.shared.toolchain
    }

    /// Returns the imports.
    #[must_use]
    pub fn imports(&self) -> &[Import] {
        &self.shared.imports
    }
}

impl Shared {
    /// Links code of the component with what it imports.
    pub(crate) fn link(&self, code: &Code) -> Result<InstancePre<State>, LoadError> {
        let linker = &code.runtime.linker;
        let instance = if self.traps.is_empty() {
            linker.instantiate_pre(&code.component)
        } else {
            let mut linker = linker.clone();
            traps::define(&mut linker, &code.component, &self.traps)?;
            linker.instantiate_pre(&code.component)
        };
        instance.map_err(|error| import_type(&error))
    }
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Component").field("digest", &self.shared.digest).finish_non_exhaustive()
    }
}
