//! Nested fan-outs: the places of indexes in the names of nodes, and the number of elements of a pipeline if the plan and its
//! inputs give it.
//! `record` stores both with a run; `engine` finds the elements themselves.

use crate::model::TaskName;
use crate::plan::known::{Inputs, Known};
use crate::plan::recipe::{Recipe, Recipes};
use crate::plan::{Binding, FanOut, ForEach, ListsRef, Plan, Task};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The elements of a pipeline that runs over lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElementsRecord {
    /// The list of each item.
    pub lists: Vec<Recipe>,
    /// Whether the lists are combined in all ways, the last one fastest, instead of zipped.
    pub product: bool,
    /// The lengths of the lists that say how many elements there are. They are combined in the same way.
    pub lengths: Vec<Length>,
    /// Whether the elements flow from those of other tasks: then each has the number of the one that it flows from, which
    /// differs from its position in the list if elements before it are left out.
    #[serde(default)]
    pub flows: bool,
}

/// The length of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Length {
    /// Known from the plan and its inputs.
    Known(u32),
    /// That of a value.
    Of(Recipe),
}

impl Plan {
    /// Returns, per level of a task's elements, how many segments of its name stand before the index.
    #[must_use]
    pub fn indexed(&self, task: &Task) -> Vec<u8> {
        let segments = |name: &TaskName| u8::try_from(name.segments().count()).unwrap_or(u8::MAX);
        let around = task.around.iter().filter_map(|pipeline| self.pipelines().get(*pipeline));
        let own = task.is_for_each().then(|| segments(&task.name));
        around.map(|pipeline| segments(&pipeline.name)).chain(own).collect()
    }

    /// Returns the pipelines that run once per element around what lies in this one, outermost first.
    pub(crate) fn inside(&self, pipeline: usize) -> Vec<usize> {
        let Some(found) = self.pipelines().get(pipeline) else { return Vec::new() };
        let own = (!found.for_each.is_empty()).then_some(pipeline);
        found.around.iter().copied().chain(own).collect()
    }
}

/// Returns the elements of a pipeline, given the values of the plan's inputs; none if it runs once.
pub(crate) fn elements(
    (plan, inputs): (&Plan, &[Bytes]),
    recipes: &Recipes<'_>,
    pipeline: usize,
) -> Option<ElementsRecord> {
    let ListsRef { lists, product, flow, around, .. } = plan.lists(FanOut::Pipeline(pipeline))?;
    if lists.is_empty() {
        return None;
    }
    // The lists at the start of a flow say how many elements there are.
    let root = flow.map_or(FanOut::Pipeline(pipeline), |flow| flow.root);
    let counted = plan.lists(root).map_or(lists, |root| root.lists);
    let known = Known::new(plan.inputs(), inputs, Inputs::All);
    Some(ElementsRecord {
        lists: lists.iter().map(|list| recipes.of(around, &list.list, &list.ty)).collect(),
        product,
        lengths: counted.iter().map(|list| length(recipes, &known, (around, list))).collect(),
        flows: flow.is_some(),
    })
}

fn length(recipes: &Recipes<'_>, known: &Known<'_>, (around, list): (&[usize], &ForEach)) -> Length {
    if let Some(Ok(length)) = known.length(&list.list, &list.ty).map(u32::try_from) {
        return Length::Known(length);
    }
    Length::Of(recipes.unconverted(around, whole(&list.list), &list.ty))
}

/// Returns the value that crosses a border as a whole.
fn whole(binding: &Binding) -> &Binding {
    match binding {
        Binding::Part { value, path, .. } if path.steps().is_empty() => whole(value),
        other => other,
    }
}
