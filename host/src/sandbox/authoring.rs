//! Tools for authors of components: a component of a core module, and the bindings of an interface.
//! `compile/adapt` and `compile/bindings` do the work, in a worker process.

use crate::sandbox::compile::debug_info::without_debug_info;
use crate::sandbox::compile::precheck::{Shape, precheck};
use crate::sandbox::compile::{
    BindingsRequest, Form, Skeleton, SkeletonRequest, SourceFile, TextEncoding, Wit, module,
};
use crate::sandbox::error::LoadError;
use crate::sandbox::load::Sandbox;
use std::sync::Arc;

impl Sandbox {
    /// Makes a component of a core module, with the adapter from WASI preview 1. A module that does not carry its
    /// interface needs the WIT that it was built by. Debug information is left out.
    ///
    /// Fails if the module is a component already, or has imports that only another host satisfies.
    pub fn wrap(
        &self,
        module: &[u8],
        wit: Option<&Wit>,
        encoding: TextEncoding,
    ) -> Result<Vec<u8>, LoadError> {
        let (_, Shape { form, strangers }) = precheck(module, wit)?;
        if form == Form::Component {
            return Err(LoadError::AlreadyComponent);
        }
        if let Some((module, name)) =
            strangers.iter().find_map(|(module, names)| Some((module, names.first()?)))
        {
            return Err(LoadError::ModuleImport { module: Arc::clone(module), name: Arc::clone(name) });
        }
        let module = without_debug_info(module).map_err(|error| LoadError::Damaged(error.into()))?;
        self.compiler.wrap(&module::payload(module.into(), wit, encoding))
    }

    /// Writes the beginning of a task for a world that exists.
    pub fn skeleton(&self, request: SkeletonRequest) -> Result<Skeleton, LoadError> {
        self.compiler.skeleton(request)
    }

    /// Writes the bindings of a world.
    pub fn bindings(&self, request: BindingsRequest) -> Result<Vec<SourceFile>, LoadError> {
        self.compiler.bindings(request)
    }
}
