//! The names of a template: fields of its values, elements of its lists, and `loop`, each with its type.
//! `program` reads the paths, and `render` finds their values.

use crate::model::{nearest, shortlist, to_usize};
use crate::value::{Field, Type};
use std::borrow::Cow;

/// A step of a path in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step<'t> {
    /// `.name` or `["name"]`
    Field(Cow<'t, str>),
    /// `[0]`
    Index(u32),
}

/// A path of a template, resolved.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Line of the template.
    pub(crate) line: usize,
    /// Where it begins.
    pub(crate) base: Base,
    /// Type at the beginning.
    pub(crate) base_ty: Type,
    /// The way from there.
    pub(crate) steps: Vec<Part>,
    /// Type at its end.
    pub(crate) ty: Type,
    /// Whether some values have no such part, because of an option or a result on the way.
    pub(crate) may_miss: bool,
}

/// Beginning of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// A field of the values, by position.
    Field(usize),
    /// The element of a `for`, by its depth.
    Element(usize),
    /// What `loop` tells of a `for`, by its depth.
    Loop(usize, Counter),
}

/// What `loop` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counter {
    Index,
    Index0,
    First,
    Last,
    Length,
}

const COUNTERS: [(&str, Counter, Type); 5] = [
    ("index", Counter::Index, Type::U32),
    ("index0", Counter::Index0, Type::U32),
    ("first", Counter::First, Type::Bool),
    ("last", Counter::Last, Type::Bool),
    ("length", Counter::Length, Type::U32),
];

/// A step, resolved. Before each step an option is entered; a none has no parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// A field of a record, by position.
    Field(usize),
    /// An element of a list or a tuple.
    Index(u32),
    /// `ok`
    Ok,
    /// `err`
    Err,
}

/// A message, and a fix if one is known.
pub(crate) type Unresolved = (String, Option<String>);

/// The names at a place in a template.
pub(crate) struct Names<'v> {
    values: &'v Type,
    /// The `for`s around the place: name and type of the element, each none after a fault.
    loops: Vec<(Option<String>, Option<Type>)>,
}

impl<'v> Names<'v> {
    pub(crate) const fn new(values: &'v Type) -> Self {
        Self { values, loops: Vec::new() }
    }

    /// Enters a `for` over a list.
    pub(crate) fn enter(&mut self, name: Option<&str>, list: Option<&Source>) {
        let element = list.and_then(|list| match some(&list.ty) {
            Type::List(element) => Some((**element).clone()),
            _ => None, // was reported
        });
        self.loops.push((name.map(str::to_owned), element));
    }

    /// Leaves the innermost `for`.
    pub(crate) fn leave(&mut self) {
        self.loops.pop();
    }

