//! Which components of a manifest lack which pins.
//! `locking` asks their sources.

use crate::app::remote_components::RemoteComponent;
use crate::manifest::{ComponentSource, Manifest};
use crate::model::Remote;

/// Which pins are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Locking {
    /// Those that are missing.
    Missing,
    /// All but those without a tag, whose source can have nothing else.
    All,
}

/// A component with pins to write, and the source that is asked for them.
pub(crate) struct Unpinned<'a> {
    pub(crate) component: RemoteComponent<'a>,
    pub(crate) ask: Remote,
}

/// Returns the components of a manifest whose pins are to be written, in its order.
pub(crate) fn unpinned(manifest: &Manifest, locking: Locking) -> Vec<Unpinned<'_>> {
    let components = manifest.components.iter().filter_map(|(name, component)| {
        let source = component.source.as_ref()?;
        let ComponentSource::Remote(from) = &source.value else { return None };
        let pin = component.sha256.as_ref();
        Some(RemoteComponent { name, from, span: &source.span, pin })
    });
    components
        .filter_map(|component| Some(Unpinned { component, ask: asked(&component, locking)? }))
        .collect()
}

/// Returns the source to ask for the pins of a component; `None` if it lacks none.
fn asked(component: &RemoteComponent<'_>, locking: Locking) -> Option<Remote> {
    let is_pinned = component.pin.is_some();
    match component.from {
        Remote::Url(_) => (locking == Locking::All || !is_pinned).then(|| component.from.clone()),
        Remote::Oci(reference) => {
            let tag = reference.without_digest();
            match (locking, tag) {
                (Locking::All, Some(tag)) => Some(Remote::Oci(tag)),
                (Locking::All | Locking::Missing, _) => {
                    (!is_pinned || reference.digest().is_none()).then(|| component.from.clone())
                }
            }
        }
    }
}
