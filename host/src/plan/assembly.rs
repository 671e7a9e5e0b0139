//! Assembly of values from stored results, by the recipes of a stored plan.
//! `recipe` and `nesting` say how; the application reads the results.

use crate::model::{IndexPath, TaskIdx, to_usize};
use crate::plan::nesting::{ElementsRecord, Length};
use crate::plan::not_put::{NotPut, all};
use crate::plan::recipe::Recipe;
use crate::plan::record::around;
use crate::plan::stored_part::{at, convert, items, or_default};
use crate::plan::{PipelineRecord, PlanRecord};
use crate::value::wire::Reader;
use crate::value::{
    Items, Type, compose_case, compose_list, compose_map, compose_record, compose_some, compose_tuple, range,
};
use bytes::Bytes;
use std::rc::Rc;
use std::sync::Arc;

/// Returns the result of a node; none if it was skipped.
pub(crate) type Results<'r, E> = dyn Fn(TaskIdx, IndexPath) -> Result<Option<Bytes>, NotPut<E>> + 'r;

/// A place in a run that values are put together for: the outermost one, or an element of pipelines.
pub struct Assembly<'r, E> {
    pipelines: &'r [PipelineRecord],
    results: &'r Results<'r, E>,
    at: IndexPath,
    /// Per level, the lists of the pipeline and the item lists' combination.
    around: Vec<Rc<Lists<'r, E>>>,
}

/// The lists of a pipeline in one place. One that is not there is missed only by what reads it.
struct Lists<'r, E> {
    record: &'r ElementsRecord,
    items: Vec<Result<Option<Source<'r, E>>, NotPut<E>>>,
    /// The lengths of lists that are combined in all ways.
    lengths: Vec<Result<Option<usize>, NotPut<E>>>,
}

/// Where the value of an element's item comes from.
enum Source<'r, E> {
    /// A list without holes.
    List(Items),
    /// The elements of a task.
    Elements(TaskIdx, IndexPath),
    /// A value of each element of a pipeline in this place.
    Each { place: Assembly<'r, E>, lists: Option<Rc<Lists<'r, E>>>, value: &'r Recipe },
    /// The same of another type.
    Converted { of: Box<Self>, from: Type, to: Type },
}

impl<'r, E: Clone> Assembly<'r, E> {
    /// Creates the outermost place of a run.
    #[must_use]
    pub fn new(record: &'r PlanRecord, results: &'r Results<'r, E>) -> Self {
        Self { pipelines: record.pipelines(), results, at: IndexPath::root(), around: Vec::new() }
    }

    /// Returns the number of elements of a pipeline that lies in this place; none if what it runs over was skipped.
    pub fn count(&self, pipeline: usize) -> Result<Option<usize>, NotPut<E>> {
        let Some(elements) = self.elements_record(pipeline) else { return Err(NotPut::NotStored) };
        let lengths = elements.lengths.iter().map(|length| self.length(length));
        if elements.product {
            let lengths = all(lengths)?;
            return Ok(lengths.map(|lengths| lengths.into_iter().fold(1, usize::saturating_mul)));
        }
        // Zipped lists have one length: the first that is known will do.
        let lengths: Vec<_> = lengths.collect();
        let known = lengths.iter().position(|length| matches!(length, Ok(Some(_))));
        let missing = lengths.iter().position(|length| matches!(length, Err(NotPut::Missing(_))));
        let mut lengths = lengths;
        match known.or(missing) {
            Some(at) => lengths.swap_remove(at),
            None => lengths.pop().unwrap_or(Err(NotPut::NotStored)),
        }
    }

    /// Returns elements of a pipeline that lies in this place.
    pub fn elements(&self, pipeline: usize, items: impl Iterator<Item = u32>) -> impl Iterator<Item = Self> {
        let lists = self.lists(pipeline);
        items.map(move |item| self.element(lists.clone(), item))
    }

    /// Returns the place within these pipelines, outermost first, that has these indexes. Further pipelines do not count.
    #[must_use]
    pub fn within(&self, pipelines: &[usize], at: &IndexPath) -> Self {
        let outermost = self.around_level(self.at.level());
        let levels = pipelines.iter().zip(at.as_slice());
        levels.fold(outermost, |place, (pipeline, item)| place.element(place.lists(*pipeline), *item))
    }

    /// Returns the indexes of the elements around this place, outermost first.
    #[must_use]
    pub const fn at(&self) -> IndexPath {
        self.at
    }

