//! The manifests that a graph was made of, and where its tasks, components and resources are written.
//! Later stages read the keys of tasks and components here.

use crate::manifest;
use crate::manifest::{Component, Manifest, Resource};
use crate::model::{Name, Sources};

/// The place of a task, a component or a resource: a manifest, and the position in its section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// Position of the manifest.
    pub manifest: usize,
    /// Position in the section.
    pub position: usize,
}

/// A manifest and those that it includes, each once.
#[derive(Debug)]
pub struct Manifests {
    /// The manifests, the outermost first; never empty.
    list: Vec<Manifest>,
    components: Vec<Place>,
    resources: Vec<Place>,
}

impl Manifests {
    /// Joins the components of all manifests, and the resources by name.
    pub(crate) fn new(list: Vec<Manifest>, resources: Vec<Place>) -> Self {
        let places = |(manifest, written): (usize, &Manifest)| {
            (0..written.components.len()).map(move |position| Place { manifest, position })
        };
        let components = list.iter().enumerate().flat_map(places).collect();
        Self { list, components, resources }
    }

    /// Returns the outermost manifest.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "the list is never empty: a graph is made of a manifest")]
    pub fn root(&self) -> &Manifest {
        &self.list[0]
    }

    /// Returns all manifests, the outermost first.
    #[must_use]
    pub fn all(&self) -> &[Manifest] {
        &self.list
    }

    /// Returns the source texts.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.root().sources
    }

    /// Returns the manifest at a position.
    #[must_use]
    pub fn get(&self, position: usize) -> Option<&Manifest> {
        self.list.get(position)
    }

    /// Returns the path of an included manifest as messages show it; none for the outermost.
    #[must_use]
    pub fn included_name(&self, position: usize) -> Option<&str> {
        let text = self.sources().texts().nth(position).filter(|_| position > 0)?;
        Some(&text.name)
    }

    /// Returns the task of a place.
    #[must_use]
    pub fn task(&self, place: Place) -> Option<(&Name, &manifest::Task)> {
        self.list.get(place.manifest)?.tasks.get_index(place.position)
    }

    /// Returns the component at a position among those of all manifests.
    #[must_use]
    pub fn component(&self, position: usize) -> Option<(&Name, &Component)> {
        self.component_at(*self.components.get(position)?)
    }

    /// Returns all components: those of each manifest, in its order.
    pub fn components(&self) -> impl Iterator<Item = (&Name, &Component)> {
        self.components.iter().filter_map(|place| self.component_at(*place))
    }

    /// Returns the position of the manifest of a component.
    #[must_use]
    pub fn of_component(&self, position: usize) -> Option<usize> {
        self.components.get(position).map(|place| place.manifest)
    }

    /// Returns the position of the first component of the manifest that a component belongs to.
    #[must_use]
    pub fn first_beside(&self, position: usize) -> Option<usize> {
        position.checked_sub(self.components.get(position)?.position)
    }

    /// Returns the distinct resources.
    pub fn resources(&self) -> impl Iterator<Item = (&Name, &Resource)> {
        let resource = |place: &Place| self.list.get(place.manifest)?.resources.get_index(place.position);
        self.resources.iter().filter_map(resource)
    }

    fn component_at(&self, place: Place) -> Option<(&Name, &Component)> {
        self.list.get(place.manifest)?.components.get_index(place.position)
    }
}
