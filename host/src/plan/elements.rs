//! Elements: what runs over lists, in which elements two tasks lie together, and which elements a task waits for.
//! `graph` finds the flows, and the ledger follows them.

use crate::graph::{FanOut, Flow};
use crate::model::{Path, TaskIdx};
use crate::plan::{Binding, ForEach, Plan, Task};
use crate::value::{Type, assign};
use std::num::NonZeroU32;
use std::sync::Arc;

/// The lists that a task or a pipeline runs over.
#[derive(Debug, Clone, Copy)]
pub struct ListsRef<'p> {
    /// The lists; none for what runs once.
    pub lists: &'p [ForEach],
    /// Whether they are combined in all ways, instead of zipped.
    pub product: bool,
    /// Elements of one task that are worked on at the same time at most.
    pub max_parallel: Option<NonZeroU32>,
    /// How the elements flow from others.
    pub flow: Option<&'p Flow>,
    /// The pipelines around that run once per element, outermost first.
    pub around: &'p [usize],
}

impl Plan {
    /// Returns the lists that a task or a pipeline runs over.
    #[must_use]
    pub fn lists(&self, of: FanOut) -> Option<ListsRef<'_>> {
        match of {
            FanOut::Task(task) => self.task(task).map(|task| ListsRef {
                lists: &task.for_each,
                product: task.product,
                max_parallel: task.max_parallel,
                flow: task.flow.as_deref(),
                around: &task.around,
            }),
            FanOut::Pipeline(pipeline) => self.pipelines.get(pipeline).map(|pipeline| ListsRef {
                lists: &pipeline.for_each,
                product: pipeline.product,
                max_parallel: pipeline.max_parallel,
                flow: pipeline.flow.as_ref(),
                around: &pipeline.around,
            }),
        }
    }

    /// Returns what a task's elements of a level, from 1, are elements of: a pipeline around it, or the task itself.
    #[must_use]
    pub fn fan_out(&self, at: TaskIdx, level: usize) -> Option<FanOut> {
        let around = &self.task(at)?.around;
        Some(
            around
                .get(level.checked_sub(1)?)
                .map_or(FanOut::Task(at), |pipeline| FanOut::Pipeline(*pipeline)),
        )
    }

    /// Returns in how many elements two tasks lie together: with as many indexes do nodes of one wait for those of the
    /// other.
    #[must_use]
    pub fn common_level(&self, task: TaskIdx, around: &[usize]) -> usize {
        let own = self.task(task).map_or(&[][..], |task| &task.around);
        own.iter().zip(around).take_while(|(own, other)| own == other).count()
    }

    /// Returns the output of a task or a pipeline, and its type. What lies in pipelines that run once per element has a list
    /// of outputs, and a list of lists if it lies in several. None for what has no output.
    #[must_use]
    pub fn output(&self, of: FanOut) -> Option<(Binding, Type)> {
        let around = &self.lists(of)?.around;
        let (value, ty) = match of {
            FanOut::Task(task) => {
                let ty = self.task(task)?.output.clone()?;
                let conversion = assign(&ty, &ty).ok()?;
                let value =
                    Binding::Task { task, path: Path::root(), ty: ty.clone(), conversion, default: None };
                (value, ty)
            }
            FanOut::Pipeline(pipeline) => {
                let (value, ty) = self.pipelines.get(pipeline)?.output.as_ref()?;
                (Binding::clone(value), ty.clone())
            }
        };
        Some(around.iter().rev().fold((value, ty), |(value, element), pipeline| {
            let lists = self.lists(FanOut::Pipeline(*pipeline)).map_or(&[][..], |found| found.lists);
            let lists = lists.iter().map(|list| list.list.clone()).collect();
            let ty = Type::List(Arc::new(element.clone()));
            (Binding::Each { pipeline: *pipeline, lists, element, value: Arc::new(value) }, ty)
        }))
    }

    /// Returns the tasks whose elements a task waits for, each with the number of indexes: those that it or a pipeline
    /// around it flows from, and those that lie in the same elements of pipelines.
    #[must_use]
    pub fn element_sources(&self, at: TaskIdx) -> Vec<(TaskIdx, usize)> {
        let Some(task) = self.task(at) else { return Vec::new() };
        let mut sources = self.flow_sources(at);
        let inside = task.waits_for.iter().map(|read| (*read, self.common_level(*read, &task.around)));
        sources.extend(inside);
        sources.retain(|(_, level)| *level > 0);
        sources.sort_unstable();
        sources.dedup();
        sources
    }

    /// Returns the tasks from which a task or a pipeline around it flows, each with the number of indexes. What a pipeline
    /// passes on from outside of its elements has none.
    fn flow_sources(&self, at: TaskIdx) -> Vec<(TaskIdx, usize)> {
        let mut sources = Vec::new();
        for level in 1..=self.task(at).map_or(0, Task::depth) {
            let lists = self.fan_out(at, level).and_then(|of| self.lists(of));
            for source in lists.and_then(|lists| lists.flow).into_iter().flat_map(Flow::distinct_sources) {
                match source {
                    FanOut::Task(source) => sources.push((source, level)),
                    FanOut::Pipeline(pipeline) => {
                        // What it passes on from outside lies in fewer of its elements, or in none.
                        let Some(found) = self.pipelines.get(pipeline) else { continue };
                        let inside: Vec<usize> = found.around.iter().copied().chain([pipeline]).collect();
                        let record = found.record.iter();
                        record.for_each(|(record, _)| {
                            record.each_task(&mut |read| {
                                sources.push((read, self.common_level(read, &inside)));
                            });
                        });
                    }
                }
            }
        }
        sources
    }

    /// Returns the tasks whose results decide those of a task, each with the number of indexes that both nodes share: those
    /// of its elements flow from elements of the same index, all others are read as they are around it. What it only waits
    /// for, by `after` or to be pruned, decides nothing.
    #[must_use]
    pub fn data_sources(&self, at: TaskIdx) -> Vec<(TaskIdx, usize)> {
        let Some(task) = self.task(at) else { return Vec::new() };
        let mut sources = Vec::new();
        let mut read = |binding: &Binding| {
            binding.each_task(&mut |read| sources.push((read, self.common_level(read, &task.around))));
        };
        task.args.iter().chain(task.when.iter().map(|when| &when.subject)).for_each(&mut read);
        let all = (1..=task.depth()).filter_map(|level| self.lists(self.fan_out(at, level)?));
        for lists in all {
            let flows =
                |item: usize| lists.flow.is_some_and(|flow| matches!(flow.sources.get(item), Some(Some(_))));
            let whole = lists.lists.iter().enumerate().filter(|(item, _)| !flows(*item));
            whole.for_each(|(_, list)| read(&list.list));
        }
        sources.extend(self.flow_sources(at));
        sources.sort_unstable();
        sources.dedup();
        sources
    }

    /// Returns the tasks that a task waits for in whole or element by element.
    #[must_use]
    pub fn upstream(&self, at: TaskIdx) -> Vec<TaskIdx> {
        let mut upstream: Vec<TaskIdx> = self.element_sources(at).into_iter().map(|(task, _)| task).collect();
        upstream.extend(self.task(at).into_iter().flat_map(|task| &task.waits_for));
        upstream.sort_unstable();
        upstream.dedup();
        upstream
    }
}