    /// Puts a value together; none if a task that it needs was skipped.
    pub fn put(&self, recipe: &Recipe) -> Result<Option<Bytes>, NotPut<E>> {
        let put = |recipe: &Recipe| self.put(recipe);
        let list = |is_bytes: bool, parts: Vec<Bytes>| {
            let element = if is_bytes { Type::U8 } else { Type::String };
            compose_list(&element, &parts).map_err(|_| NotPut::NotStored)
        };
        match recipe {
            Recipe::Literal(bytes) => Ok(Some(bytes.clone().into())),
            Recipe::NotStored | Recipe::Range(..) => Err(NotPut::NotStored), // a range is no value
            Recipe::Task { task, part, default, level } => {
                let node = self.at.prefix(usize::from(*level));
                let whole = (self.results)(TaskIdx::new(*task), node)?;
                Ok(or_default(whole.and_then(|whole| at(&whole, part)), default.as_deref()))
            }
            Recipe::Part { of, part, default } => {
                Ok(or_default(put(of)?.and_then(|whole| at(&whole, part)), default.as_deref()))
            }
            Recipe::List { is_bytes, parts } => {
                all(parts.iter().map(put))?.map(|parts| list(*is_bytes, parts)).transpose()
            }
            Recipe::Tuple(parts) => Ok(all(parts.iter().map(put))?.map(|parts| compose_tuple(&parts))),
            Recipe::Map(pairs) => {
                let map = |pairs: Vec<Bytes>| compose_map(&pairs).map_err(|_| NotPut::NotStored);
                all(pairs.iter().map(put))?.map(map).transpose()
            }
            Recipe::Record(fields) => {
                let parts = all(fields.iter().map(|(_, part)| put(part)))?;
                let names = || fields.iter().map(|(name, _)| Arc::from(name.as_str()));
                Ok(parts.map(|parts| compose_record(&names().zip(parts).collect::<Vec<_>>())))
            }
            Recipe::Case(name, part) => Ok(put(part)?.map(|part| compose_case(name, &part))),
            Recipe::Wrapped(part) => Ok(put(part)?.map(|part| compose_some(&part))),
            Recipe::Select { selector, cases, default } => {
                let default = || default.clone().map(Bytes::from);
                let Some(chosen) = put(selector)? else { return Ok(default()) };
                let Ok(chosen) = Reader::new(&chosen).str() else { return Err(NotPut::NotStored) };
                match cases.iter().find(|(name, _)| name == chosen) {
                    Some((_, case)) => put(case),
                    None => Ok(default()),
                }
            }
            Recipe::Each { pipeline, is_bytes, value } => {
                let (pipeline, place) = (to_usize(*pipeline), self.around_of(to_usize(*pipeline)));
                let Some(count) = place.count(pipeline)? else { return Ok(None) };
                let items = (0..).take(count);
                let values = place.elements(pipeline, items).map(|element| element.put(value));
                let values = all(values.filter(|value| !place.is_left_out(value)))?;
                values.map(|values| list(*is_bytes, values)).transpose()
            }
            Recipe::Converted { of, from, to, default } => {
                let ty = |text: &str| Type::parse(text).map_err(|_| NotPut::NotStored);
                let (from, to) = (ty(from)?, ty(to)?);
                let value = put(of)?.map(|value| convert(&value, &from, &to).ok_or(NotPut::NotStored));
                Ok(or_default(value.transpose()?, default.as_deref()))
            }
            Recipe::Item { level, item, part } => {
                let whole = self.item(usize::from(*level), to_usize(*item))?;
                Ok(whole.and_then(|whole| at(&whole, part)))
            }
        }
    }

    /// Returns whether a value is that of an element in this place which is left out of the list.
    pub fn is_left_out<T>(&self, value: &Result<T, NotPut<E>>) -> bool {
        matches!(value, Err(NotPut::LeftOut(level)) if usize::from(*level) > self.at.level())
    }

    fn element(&self, lists: Option<Rc<Lists<'r, E>>>, item: u32) -> Self {
        Self {
            pipelines: self.pipelines,
            results: self.results,
            at: self.at.child(item),
            around: self.around.iter().cloned().chain(lists).collect(),
        }
    }

