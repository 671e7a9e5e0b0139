//! Shows values by a checked template, straight from their bytes.
//! `show` has the text of each type.

use crate::builtin::budget::{Budget, Stop};
use crate::builtin::elements::Elements;
use crate::builtin::lists::Argument;
use crate::builtin::show::{Escape, Sink};
use crate::builtin::template::names::{Base, Counter, Part, Source, part_type};
use crate::builtin::template::program::{Node, program};
use crate::model::to_usize;
use crate::value::check::{enter_some, locate, one_pair};
use crate::value::wire::{Kind, Reader};
use crate::value::{Type, ValueFault, wire};
use bytes::Bytes;
use std::borrow::Cow;
use std::cell::OnceCell;

/// Renders a template with the record `values`.
pub(crate) fn render(
    (template, (name, ty, values)): (&str, Argument<'_>),
    escape: Escape,
    budget: &Budget<'_>,
) -> Result<Bytes, Stop> {
    let nodes = program(template, ty, budget)?;
    let fault = |fault: ValueFault| Stop::of_argument(name, &fault);
    let Type::Record(fields) = ty else {
        return Err(Stop::Input(format!("argument `{name}` is no record")));
    };
    let mut reader = Reader::new(values);
    let found = locate(fields, &mut reader).map_err(fault)?;
    reader.finish().map_err(|malformed| fault(malformed.into()))?;
    let values = Located { value: values, fields: found };
    let mut renderer = Renderer { sink: Sink::new(budget, escape), budget, values, loops: Vec::new(), name };
    renderer.nodes(&nodes)?;
    Ok(renderer.sink.finish())
}

/// A record with the positions of its fields.
struct Located<'v> {
    value: &'v [u8],
    fields: Vec<Option<usize>>,
}

/// A `for` that is under way.
struct Loop<'v> {
    element: &'v [u8],
    index: usize,
    len: usize,
    /// Positions of the element's fields, so that a long field is not read again for each path to another.
    fields: OnceCell<Vec<Option<usize>>>,
}

struct Renderer<'v, 'b> {
    sink: Sink<'b>,
    budget: &'b Budget<'b>,
    values: Located<'v>,
    loops: Vec<Loop<'v>>,
    name: &'static str,
}

impl<'v> Renderer<'v, '_> {
    fn nodes(&mut self, nodes: &[Node<'_>]) -> Result<(), Stop> {
        nodes.iter().try_for_each(|node| self.node(node))
    }

    fn node(&mut self, node: &Node<'_>) -> Result<(), Stop> {
        match node {
            Node::Text(text) => self.sink.put(text.as_bytes()),
            Node::Show(source) => match self.find(source)? {
                Some(value) => {
                    let shown = self.sink.show(&source.ty, &value);
                    shown.map_err(|shown| shown.of_argument(self.name, |fault| fault))
                }
                None => Ok(()),
            },
            Node::If { condition, body, otherwise } => {
                let nodes = if self.holds(condition)? { body } else { otherwise };
                self.nodes(nodes)
            }
            Node::For { list, body, otherwise } => self.for_each(list, body, otherwise),
        }
    }

    fn for_each(&mut self, list: &Source, body: &[Node<'_>], otherwise: &[Node<'_>]) -> Result<(), Stop> {
        let fault = |name: &str, fault: ValueFault| Stop::of_argument(name, &fault);
        let found = self.find(list)?;
        // A list is always a slice of the values: only bytes are not.
        let found = found.and_then(|found| if let Cow::Borrowed(list) = found { Some(list) } else { None });
        let entered = found.map(|found| enter_options(&list.ty, found)).transpose();
        let Some((ty, found)) = entered.map_err(|found| fault(self.name, found))?.flatten() else {
            return self.nodes(otherwise);
        };
        let mut elements = Elements::open(ty, found).map_err(|found| fault(self.name, found))?;
        let len = elements.len();
        if len == 0 {
            return self.nodes(otherwise);
        }
        for index in 0..len {
            let Some(element) = elements.next().map_err(|found| fault(self.name, found))? else { break };
            self.budget.step(element.len())?;
            self.loops.push(Loop { element, index, len, fields: OnceCell::new() });
            self.nodes(body)?;
            self.loops.pop();
        }
        Ok(())
    }

    /// Returns whether an `if` is true: a bool that is, a list with elements, anything else that is there.
    fn holds(&self, condition: &Source) -> Result<bool, Stop> {
        let Some(value) = self.find(condition)? else { return Ok(false) };
        let mut reader = Reader::new(&value);
        let holds = match &condition.ty {
            Type::Bool => reader.bool(),
            Type::List(element) if **element == Type::U8 => reader.bin().map(|bytes| !bytes.is_empty()),
            Type::List(_) => reader.array_len().map(|len| len > 0),
            Type::Option(_) => reader.peek().map(|kind| kind != Kind::Nil),
            _ => Ok(true), // a part that may miss, and is there
        };
        holds.map_err(|malformed| Stop::of_argument(self.name, &malformed.into()))
    }

    /// Returns the value of a path; none if an option or a result on the way has no such part.
    fn find(&self, source: &Source) -> Result<Option<Cow<'v, [u8]>>, Stop> {
        self.budget.step(0)?;
        let fault = |fault: ValueFault| Stop::of_argument(self.name, &fault);
        let mut steps = source.steps.as_slice();
        let (ty, start) = match source.base {
            Base::Loop(depth, counter) => {
                return Ok(self.loops.get(depth).map(|around| counted(around, counter)));
            }
            Base::Field(position) => match self.values.fields.get(position).copied().flatten() {
                None => return Ok(None), // an option that is left out
                Some(start) => (&source.base_ty, self.values.value.get(start..).unwrap_or_default()),
            },
            Base::Element(depth) => {
                let Some(around) = self.loops.get(depth) else { return Ok(None) };
                match (&source.base_ty, steps) {
                    (Type::Record(fields), [Part::Field(position), rest @ ..]) => {
                        let positions = match around.fields.get() {
                            Some(positions) => positions,
                            None => {
                                let found = locate(fields, &mut Reader::new(around.element));
                                let found = found.map_err(fault)?;
                                around.fields.get_or_init(|| found)
                            }
                        };
                        steps = rest;
                        match (positions.get(*position).copied().flatten(), fields.get(*position)) {
                            (Some(start), Some(field)) => {
                                (&field.ty, around.element.get(start..).unwrap_or_default())
                            }
                            _ => return Ok(None), // an option that is left out
                        }
                    }
                    (ty, _) => (ty, around.element),
                }
            }
        };
        walk(ty, start, steps, source.line).map_err(|miss| match miss {
            Miss::Fault(found) => fault(found),
            Miss::Index(message) => Stop::Input(message),
        })
    }
}

