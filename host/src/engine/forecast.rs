//! Forecast of a run: what would happen to each task, as far as stored results and the cache can tell.
//! Decides by the rules of `skipping` and `keys`; claims, calls and writes nothing.

use crate::cache::Cache;
use crate::engine::digests::Digests;
use crate::engine::expansion::Expansion;
use crate::engine::keys;
use crate::engine::keys::CacheTarget;
use crate::engine::list_cache::ListCache;
use crate::engine::repeat::{Fed, fed};
use crate::engine::resolve::{Known, Scope};
use crate::engine::shape::ranks;
use crate::engine::skipping::{condition, pruned};
use crate::engine::unresolved::Unresolved;
use crate::model::{SkipReason, TaskIdx};
use crate::plan::{Bound, CacheRule, OnError, Plan, Repeat, Task};
use crate::state::{Entry, Error, NodeId, Rerun};
use crate::value::{Type, compose_case, compose_list};
use bytes::Bytes;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

/// Keys to look up in one request to the cache.
const BATCH: usize = 1024;

/// Iterations of a task to look up, one after the other, before it is said to run.
const MAX_ITERATIONS: u32 = 100;

/// Fate of a task in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// An earlier session of the run stored its result.
    Stored,
    /// The cache has its result.
    Cached,
    /// The task is skipped.
    Skipped(SkipReason),
    /// The task runs.
    Runs(Reason),
    /// The task fails, because its arguments cannot be computed.
    Fails(String),
    /// The outputs of these tasks decide whether the task is skipped.
    DependsOn(Vec<TaskIdx>),
}

/// Reason why a task runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It is a task of `[finally]`, and the run has something else to run.
    Ending,
    /// There is no cache.
    NoCache,
    /// The manifest turns caching off for the task.
    CacheOff,
    /// The task is impure, and the manifest does not vouch for it.
    Impure,
    /// The task is built in, and results of such tasks are not cached.
    Builtin,
    /// The cache has no result for its arguments.
    NotCached,
    /// The cache has the first iterations only.
    Iterations {
        /// Iterations with a cached result.
        cached: u32,
        /// Maximum number of iterations.
        max: u32,
    },
    /// The cache has results for only some of its elements.
    Elements {
        /// Elements with a cached result.
        cached: u32,
        /// All elements.
        total: u32,
    },
    /// It is asked to run again, or depends on what is.
    Rerun {
        /// How many of its elements run again; none if all of it does.
        elements: Option<u32>,
    },
    /// It runs once per element of a pipeline. Only then are its cache keys known.
    EachElement,
    /// Its arguments come from these tasks, which run first. Only then is its cache key known.
    InputsRun(Vec<TaskIdx>),
}

/// The forecast for one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecasted {
    /// The task.
    pub task: TaskIdx,
    /// Its fate.
    pub fate: Fate,
    /// How many elements it has; none if that is not known, or it has none.
    pub elements: Option<u32>,
}