    fn lists(&self, pipeline: usize) -> Option<Rc<Lists<'r, E>>> {
        let record = self.elements_record(pipeline)?;
        let source = |list: &'r Recipe| {
            if record.flows { self.source(list) } else { Ok(self.list(list)?.map(Source::List)) }
        };
        let items = record.lists.iter().map(source).collect();
        let lengths = record.lengths.iter().filter(|_| record.product);
        let lengths = lengths.map(|length| self.length(length)).collect();
        Some(Rc::new(Lists { record, items, lengths }))
    }

    fn elements_record(&self, pipeline: usize) -> Option<&'r ElementsRecord> {
        self.pipelines.get(pipeline)?.elements.as_ref()
    }

    /// Returns the place around the elements of a pipeline: this one, or one around it.
    fn around_of(&self, pipeline: usize) -> Self {
        let name = self.pipelines.get(pipeline).map_or("", |pipeline| pipeline.name.as_str());
        self.around_level(around(self.pipelines, name).count())
    }

    /// Returns this place, or the one around it with this number of indexes.
    fn around_level(&self, level: usize) -> Self {
        Self {
            pipelines: self.pipelines,
            results: self.results,
            at: self.at.prefix(level),
            around: self.around.iter().take(level).cloned().collect(),
        }
    }

    fn length(&self, length: &Length) -> Result<Option<usize>, NotPut<E>> {
        match length {
            Length::Known(length) => Ok(Some(to_usize(*length))),
            // Also values that are not stored have a length.
            Length::Of(Recipe::Each { pipeline, value, .. }) => {
                let (pipeline, place) = (to_usize(*pipeline), self.around_of(to_usize(*pipeline)));
                let Some(count) = place.count(pipeline)? else { return Ok(None) };
                let values = place.elements(pipeline, (0..).take(count)).map(|element| element.put(value));
                let values = values.filter(|value| !place.is_left_out(value));
                let some = values.map(|value| match value {
                    Ok(_) | Err(NotPut::NotStored) => Ok(Some(())),
                    Err(other) => Err(other),
                });
                Ok(all(some)?.map(|some| some.len()))
            }
            Length::Of(recipe) => self.list(recipe).map(|list| list.map(|items| items.len())),
        }
    }

    /// Returns where the items of elements come from that flow from those of another task or pipeline.
    fn source(&self, recipe: &'r Recipe) -> Result<Option<Source<'r, E>>, NotPut<E>> {
        match recipe {
            Recipe::Task { task, part, level, default: _ } if part.is_empty() => {
                let (task, at) = (TaskIdx::new(*task), self.at.prefix(usize::from(*level)));
                let list = self.list(recipe)?;
                Ok(list.map(|items| {
                    let has_holes = self.has_more(task, at, items.len());
                    if has_holes { Source::Elements(task, at) } else { Source::List(items) }
                }))
            }
            Recipe::Each { pipeline, value, .. } => {
                let (pipeline, place) = (to_usize(*pipeline), self.around_of(to_usize(*pipeline)));
                let is_there = place.count(pipeline)?.is_some();
                let lists = place.lists(pipeline);
                Ok(is_there.then_some(Source::Each { place, lists, value }))
            }
            Recipe::Part { of, part, default: None } if part.is_empty() => self.source(of),
            Recipe::Converted { of, from, to, default: _ } => {
                let element = |list: &str| match Type::parse(list) {
                    Ok(Type::List(element)) => Ok(Type::clone(&element)),
                    Ok(_) | Err(_) => Err(NotPut::NotStored),
                };
                match self.source(of)? {
                    Some(source) => {
                        let (of, from, to) = (Box::new(source), element(from)?, element(to)?);
                        Ok(Some(Source::Converted { of, from, to }))
                    }
                    None => Ok(self.list(recipe)?.map(Source::List)), // perhaps its default
                }
            }
            other => Ok(self.list(other)?.map(Source::List)),
        }
    }

    /// Returns the value at this position of a source.
    fn at_position(&self, source: &Source<'r, E>, position: u32) -> Result<Option<Bytes>, NotPut<E>> {
        match source {
            Source::List(items) => items.get(to_usize(position)).map(Some).ok_or(NotPut::NotStored),
            Source::Elements(task, at) => (self.results)(*task, at.child(position)),
            Source::Each { place, lists, value } => place.element(lists.clone(), position).put(value),
            Source::Converted { of, from, to } => {
                let value = self.at_position(of, position)?;
                value.map(|value| convert(&value, from, to).ok_or(NotPut::NotStored)).transpose()
            }
        }
    }

    fn list(&self, recipe: &Recipe) -> Result<Option<Items>, NotPut<E>> {
        if let Recipe::Range(from, to) = recipe {
            let ends = all([from, to].into_iter().map(|end| self.put(end)))?;
            let number = |end: &Bytes| u32::try_from(Reader::new(end).int().ok()?).ok();
            let numbers = ends.map(|ends| ends.iter().map(number).collect::<Option<Vec<u32>>>());
            return match numbers.as_ref().map(|numbers| numbers.as_deref()) {
                None => Ok(None),
                Some(Some([from, to])) => Ok(Some(range(*from, *to))),
                Some(_) => Err(NotPut::NotStored),
            };
        }
        self.put(recipe)?.map(|value| items(&value).ok_or(NotPut::NotStored)).transpose()
    }

    /// Returns whether a node has an element after those of its list. So it has, if some are left out of the list.
    fn has_more(&self, task: TaskIdx, at: IndexPath, len: usize) -> bool {
        let next = u32::try_from(len).unwrap_or(u32::MAX);
        matches!((self.results)(task, at.child(next)), Ok(Some(_)) | Err(NotPut::LeftOut(_)))
    }

    /// Returns the value of an item of the pipeline at this level, from 1.
    fn item(&self, level: usize, item: usize) -> Result<Option<Bytes>, NotPut<E>> {
        let at = level.checked_sub(1);
        let (Some(lists), Some(index)) =
            (at.and_then(|at| self.around.get(at)), at.and_then(|at| self.at.as_slice().get(at)))
        else {
            return Err(NotPut::NotStored);
        };
        let Some(list) = lists.items.get(item) else { return Err(NotPut::NotStored) };
        let Some(list) = list.as_ref().map_err(NotPut::clone)? else { return Ok(None) };
        let mut position = *index;
        if lists.record.product {
            // The later lists are faster: as many elements in a row have the same value of this one.
            for length in lists.lengths.iter().skip(item + 1) {
                let Some(length) = length.clone()? else { return Ok(None) };
                position /= u32::try_from(length.max(1)).unwrap_or(u32::MAX);
            }
            // Lists that are combined flow nowhere.
            let Source::List(items) = list else { return Err(NotPut::NotStored) };
            position %= u32::try_from(items.len().max(1)).unwrap_or(u32::MAX);
        }
        self.at_position(list, position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::stored_part::tests::stored;

    /// How the lists of a pipeline are combined.
    #[derive(Clone, Copy, PartialEq)]
    enum Combined {
        Zip,
        Product,
    }

    /// Puts a value together in a place of `clean`, whose two lists are the results of the tasks 0 and 1.
    fn put(
        recipe: &Recipe,
        combined: Combined,
        at: Option<u32>,
        results: &Results<'_, &'static str>,
    ) -> Result<Option<Bytes>, NotPut<&'static str>> {
        let list = |task| Recipe::Task { task, part: Vec::new(), default: None, level: 0 };
        let lengths = [0, 1].map(|task| Length::Of(list(task))).to_vec();
        let elements = ElementsRecord {
            lists: [0, 1].map(list).to_vec(),
            product: combined == Combined::Product,
            lengths,
            flows: false,
        };
        let record = PlanRecord::of_pipelines(vec![PipelineRecord::sample("clean", Some(elements))]);
        let outermost = Assembly::new(&record, results);
        match at {
            None => outermost.put(recipe),
            Some(item) => outermost.elements(0, std::iter::once(item)).next().unwrap().put(recipe),
        }
    }

    fn task(default: Option<&[u8]>) -> Recipe {
        Recipe::Task { task: 2, part: Vec::new(), default: default.map(<[u8]>::to_vec), level: 1 }
    }

    #[test]
    fn skipped_tasks_need_defaults() {
        let skipped = |_: TaskIdx, _: IndexPath| Ok(None);
        let put = |recipe: &Recipe| put(recipe, Combined::Zip, None, &skipped);
        assert_eq!(put(&task(None)), Ok(None));
        assert_eq!(put(&task(Some(b"\x01"))), Ok(Some(Bytes::from_static(b"\x01"))));
        let list =
            Recipe::List { is_bytes: false, parts: vec![task(Some(b"\x01")), Recipe::Literal(vec![2])] };
        assert_eq!(put(&list), Ok(Some(Bytes::from_static(b"\x92\x01\x02"))));
        assert_eq!(put(&Recipe::NotStored), Err(NotPut::NotStored));
    }

    #[test]
    fn values_are_converted_and_defaults_are_not() {
        let value = |_: TaskIdx, _: IndexPath| {
            Ok(Some(stored("record { a: u8, b: string }", r#"{"a": 1, "b": "x"}"#).1))
        };
        let skipped = |_: TaskIdx, _: IndexPath| Ok(None);
        let converted = |from: &str, to: &str| Recipe::Converted {
            of: Box::new(task(None)),
            from: from.to_owned(),
            to: to.to_owned(),
            default: Some(b"\x07".to_vec()),
        };
        let to = "record { a: f32, c: option<option<u8>> }";
        let recipe = converted("record { a: u8, b: string }", to);
        let put =
            |recipe: &Recipe, results: &Results<'_, &'static str>| put(recipe, Combined::Zip, None, results);
        assert_eq!(put(&recipe, &value), Ok(Some(stored(to, r#"{"a": 1, "c": null}"#).1)));
        assert_eq!(put(&recipe, &skipped), Ok(Some(Bytes::from_static(b"\x07"))));
        assert_eq!(put(&converted("u8", "string"), &value), Err(NotPut::NotStored));
    }

    /// The lists `["a", "b"]` and bytes; the result of the task 2 is ten more than its index.
    fn result(task: TaskIdx, at: IndexPath) -> Result<Option<Bytes>, NotPut<&'static str>> {
        if task.get() < 2 && at.level() > 0 {
            return Err(NotPut::Missing("no element"));
        }
        Ok(Some(match task.get() {
            0 => stored("list<string>", r#"["a", "b"]"#).1,
            1 => stored("list<u8>", "[7, 8]").1,
            _ => vec![u8::try_from(at.last().unwrap()).unwrap() + 10].into(),
        }))
    }

    fn item(item: u32) -> Recipe {
        Recipe::Item { level: 1, item, part: Vec::new() }
    }

    #[test]
    fn values_of_all_elements_make_a_list() {
        let pair = Recipe::Tuple(vec![item(0), item(1), task(None)]);
        let each = |is_bytes, value| Recipe::Each { pipeline: 0, is_bytes, value: Box::new(value) };
        let found = put(&each(false, pair.clone()), Combined::Zip, None, &result).unwrap().unwrap();
        assert_eq!(&*found, b"\x92\x93\xa1a\x07\x0a\x93\xa1b\x08\x0b");
        let found = put(&each(true, item(1)), Combined::Product, None, &result).unwrap().unwrap();
        assert_eq!(&*found, b"\xc4\x04\x07\x08\x07\x08");
        // The same within an element of the pipeline: the list is around it.
        let found = put(&each(true, item(1)), Combined::Product, Some(1), &result).unwrap().unwrap();
        assert_eq!(&*found, b"\xc4\x04\x07\x08\x07\x08");
        let third = put(&pair, Combined::Product, Some(2), &result).unwrap().unwrap();
        assert_eq!(&*third, b"\x93\xa1b\x07\x0c");
    }

    #[test]
    fn everything_that_is_missing_is_asked_for_at_once() {
        let asked = std::cell::RefCell::new(Vec::new());
        let results = |task: TaskIdx, at: IndexPath| match task.get() {
            2 => {
                asked.borrow_mut().push(at.last());
                Err(NotPut::Missing("open"))
            }
            _ => result(task, at),
        };
        let value = Recipe::Tuple(vec![Recipe::NotStored, task(None)]);
        let each = Recipe::Each { pipeline: 0, is_bytes: false, value: Box::new(value) };
        assert_eq!(put(&each, Combined::Zip, None, &results), Err(NotPut::Missing("open")));
        assert_eq!(*asked.borrow(), [Some(0), Some(1)]);
    }

    #[test]
    fn elements_that_are_left_out_make_a_list_shorter() {
        let results = |level| {
            move |task: TaskIdx, at: IndexPath| match (task.get(), at.last()) {
                (2, Some(0)) => Err(NotPut::LeftOut(level)),
                _ => result(task, at),
            }
        };
        let each = Recipe::Each { pipeline: 0, is_bytes: false, value: Box::new(task(None)) };
        assert_eq!(put(&each, Combined::Zip, None, &results(1)), Ok(Some(Bytes::from_static(b"\x91\x0b"))));
        assert_eq!(put(&task(None), Combined::Zip, Some(0), &results(1)), Err(NotPut::LeftOut(1)));
    }

    #[test]
    fn lists_that_are_not_stored_are_missed_only_by_what_reads_them() {
        let results = |task: TaskIdx, at: IndexPath| match task.get() {
            1 => Err(NotPut::Missing("open")),
            _ => result(task, at),
        };
        assert_eq!(put(&item(0), Combined::Zip, Some(1), &results), Ok(Some(Bytes::from_static(b"\xa1b"))));
        assert_eq!(put(&item(1), Combined::Zip, Some(1), &results), Err(NotPut::Missing("open")));
        let each = Recipe::Each { pipeline: 0, is_bytes: false, value: Box::new(task(None)) };
        assert_eq!(put(&each, Combined::Zip, None, &results), Ok(Some(Bytes::from_static(b"\x92\x0a\x0b"))));
        assert_eq!(put(&each, Combined::Product, None, &results), Err(NotPut::Missing("open")));
    }
}