/// Reason why a path leads nowhere.
enum Miss {
    Fault(ValueFault),
    Index(String),
}

impl From<ValueFault> for Miss {
    fn from(fault: ValueFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<wire::Malformed> for Miss {
    fn from(malformed: wire::Malformed) -> Self {
        Self::Fault(malformed.into())
    }
}

/// Follows the steps of a path from a value at the start of `value`.
fn walk<'v>(ty: &Type, value: &'v [u8], steps: &[Part], line: usize) -> Result<Option<Cow<'v, [u8]>>, Miss> {
    let (mut ty, mut value) = (ty, value);
    for step in steps {
        let Some(entered) = enter_options(ty, value)? else { return Ok(None) };
        (ty, value) = entered;
        let mut reader = Reader::new(value);
        match (ty, step) {
            (Type::Record(fields), Part::Field(position)) => {
                match locate(fields, &mut reader)?.get(*position).copied().flatten() {
                    Some(start) => reader.seek(start),
                    None => return Ok(None),
                }
            }
            (Type::List(element), Part::Index(index)) if **element == Type::U8 => {
                let bytes = reader.bin()?;
                return match bytes.get(to_usize(*index)) {
                    Some(byte) => {
                        let mut out = Vec::new();
                        wire::put_uint(&mut out, (*byte).into());
                        Ok(Some(Cow::Owned(out)))
                    }
                    None => Err(too_short(line, *index, bytes.len())),
                };
            }
            (Type::List(_) | Type::Tuple(_), Part::Index(index)) => {
                let len = reader.array_len()?;
                if len <= to_usize(*index) {
                    return Err(too_short(line, *index, len));
                }
                for _ in 0..*index {
                    reader.skip()?;
                }
            }
            (Type::Result(_), side) => {
                one_pair(&mut reader)?;
                let is_error = reader.str()? == "err";
                if is_error != (*side == Part::Err) {
                    return Ok(None);
                }
            }
            _ => return Ok(None), // refused when the template was read
        }
        let Some(part) = part_type(ty, *step) else { return Ok(None) };
        (ty, value) = (part, value.get(reader.position()..).unwrap_or_default());
    }
    let mut reader = Reader::new(value);
    reader.skip()?;
    Ok(Some(Cow::Borrowed(value.get(..reader.position()).unwrap_or_default())))
}

fn too_short(line: usize, index: u32, len: usize) -> Miss {
    Miss::Index(format!("line {line} of the template: there is no element [{index}]; the list has {len}"))
}

/// Returns the value of an option of any depth, with its type; none if there is none.
fn enter_options<'t, 'v>(ty: &'t Type, value: &'v [u8]) -> Result<Option<(&'t Type, &'v [u8])>, ValueFault> {
    let (mut ty, mut value) = (ty, value);
    while let Type::Option(some) = ty {
        let mut reader = Reader::new(value);
        if reader.take_nil()? {
            return Ok(None);
        }
        enter_some(some, &mut reader)?;
        (ty, value) = (some, value.get(reader.position()..).unwrap_or_default());
    }
    Ok(Some((ty, value)))
}

fn counted<'v>(around: &Loop<'_>, counter: Counter) -> Cow<'v, [u8]> {
    let mut out = Vec::new();
    let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    match counter {
        Counter::Index => wire::put_uint(&mut out, number(around.index + 1)),
        Counter::Index0 => wire::put_uint(&mut out, number(around.index)),
        Counter::First => wire::put_bool(&mut out, around.index == 0),
        Counter::Last => wire::put_bool(&mut out, around.index + 1 == around.len),
        Counter::Length => wire::put_uint(&mut out, number(around.len)),
    }
    Cow::Owned(out)
}
