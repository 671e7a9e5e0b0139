//! A component that was loaded, and why bytes may not be one that this host runs.
//! How it is compiled and called is for the modules around.

use crate::model::Digest;
use crate::sandbox::component::imports::Import;
use crate::sandbox::engine::Runtime;
use crate::sandbox::error::{LoadError, import_type};
use crate::value::Export;
use bytes::Bytes;
use std::sync::{Arc, OnceLock};

/// A component that was compiled, and what it offers and asks for. Cheap to clone.
#[derive(Clone)]
pub struct Component {
    pub(crate) shared: Arc<Shared>,
}

/// What all clones of a component share.
pub(crate) struct Shared {
    pub(crate) digest: Digest,
    /// Kept because a task with a limit of fuel needs other code.
    pub(crate) bytes: Bytes,
    pub(crate) code: Code,
    /// The code that counts fuel, once a task needed it.
    pub(crate) fueled: OnceLock<Code>,
    pub(crate) exports: Vec<Export>,
    pub(crate) imports: Vec<Import>,
    /// How many core instances a guest of it may have.
    pub(crate) instances: usize,
}

/// Compiled code and where it runs.
#[derive(Clone)]
pub(crate) struct Code {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) component: wasmtime::component::Component,
}

impl Component {
    /// The digest of its bytes.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.shared.digest
    }

    /// Fails if it imports something that the host knows, and as something else than it is.
    pub fn check_imports(&self) -> Result<(), LoadError> {
        let code = &self.shared.code;
        code.runtime.linker.instantiate_pre(&code.component).map(drop).map_err(|error| import_type(&error))
    }

    /// The functions that it exports.
    #[must_use]
    pub fn exports(&self) -> &[Export] {
        &self.shared.exports
    }

    /// What it imports.
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
