//! The loaded component: code, exports and imports, shared by all its clones.
//! `compile` produces the code, `guest` and `call` run it.

use crate::model::Digest;
use crate::sandbox::component::imports::Import;
use crate::sandbox::component::toolchain::Toolchain;
use crate::sandbox::engine::Runtime;
use crate::sandbox::error::{LoadError, import_type};
use crate::value::Export;
use bytes::Bytes;
use std::sync::{Arc, OnceLock};

/// A compiled component with its exports and imports. Cheap to clone.
#[derive(Clone)]
pub struct Component {
    pub(crate) shared: Arc<Shared>,
}

/// State shared by all clones of a component.
pub(crate) struct Shared {
    /// Digest of the component's bytes.
    pub(crate) digest: Digest,
    /// The component itself, kept because a task with a fuel limit needs other code.
    pub(crate) bytes: Bytes,
    /// Code that is metered by time.
    pub(crate) code: Code,
    /// Code that counts fuel, compiled when the first task needs it.
    pub(crate) fueled: OnceLock<Code>,
    /// Exported functions.
    pub(crate) exports: Vec<Export>,
    /// Imported interfaces and functions.
    pub(crate) imports: Vec<Import>,
    /// The toolchain that built it, if it is a known one.
    pub(crate) toolchain: Option<Toolchain>,
    /// Maximum number of core instances in one of its guests.
    pub(crate) instances: usize,
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
    /// Returns the digest of the component's bytes.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.shared.digest
    }

    /// Fails if the component imports a known interface with other types than the host's.
    pub fn check_imports(&self) -> Result<(), LoadError> {
        let code = &self.shared.code;
        code.runtime.linker.instantiate_pre(&code.component).map(drop).map_err(|error| import_type(&error))
    }

    /// Returns the exported functions.
    #[must_use]
    pub fn exports(&self) -> &[Export] {
        &self.shared.exports
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

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Component").field("digest", &self.shared.digest).finish_non_exhaustive()
    }
}
