//! What `after` means for pipelines: all tasks of one that it names are awaited, and all tasks of one that has it wait.
//! Data between tasks is for `inline`.

use crate::graph::draft::Draft;
use crate::graph::inline::Inclusions;
use crate::graph::instances::Slot;
use crate::graph::uses;
use crate::model::{Fault, Spanned, TaskIdx};

/// Maximum number of pairs of tasks that `after` of pipelines makes.
const MAX_PAIRS: usize = 10_000_000;

/// Adds the tasks of `after` to the drafts of all tasks.
pub(crate) fn wait(inclusions: Inclusions<'_>, drafts: &mut [Draft]) -> Vec<Fault> {
    let mut waiting = Waiting { inclusions, pairs: 0, faults: Vec::new() };
    for (task, draft) in inclusions.tasks.iter().zip(&mut *drafts) {
        let written = inclusions.templates.get(task.place.manifest);
        let written = written.and_then(|template| template.drafts.get(task.place.position));
        let after = written.map_or(&[][..], |written| &written.after);
        if waiting.pairs <= MAX_PAIRS {
            draft.after = after.iter().flat_map(|after| waiting.awaited(task.instance, after)).collect();
            waiting.count(draft.after.len(), draft.after.last());
        }
    }
    for (own, instance) in inclusions.instances.iter().enumerate() {
        let Some((parent, position)) = instance.parent else { continue };
        let template =
            inclusions.instances.get(parent).and_then(|parent| inclusions.templates.get(parent.manifest));
        let Some(written) = template.and_then(|template| template.drafts.get(position)) else { continue };
        let awaited: Vec<Spanned<TaskIdx>> =
            written.after.iter().flat_map(|after| waiting.awaited(parent, after)).collect();
        if awaited.is_empty() {
            continue;
        }
        let first = waiting.first_tasks(own, drafts);
        waiting.count(first.len().saturating_mul(awaited.len()), awaited.last());
        if waiting.pairs <= MAX_PAIRS {
            for task in first {
                let waiting = drafts.get_mut(task);
                waiting.into_iter().for_each(|draft| draft.after.extend(awaited.iter().cloned()));
            }
        }
    }
    waiting.faults
}

struct Waiting<'a> {
    inclusions: Inclusions<'a>,
    pairs: usize,
    faults: Vec<Fault>,
}

impl Waiting<'_> {
    /// Returns the tasks that one name in `after` means.
    fn awaited(&self, instance: usize, after: &Spanned<TaskIdx>) -> Vec<Spanned<TaskIdx>> {
        let slots = self.inclusions.instances.get(instance).map(|instance| &instance.slots);
        let at = |task: usize| {
            u32::try_from(task).ok().map(|task| Spanned::new(TaskIdx::new(task), after.span.clone()))
        };
        match slots.and_then(|slots| slots.get(after.value.index())) {
            Some(Slot::Task(task)) => vec![Spanned::new(*task, after.span.clone())],
            Some(Slot::Instance(inner)) => {
                let tasks = self.inclusions.instances.get(*inner).map_or(0..0, |inner| inner.tasks.clone());
                tasks.filter_map(at).collect()
            }
            Some(Slot::Missing) | None => Vec::new(),
        }
    }

    /// Returns the tasks of a pipeline that wait for no other task in it. All others wait for what these wait for.
    fn first_tasks(&self, instance: usize, drafts: &[Draft]) -> Vec<usize> {
        let tasks = self.inclusions.instances.get(instance).map_or(0..0, |instance| instance.tasks.clone());
        let waits_inside = |draft: &Draft| {
            let mut waits = draft.after.iter().any(|after| tasks.contains(&after.value.index()));
            for value in draft.body.values() {
                uses::each_use(value, None, &mut |read, gates| {
                    waits = waits || gates.is_empty() && tasks.contains(&read.index());
                });
            }
            waits
        };
        tasks.clone().filter(|task| drafts.get(*task).is_some_and(|draft| !waits_inside(draft))).collect()
    }

    fn count(&mut self, pairs: usize, last: Option<&Spanned<TaskIdx>>) {
        let before = self.pairs;
        self.pairs = self.pairs.saturating_add(pairs);
        if let (true, true, Some(last)) = (before <= MAX_PAIRS, self.pairs > MAX_PAIRS, last) {
            let fault =
                Fault::spanned(last.span.clone(), "`after` makes too many tasks wait for too many others");
            self.faults
                .push(fault.help("name a task that comes last in the pipeline, instead of the pipeline"));
        }
    }
}
