//! Composing loaded components to one, which runs in one sandbox.
//! `compile/composition` builds its bytes; `app` finds out which component satisfies which import.

use crate::model::Size;
use crate::sandbox::compile::{Composition, Exceeded, Link, Part};
use crate::sandbox::component::{Component, reflect};
use crate::sandbox::error::LoadError;
use crate::sandbox::load::{LoadRequest, Sandbox};
use std::borrow::Cow;

impl Sandbox {
    /// Composes components, each after those that it imports from. The last one gives its exports. All that import from
    /// one component share one instance of it.
    ///
    /// Every part was loaded, and so is within the bounds of a component; so must be the composition.
    pub fn compose(
        &self,
        parts: &[(&Component, Vec<Link>)],
        request: &LoadRequest<'_>,
    ) -> Result<Component, LoadError> {
        let max = self.max_component_size();
        let sizes = parts.iter().map(|(component, _)| component.shared.bytes.len());
        if Size::bytes(u64::try_from(sizes.sum::<usize>()).unwrap_or(u64::MAX)) > max {
            return Err(Exceeded::Component(max).into());
        }
        for (component, _) in parts {
            let code = &component.shared.codes.first;
            reflect::check_imported_types(&code.runtime.engine, &code.component)?;
        }
        let part = |(component, links): &(&'_ Component, Vec<Link>)| Part {
            bytes: Cow::Owned(component.shared.bytes.to_vec()),
            links: links.clone(),
        };
        let composition = Composition { parts: parts.iter().map(part).collect() };
        let composed = self.compiler.compose(composition)?;
        self.load_as(composed.into(), request)
    }
}