/// Returns the fate of each included task, in the order in which a host with one slot would start them. The results of
/// nodes in `discarded` and of those around them do not count. What the cache has for nodes in `uncached`, which include the
/// others, is not read.
pub async fn forecast(
    bound: &Bound,
    is_included: &[bool],
    stored: impl IntoIterator<Item = (TaskIdx, Bytes)>,
    (discarded, uncached): (&[NodeId], &[NodeId]),
    cache: Option<&dyn Cache>,
) -> Result<Vec<Forecasted>, Error> {
    let rerun = Rerun::new(discarded.iter().copied());
    let kept = stored.into_iter().filter(|(task, _)| !rerun.touches(*task));
    let known = kept.map(|(task, value)| (NodeId::of_task(task), Entry::Done(value))).collect();
    let mut forecaster = Forecaster {
        bound,
        cache,
        uncached: Rerun::new(uncached.iter().copied()),
        known,
        elements: HashMap::new(),
        lists: ListCache::default(),
        undecided: HashSet::new(),
        digests: Digests::default(),
    };
    let mut fates = HashMap::new();
    let is_included = |idx: TaskIdx| is_included.get(idx.index()).copied().unwrap_or(false);
    for idx in bound.plan().order().iter().filter(|idx| !bound.plan().is_finally(**idx)) {
        if let (true, Some(task)) = (is_included(*idx), bound.plan().task(*idx)) {
            let fate = forecaster.forecast_task(*idx, task).await?;
            if let Fate::DependsOn(_) = fate {
                forecaster.undecided.insert(*idx);
            }
            fates.insert(*idx, fate);
        }
    }
    // A run with nothing else to run has no new ending.
    let has_ended = fates.values().all(|fate| matches!(fate, Fate::Stored | Fate::Skipped(_)));
    for (idx, _) in bound.plan().finally().filter(|(idx, _)| is_included(*idx)) {
        let is_stored = has_ended && forecaster.known.contains_key(&NodeId::of_task(idx));
        fates.insert(idx, if is_stored { Fate::Stored } else { Fate::Runs(Reason::Ending) });
    }
    let (finally, others): (Vec<TaskIdx>, Vec<TaskIdx>) =
        by_rank(bound.plan()).into_iter().partition(|idx| bound.plan().is_finally(*idx));
    let elements = forecaster.elements;
    let of_task = |task: TaskIdx| {
        Some(Forecasted { task, fate: fates.remove(&task)?, elements: elements.get(&task).copied() })
    };
    Ok(others.into_iter().chain(finally).filter_map(of_task).collect())
}

struct Forecaster<'a> {
    bound: &'a Bound,
    cache: Option<&'a dyn Cache>,
    uncached: Rerun,
    known: Known,
    /// How many elements tasks have, as far as that is known.
    elements: HashMap<TaskIdx, u32>,
    lists: ListCache,
    /// Tasks for which it is unknown whether they are skipped.
    undecided: HashSet<TaskIdx>,
    digests: Digests,
}

/// Arguments of a task's calls.
enum Calls {
    One(Vec<Bytes>),
    Each(Vec<Vec<Bytes>>),
    /// Of each element of a pipeline, once it runs.
    Unknown,
}