    /// Resolves a path; none if it depends on a list with a fault.
    pub(crate) fn resolve(&self, name: &str, steps: &[Step<'_>]) -> Result<Option<Source>, Unresolved> {
        if name == "loop" && !self.loops.is_empty() {
            return self.counter(steps).map(Some);
        }
        let named =
            |(_, (known, _)): &(usize, &(Option<String>, Option<Type>))| known.as_deref() == Some(name);
        let (base, ty) = match self.loops.iter().enumerate().rev().find(named) {
            Some((_, (_, None))) => return Ok(None),
            Some((depth, (_, Some(ty)))) => (Base::Element(depth), ty.clone()),
            None if self.loops.iter().any(|(name, _)| name.is_none()) => return Ok(None),
            None => {
                let Type::Record(fields) = self.values else {
                    return Err((format!("the values are a `{}`, not a record", self.values), None));
                };
                let (position, field) = self.field(fields, name, Among::All)?;
                (Base::Field(position), field.ty.clone())
            }
        };
        let mut source =
            Source { line: 0, base, base_ty: ty.clone(), steps: Vec::new(), ty, may_miss: false };
        for step in steps {
            source = self.step(source, step)?;
        }
        Ok(Some(source))
    }

    fn counter(&self, steps: &[Step<'_>]) -> Result<Source, Unresolved> {
        let depth = self.loops.len().saturating_sub(1);
        let names = || COUNTERS.iter().map(|(name, ..)| *name);
        let (_, counter, ty) = match steps {
            [Step::Field(name)] => match COUNTERS.iter().find(|(known, ..)| known == name) {
                Some(found) => found,
                None => return Err(unknown("`loop` has", name, names())),
            },
            _ => return Err((format!("`loop` has {}", names().collect::<Vec<_>>().join(", ")), None)),
        };
        let base = Base::Loop(depth, *counter);
        Ok(Source { line: 0, base, base_ty: ty.clone(), steps: Vec::new(), ty: ty.clone(), may_miss: false })
    }

    /// Finds a field. A `_` also means the `-` of WIT, which is a minus in a template.
    fn field<'f>(
        &self,
        fields: &'f [Field],
        name: &str,
        among: Among,
    ) -> Result<(usize, &'f Field), Unresolved> {
        let position = fields.iter().position(|field| *field.name == *name);
        let dashed = || fields.iter().position(|field| *field.name == *name.replace('_', "-"));
        let position = position.or_else(dashed);
        let found = position.and_then(|position| Some((position, fields.get(position)?)));
        found.ok_or_else(|| {
            let loops = self.loops.iter().filter(|_| among == Among::All);
            let loops = loops.filter_map(|(name, _)| name.as_deref());
            let names = fields.iter().map(|field| &*field.name).chain(loops);
            let owner = if among == Among::All { "the values have" } else { "the record has" };
            unknown(owner, name, names)
        })
    }

    fn step(&self, source: Source, step: &Step<'_>) -> Result<Source, Unresolved> {
        let may_miss = source.may_miss || matches!(source.ty, Type::Option(_));
        let (part, ty, may_miss) = match (some(&source.ty), step) {
            (Type::Record(fields), Step::Field(name)) => {
                let (position, field) = self.field(fields, name, Among::Fields)?;
                (Part::Field(position), field.ty.clone(), may_miss)
            }
            (Type::Tuple(types), Step::Index(index)) => match types.get(to_usize(*index)) {
                Some(ty) => (Part::Index(*index), ty.clone(), may_miss),
                None => return Err((format!("the tuple has no element [{index}]"), None)),
            },
            (Type::List(element), Step::Index(index)) => (Part::Index(*index), (**element).clone(), may_miss),
            (Type::Result(sides), Step::Field(name)) => match (&**name, &sides.ok, &sides.err) {
                ("ok", Some(ok), _) => (Part::Ok, ok.clone(), true),
                ("err", _, Some(err)) => (Part::Err, err.clone(), true),
                _ => return Err((format!("`{}` has no payload `{name}`", source.ty), None)),
            },
            (ty, Step::Field(name)) => return Err((format!("a `{ty}` has no part `{name}`"), None)),
            (ty, Step::Index(index)) => return Err((format!("a `{ty}` has no part [{index}]"), None)),
        };
        let mut steps = source.steps;
        steps.push(part);
        Ok(Source { steps, ty, may_miss, ..source })
    }
}

/// The names that a misspelt one is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Among {
    All,
    Fields,
}

fn unknown<'n>(owner: &str, name: &str, names: impl Iterator<Item = &'n str> + Clone) -> Unresolved {
    let help = match nearest(name, names.clone()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("its names are {}", shortlist(name, names)),
    };
    (format!("{owner} no `{name}`"), Some(help))
}

/// Returns the type of the value of an option, of any depth.
pub(crate) fn some(ty: &Type) -> &Type {
    match ty {
        Type::Option(inner) => some(inner),
        other => other,
    }
}

impl Source {
    /// Fails unless a `for` can run over it.
    pub(crate) fn require_list(&self) -> Result<(), String> {
        match some(&self.ty) {
            Type::List(_) => Ok(()),
            other => Err(format!("`for` runs over a list, not over a `{other}`")),
        }
    }

    /// Fails unless an `if` can decide by it.
    pub(crate) fn require_condition(&self) -> Result<(), String> {
        match &self.ty {
            Type::Bool | Type::List(_) | Type::Option(_) => Ok(()),
            _ if self.may_miss => Ok(()),
            other => Err(format!("`if` takes a bool, a list or an option, not a `{other}`")),
        }
    }
}

/// Returns the type of a part of a value that is no option.
pub(crate) fn part_type(ty: &Type, part: Part) -> Option<&Type> {
    match (ty, part) {
        (Type::Record(fields), Part::Field(position)) => fields.get(position).map(|field| &field.ty),
        (Type::Tuple(types), Part::Index(index)) => types.get(to_usize(index)),
        (Type::List(element), Part::Index(_)) => Some(element),
        (Type::Result(sides), Part::Ok) => sides.ok.as_ref(),
        (Type::Result(sides), Part::Err) => sides.err.as_ref(),
        _ => None, // no such part, which was refused
    }
}
