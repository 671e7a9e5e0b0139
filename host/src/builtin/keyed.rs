//! Built-in tasks that reach into each element of a list by a path.
//! The plan has resolved the path against the type of the elements; `order` compares what it leads to.

use crate::builtin::body::{ListBody, put_element, put_list_len};
use crate::builtin::budget::{Budget, Stop};
use crate::builtin::elements::{Items, byte_piece};
use crate::builtin::lists::{Argument, copied, element_type, of_element};
use crate::builtin::order::compare;
use crate::model::Path;
use crate::value::wire::Reader;
use crate::value::{Place, Type, ValueFault, place, type_at, wire};
use bytes::Bytes;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

/// A list of elements with a part each.
#[derive(Clone, Copy)]
pub(crate) struct Keyed<'a> {
    pub(crate) items: Argument<'a>,
    pub(crate) path: &'a Path,
}

/// An element and its part at the path.
struct Entry<'v> {
    index: usize,
    element: &'v [u8],
    key: &'v [u8],
}

/// The elements of a list with their parts.
struct Entries<'v, 'b> {
    items: Items<'v, 'b>,
    keyed: Keyed<'v>,
}

impl<'v> Keyed<'v> {
    fn entries<'b>(self, budget: &'b Budget<'b>) -> Result<Entries<'v, 'b>, Stop> {
        let (name, ty, value) = self.items;
        Ok(Entries { items: Items::open((name, ty, value), budget)?, keyed: self })
    }

    fn element(&self) -> &'v Type {
        element_type(self.items.1)
    }

    /// Returns the type of the parts.
    fn key_type(&self) -> Result<Type, Stop> {
        let part = type_at(self.element(), self.path);
        part.map(|part| part.ty).map_err(|fault| Stop::of_argument("path", &fault))
    }
}

impl<'v> Entries<'v, '_> {
    fn next(&mut self) -> Result<Option<Entry<'v>>, Stop> {
        let Some((index, element)) = self.items.next()? else { return Ok(None) };
        let Keyed { items: (name, ..), path } = self.keyed;
        let found = place(self.keyed.element(), element, path);
        let key = match found.map_err(|fault| of_element(name, index, fault))? {
            Some(Place::Bytes(range)) => element.get(range).unwrap_or_default(),
            Some(Place::Byte(byte)) => byte_piece(byte),
            None => {
                return Err(Stop::Input(format!(
                    "`{name}[{index}]` has no part at `{}`",
                    path.to_string().trim_start_matches('.')
                )));
            }
        };
        Ok(Some(Entry { index, element, key }))
    }
}

/// Keeps the elements whose part is true.
pub(crate) fn filter_by(keyed: Keyed<'_>, budget: &Budget<'_>) -> Result<Bytes, Stop> {
    let mut out = ListBody::new(keyed.element(), budget);
    let mut entries = keyed.entries(budget)?;
    while let Some(Entry { index, element, key }) = entries.next()? {
        let keeps = Reader::new(key).bool();
        if keeps.map_err(|malformed| of_element(keyed.items.0, index, malformed.into()))? {
            out.push(element, (keyed.items.0, index))?;
        }
    }
    Ok(out.finish())
}

/// Lists the parts.
pub(crate) fn map_path(keyed: Keyed<'_>, budget: &Budget<'_>) -> Result<Bytes, Stop> {
    let ty = keyed.key_type()?;
    let mut out = ListBody::new(&ty, budget);
    let mut entries = keyed.entries(budget)?;
    while let Some(Entry { index, key, .. }) = entries.next()? {
        out.push(key, (keyed.items.0, index))?;
    }
    Ok(out.finish())
}

/// A part in its canonical form, so that equal values are equal bytes.
fn canonical_key<'v>(ty: &Type, key: &'v [u8], scratch: &mut Vec<u8>) -> Result<Cow<'v, [u8]>, ValueFault> {
    scratch.clear();
    copied(ty, key, scratch)?;
    Ok(if *scratch == key { Cow::Borrowed(key) } else { Cow::Owned(scratch.clone()) })
}

/// Keeps the first of the elements with equal parts.
pub(crate) fn unique_by(keyed: Keyed<'_>, budget: &Budget<'_>) -> Result<Bytes, Stop> {
    let mut out = ListBody::new(keyed.element(), budget);
    let mut seen = Groups::new(&keyed, budget)?;
    let mut entries = keyed.entries(budget)?;
    while let Some(entry) = entries.next()? {
        if seen.number(&entry)?.is_new {
            out.push(entry.element, (keyed.items.0, entry.index))?;
        }
    }
    Ok(out.finish())
}

/// The distinct parts so far, numbered by first occurrence.
struct Groups<'v, 'b> {
    ty: Type,
    name: &'static str,
    // The hash is keyed at random, so that no input makes the map slow; the order of the map is never seen.
    numbers: HashMap<Cow<'v, [u8]>, usize>,
    scratch: Vec<u8>,
    budget: &'b Budget<'b>,
}

/// Number of a group.
struct Numbered {
    number: usize,
    is_new: bool,
}

impl<'v, 'b> Groups<'v, 'b> {
    fn new(keyed: &Keyed<'v>, budget: &'b Budget<'b>) -> Result<Self, Stop> {
        let (ty, name) = (keyed.key_type()?, keyed.items.0);
        Ok(Self { ty, name, numbers: HashMap::new(), scratch: Vec::new(), budget })
    }