impl Forecaster<'_> {
    async fn forecast_task(&mut self, idx: TaskIdx, task: &Task) -> Result<Fate, Error> {
        if self.known.contains_key(&NodeId::of_task(idx)) {
            return Ok(Fate::Stored);
        }
        // Tasks named in `after` are assumed to succeed: only their failure would matter here.
        for decided in [pruned(&self.scope(task), task), condition(&self.scope(task), task)] {
            match decided {
                Ok(Some(reason)) | Err(Unresolved::Skip(reason)) => return Ok(self.skipped(idx, reason)),
                Ok(None) | Err(Unresolved::LeftOut { .. }) => {} // only elements are left out
                Err(Unresolved::Needs(nodes)) => return Ok(Fate::DependsOn(tasks(nodes))),
                Err(Unresolved::Input(message) | Unresolved::Limit(message)) => {
                    return Ok(Fate::Fails(message));
                }
            }
        }
        let calls = if task.around.is_empty() { self.calls(idx, task) } else { Ok(Calls::Unknown) };
        if let Err(Unresolved::Needs(nodes)) = &calls {
            let is_undecided = |node: &NodeId| self.undecided.contains(&node.task);
            let undecided: Vec<NodeId> = nodes.iter().copied().filter(is_undecided).collect();
            if !undecided.is_empty() {
                return Ok(Fate::DependsOn(tasks(undecided)));
            }
        }
        if let Ok(Calls::Each(args)) = &calls {
            self.elements.insert(idx, u32::try_from(args.len()).unwrap_or(u32::MAX));
        }
        let reason = match (self.cache, task.cache) {
            _ if self.uncached.touches(idx) => Some(self.runs_again(idx)),
            (_, CacheRule::Builtin) => Some(Reason::Builtin),
            (None, _) => Some(Reason::NoCache),
            (Some(_), CacheRule::Off) => Some(Reason::CacheOff),
            (Some(_), CacheRule::Impure) => Some(Reason::Impure),
            (Some(_), CacheRule::Shared(_)) => None,
        };
        match (calls, reason) {
            (Err(Unresolved::Skip(reason)), _) => Ok(self.skipped(idx, reason)),
            (Err(Unresolved::Input(message) | Unresolved::Limit(message)), _) => Ok(Fate::Fails(message)),
            (Ok(_) | Err(Unresolved::Needs(_)), Some(reason)) => Ok(Fate::Runs(reason)),
            (Err(Unresolved::LeftOut { .. }), _) | (Ok(Calls::Unknown), None) => {
                Ok(Fate::Runs(Reason::EachElement))
            }
            (Err(Unresolved::Needs(nodes)), None) => Ok(Fate::Runs(Reason::InputsRun(tasks(nodes)))),
            (Ok(Calls::One(args)), None) => self.forecast_call(idx, task, args).await,
            (Ok(Calls::Each(args)), None) => self.forecast_elements(idx, task, args).await,
        }
    }

    fn runs_again(&self, idx: TaskIdx) -> Reason {
        let is_whole = self.uncached.covers(NodeId::of_task(idx));
        let elements = self.uncached.nodes().into_iter().filter(|node| node.task == idx).count();
        Reason::Rerun { elements: (!is_whole).then(|| u32::try_from(elements).unwrap_or(u32::MAX)) }
    }

    fn scope(&self, task: &Task) -> Scope<'_> {
        Scope::outermost(self.bound, (&self.known, &self.lists), task.limits)
    }

    fn skipped(&mut self, idx: TaskIdx, reason: SkipReason) -> Fate {
        self.known.insert(NodeId::of_task(idx), Entry::Skipped(reason));
        Fate::Skipped(reason)
    }

    fn calls(&self, idx: TaskIdx, task: &Task) -> Result<Calls, Unresolved> {
        let scope = self.scope(task);
        if !task.is_for_each() {
            return scope.resolve_all(task.args.iter()).map(Calls::One);
        }
        let expansion = Expansion::of_whole_lists(&scope, idx, task)?;
        let args = (0..expansion.len()).map(|item| {
            let items = [expansion.element_values(&scope, item)?];
            expansion.args(&Scope { at: scope.at.child(item), items: &items, ..scope }, task)
        });
        args.collect::<Result<Vec<_>, _>>().map(Calls::Each)
    }

    /// Follows the iterations of a task through the cache. Each decides the arguments of the next one.
    async fn forecast_iterations(
        &mut self,
        idx: TaskIdx,
        (task, repeat): (&Task, &Repeat),
        mut args: Vec<Bytes>,
    ) -> Result<Fate, Error> {
        for cached in 0..repeat.max.min(MAX_ITERATIONS) {
            let Some(value) = self.look_up_value(task, &args).await? else {
                return Ok(Fate::Runs(match cached {
                    0 => Reason::NotCached,
                    cached => Reason::Iterations { cached, max: repeat.max },
                }));
            };
            match fed(task, repeat, &value) {
                Ok(Fed::Last) => {
                    self.known.insert(NodeId::of_task(idx), Entry::Done(output(task, value)));
                    return Ok(Fate::Cached);
                }
                Ok(Fed::Next(fed)) => {
                    args.get_mut(repeat.param).into_iter().for_each(|arg| *arg = fed.clone());
                }
                Err((_, message)) => return Ok(Fate::Fails(format!("after iteration {cached}: {message}"))),
            }
        }
        Ok(Fate::Runs(Reason::Iterations { cached: repeat.max.min(MAX_ITERATIONS), max: repeat.max }))
    }

    async fn forecast_call(&mut self, idx: TaskIdx, task: &Task, args: Vec<Bytes>) -> Result<Fate, Error> {
        if let Some(repeat) = &task.repeat {
            return self.forecast_iterations(idx, (task, repeat), args).await;
        }
        match self.look_up(task, &[args]).await?.pop().flatten() {
            Some(value) => {
                self.known.insert(NodeId::of_task(idx), Entry::Done(value));
                Ok(Fate::Cached)
            }
            None => Ok(Fate::Runs(Reason::NotCached)),
        }
    }

    async fn forecast_elements(
        &mut self,
        idx: TaskIdx,
        task: &Task,
        args: Vec<Vec<Bytes>>,
    ) -> Result<Fate, Error> {
        let found = self.look_up(task, &args).await?;
        let total = u32::try_from(found.len()).unwrap_or(u32::MAX);
        let values: Vec<Bytes> = found.into_iter().flatten().collect();
        let cached = u32::try_from(values.len()).unwrap_or(u32::MAX);
        if cached < total {
            return Ok(Fate::Runs(Reason::Elements { cached, total }));
        }
        if let Some(Type::List(element)) = &task.output
            && let Ok(list) = compose_list(element, &values)
        {
            self.known.insert(NodeId::of_task(idx), Entry::Done(list));
        }
        Ok(Fate::Cached)
    }

    /// Returns the cached value of one call, without what `on-error` makes of it.
    async fn look_up_value(&self, task: &Task, args: &[Bytes]) -> Result<Option<Bytes>, Error> {
        let (Some(cache), Some(shared)) =
            (self.cache, keys::shared(self.bound, task, &self.digests.digests_of(args)))
        else {
            return Ok(None);
        };
        let found = cache.get(&[shared.key]).await?.pop().flatten();
        Ok(found.filter(|found| found.type_fingerprint == shared.type_fingerprint).map(|found| found.value))
    }

    /// Returns the cached output of each call, if there is one.
    async fn look_up(&self, task: &Task, calls: &[Vec<Bytes>]) -> Result<Vec<Option<Bytes>>, Error> {
        let shared: Vec<Option<CacheTarget>> =
            calls.iter().map(|args| keys::shared(self.bound, task, &self.digests.digests_of(args))).collect();
        let keys: Vec<_> = shared.iter().flatten().map(|shared| shared.key).collect();
        let mut stored = Vec::with_capacity(keys.len());
        if let Some(cache) = self.cache {
            for batch in keys.chunks(BATCH) {
                stored.extend(cache.get(batch).await?);
            }
        }
        let mut stored = stored.into_iter();
        let outputs = shared.into_iter().map(|shared| {
            let found = stored.next().flatten()?;
            (found.type_fingerprint == shared?.type_fingerprint).then(|| output(task, found.value))
        });
        Ok(outputs.collect())
    }
}

/// Returns the output of a call that returned a value: wrapped in `ok` if the manifest asks for the `result` itself.
pub(crate) fn output(task: &Task, value: Bytes) -> Bytes {
    match task.on_error {
        OnError::Fail | OnError::Skip => value,
        OnError::Value | OnError::Failure => compose_case("ok", &value),
    }
}

/// Returns all tasks in topological order; among those that could start, the highest rank comes first.
fn by_rank(plan: &Plan) -> Vec<TaskIdx> {
    let (tasks, ranks) = (plan.tasks(), ranks(plan));
    let rank = |idx: TaskIdx| ranks.get(idx.index()).copied().unwrap_or(0);
    let upstream: Vec<Vec<TaskIdx>> =
        (0..).map(TaskIdx::new).take(tasks.len()).map(|task| plan.upstream(task)).collect();
    let mut open: Vec<usize> = upstream.iter().map(Vec::len).collect();
    let mut dependents: Vec<Vec<TaskIdx>> = vec![Vec::new(); tasks.len()];
    let mut ready = BinaryHeap::new();
    for (idx, upstream) in (0..).map(TaskIdx::new).zip(&upstream) {
        if upstream.is_empty() {
            ready.push((rank(idx), Reverse(idx)));
        }
        for upstream in upstream {
            if let Some(dependents) = dependents.get_mut(upstream.index()) {
                dependents.push(idx);
            }
        }
    }
    let mut order = Vec::with_capacity(tasks.len());
    while let Some((_, Reverse(idx))) = ready.pop() {
        order.push(idx);
        for dependent in dependents.get(idx.index()).into_iter().flatten() {
            let Some(open) = open.get_mut(dependent.index()) else { continue };
            *open -= 1;
            if *open == 0 {
                ready.push((rank(*dependent), Reverse(*dependent)));
            }
        }
    }
    order
}

/// Returns the tasks of nodes, in order and without duplicates.
fn tasks(nodes: Vec<NodeId>) -> Vec<TaskIdx> {
    let mut tasks: Vec<TaskIdx> = nodes.into_iter().map(|node| node.task).collect();
    tasks.sort_unstable();
    tasks.dedup();
    tasks
}