    fn number(&mut self, entry: &Entry<'v>) -> Result<Numbered, Stop> {
        let key = canonical_key(&self.ty, entry.key, &mut self.scratch);
        let key = key.map_err(|fault| of_element(self.name, entry.index, fault))?;
        if let Some(number) = self.numbers.get(&*key) {
            return Ok(Numbered { number: *number, is_new: false });
        }
        // A map is at most half empty.
        let owned = if let Cow::Owned(key) = &key { key.len() } else { 0 };
        self.budget.hold(2 * size_of::<(Cow<'_, [u8]>, usize)>() + owned)?;
        let number = self.numbers.len();
        self.numbers.insert(key, number);
        Ok(Numbered { number, is_new: true })
    }
}

/// The part of a group, and its members with their positions.
type Group<'v> = (&'v [u8], Vec<(usize, &'v [u8])>);

/// Collects the elements with equal parts.
pub(crate) fn group_by(keyed: Keyed<'_>, result: &Type, budget: &Budget<'_>) -> Result<Bytes, Stop> {
    let (element, name) = (keyed.element(), keyed.items.0);
    let mut groups = Groups::new(&keyed, budget)?;
    let mut members: Vec<Group<'_>> = Vec::new();
    let mut entries = keyed.entries(budget)?;
    while let Some(entry) = entries.next()? {
        let Numbered { number, is_new } = groups.number(&entry)?;
        if is_new {
            budget.hold(2 * size_of::<Group<'_>>())?;
            members.push((entry.key, Vec::new()));
        }
        budget.hold(2 * size_of::<(usize, &[u8])>())?;
        if let Some((_, members)) = members.get_mut(number) {
            members.push((entry.index, entry.element));
        }
    }
    let mut out = ListBody::new(element_type(result), budget);
    for (key, members) in members {
        out.push_with(|out| {
            wire::put_map_len(out, 2);
            wire::put_str(out, "key");
            copied(&groups.ty, key, out).map_err(|fault| Stop::of_argument(name, &fault))?;
            wire::put_str(out, "items");
            put_list_len(out, element, members.len());
            for (index, member) in members {
                put_element(element, member, out).map_err(|fault| of_element(name, index, fault))?;
                budget.step(member.len())?;
                budget.allow(out.len())?;
            }
            Ok(())
        })?;
    }
    Ok(out.finish())
}

/// Direction of a sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

/// An element with its part in canonical form, to be compared.
type Sorted<'v> = (&'v [u8], Cow<'v, [u8]>);

/// Sorts the elements by their parts; equal ones keep their order.
pub(crate) fn sort_by(keyed: Keyed<'_>, direction: Direction, budget: &Budget<'_>) -> Result<Bytes, Stop> {
    let (ty, name) = (keyed.key_type()?, keyed.items.0);
    let mut entries = keyed.entries(budget)?;
    let each = size_of::<Sorted<'_>>() + 2 * size_of::<usize>();
    budget.hold(entries.items.len().saturating_mul(each))?;
    let mut elements: Vec<Sorted<'_>> = Vec::with_capacity(entries.items.len());
    let mut scratch = Vec::new();
    while let Some(Entry { index, element, key }) = entries.next()? {
        let key = canonical_key(&ty, key, &mut scratch).map_err(|fault| of_element(name, index, fault))?;
        if let Cow::Owned(key) = &key {
            budget.hold(key.len())?;
        }
        elements.push((element, key));
    }
    let order = |left: usize, right: usize| {
        let (Some((_, left)), Some((_, right))) = (elements.get(left), elements.get(right)) else {
            return Ok(Ordering::Equal);
        };
        budget.step(left.len().min(right.len()))?;
        // Every part was read before, so that comparing cannot fail.
        let ordering = compare(&ty, &mut Reader::new(left), &mut Reader::new(right));
        let ordering = ordering.unwrap_or(Ordering::Equal);
        Ok(if direction == Direction::Descending { ordering.reverse() } else { ordering })
    };
    let sorted = merge_sort(elements.len(), &order)?;
    let mut out = ListBody::new(keyed.element(), budget);
    for index in sorted {
        if let Some((element, _)) = elements.get(index) {
            budget.step(element.len())?;
            out.push(element, (name, index))?;
        }
    }
    Ok(out.finish())
}

/// Sorts the numbers below `len`, stably. Every comparison may stop it, which no sort of the library allows.
fn merge_sort(
    len: usize,
    order: &dyn Fn(usize, usize) -> Result<Ordering, Stop>,
) -> Result<Vec<usize>, Stop> {
    let mut items: Vec<usize> = (0..len).collect();
    let mut merged = Vec::with_capacity(len);
    let mut width = 1;
    while width < len {
        for pair in items.chunks(width.saturating_mul(2)) {
            let (mut left, mut right) = pair.split_at(width.min(pair.len()));
            while let ([first, left_rest @ ..], [second, right_rest @ ..]) = (left, right) {
                if order(*first, *second)?.is_gt() {
                    merged.push(*second);
                    right = right_rest;
                } else {
                    merged.push(*first);
                    left = left_rest;
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        std::mem::swap(&mut items, &mut merged);
        merged.clear();
        width = width.saturating_mul(2);
    }
    Ok(items)
}
