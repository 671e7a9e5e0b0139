//! Reflection: a component's exports with their types, and its imports, as owned data.
//! Types that cannot cross an edge are rejected here; `value` decides which types are assignable.

use crate::sandbox::compile::{Exceeded, MOST_TYPES};
use crate::sandbox::component::imports::{Import, offer};
use crate::value::{Case, Export, Field, ResultType, Signature, Type, Unsupported};
use std::sync::Arc;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::{self, ComponentFunc, ComponentItem};

/// Interface of a component.
pub(crate) struct Interface {
    /// Exported functions, of the root and of its interfaces, in the component's order.
    pub(crate) exports: Vec<Export>,
    /// Imports, in the component's order.
    pub(crate) imports: Vec<Import>,
}

/// Reads the interface of a component. Fails if it expands to more than [`MOST_TYPES`] types and names.
pub(crate) fn interface(engine: &Engine, component: &Component) -> Result<Interface, Exceeded> {
    let mut room = Room(MOST_TYPES);
    let exports = exports(engine, component, &mut room)?;
    let imports = imports(engine, component, &mut room)?;
    Ok(Interface { exports, imports })
}

fn exports(engine: &Engine, component: &Component, room: &mut Room) -> Result<Vec<Export>, Exceeded> {
    let ty = component.component_type();
    let mut exports = Vec::new();
    for (name, item) in ty.exports(engine) {
        match item.ty {
            ComponentItem::ComponentFunc(function) => exports.push(export(None, name, &function, room)?),
            ComponentItem::ComponentInstance(instance) => {
                let interface: Arc<str> = Arc::from(name);
                for (name, item) in instance.exports(engine) {
                    if let ComponentItem::ComponentFunc(function) = item.ty {
                        exports.push(export(Some(&interface), name, &function, room)?);
                    }
                }
            }
            // Exports that are no functions cannot be tasks.
            ComponentItem::CoreFunc(_)
            | ComponentItem::Module(_)
            | ComponentItem::Component(_)
            | ComponentItem::Type(_)
            | ComponentItem::Resource(_) => {}
        }
    }
    Ok(exports)
}

/// Remaining number of types, functions and names that may be expanded; a long name counts as several.
///
/// A component shares them (two tuples of the same tuple, a thousand interfaces of the same thousand functions). The
/// owned data does not, so its size must be bounded.
struct Room(u32);

/// Number of bytes of a name that count as one.
const NAME: usize = 64;

impl Room {
    /// Counts something with a name. Fails if nothing remains.
    fn take(&mut self, name: &str) -> Result<(), Full> {
        let place = u32::try_from(name.len() / NAME).unwrap_or(u32::MAX).saturating_add(1);
        self.0 = self.0.checked_sub(place).ok_or(Full)?;
        Ok(())
    }

    /// Counts a name and returns an owned copy.
    fn name(&mut self, name: &str) -> Result<Arc<str>, Full> {
        self.take(name)?;
        Ok(Arc::from(name))
    }
}

/// Error: the bound on types and names is exceeded.
#[derive(Clone, Copy)]
struct Full;

impl From<Full> for Exceeded {
    fn from(_: Full) -> Self {
        Self::Count { what: "types and names in its interface", most: u64::from(MOST_TYPES) }
    }
}

/// Reasons why a type is not expanded.
#[derive(Clone, Copy)]
enum Missing {
    /// The type cannot cross an edge.
    Kind(&'static str),
    /// The bound is exceeded.
    Full,
}

impl From<Full> for Missing {
    fn from(_: Full) -> Self {
        Self::Full
    }
}

fn imports(engine: &Engine, component: &Component, room: &mut Room) -> Result<Vec<Import>, Exceeded> {
    let ty = component.component_type();
    let mut imports = Vec::new();
    for (name, item) in ty.imports(engine) {
        if !matches!(item.ty, ComponentItem::Type(_)) {
            let functions = functions(engine, &item.ty, room)?;
            imports.push(Import { name: room.name(name)?, functions, offer: offer(name) });
        }
    }
    Ok(imports)
}

fn functions(engine: &Engine, item: &ComponentItem, room: &mut Room) -> Result<Vec<Arc<str>>, Full> {
    let ComponentItem::ComponentInstance(instance) = item else {
        return Ok(Vec::new());
    };
    instance
        .exports(engine)
        .filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_)))
        .map(|(name, _)| room.name(name))
        .collect()
}

fn export(
    interface: Option<&Arc<str>>,
    name: &str,
    function: &ComponentFunc,
    room: &mut Room,
) -> Result<Export, Full> {
    let function_name = room.name(name)?;
    let signature = signature(function, room)?;
    Ok(Export { interface: interface.cloned(), function: function_name, signature })
}

fn signature(function: &ComponentFunc, room: &mut Room) -> Result<Result<Signature, Unsupported>, Full> {
    if function.async_() {
        return Ok(Err(Unsupported::Async));
    }
    let mut params = Vec::new();
    for (name, ty) in function.params() {
        match owned(&ty, room) {
            Ok(ty) => params.push((room.name(name)?, ty)),
            Err(missing) => return unsupported(format!("parameter {name}"), missing),
        }
    }
    match function.results().next().map(|ty| owned(&ty, room)).transpose() {
        Ok(result) => Ok(Ok(Signature { params, result })),
        Err(missing) => unsupported("the result".to_owned(), missing),
    }
}

fn unsupported(place: String, missing: Missing) -> Result<Result<Signature, Unsupported>, Full> {
    match missing {
        Missing::Kind(ty) => Ok(Err(Unsupported::Type { place, ty: ty.to_owned() })),
        Missing::Full => Err(Full),
    }
}

/// Returns the type as owned data.
fn owned(ty: &types::Type, room: &mut Room) -> Result<Type, Missing> {
    room.take("")?;
    Ok(match ty {
        types::Type::Bool => Type::Bool,
        types::Type::S8 => Type::S8,
        types::Type::U8 => Type::U8,
        types::Type::S16 => Type::S16,
        types::Type::U16 => Type::U16,
        types::Type::S32 => Type::S32,
        types::Type::U32 => Type::U32,
        types::Type::S64 => Type::S64,
        types::Type::U64 => Type::U64,
        types::Type::Float32 => Type::F32,
        types::Type::Float64 => Type::F64,
        types::Type::Char => Type::Char,
        types::Type::String => Type::String,
        types::Type::List(list) => Type::List(Arc::new(owned(&list.ty(), room)?)),
        types::Type::Tuple(tuple) => {
            Type::Tuple(tuple.types().map(|ty| owned(&ty, room)).collect::<Result<_, _>>()?)
        }
        types::Type::Record(record) => {
            Type::Record(record.fields().map(|of| field(&of, room)).collect::<Result<_, _>>()?)
        }
        types::Type::Variant(variant) => {
            Type::Variant(variant.cases().map(|of| case(&of, room)).collect::<Result<_, _>>()?)
        }
        types::Type::Enum(names) => {
            Type::Enum(names.names().map(|name| room.name(name)).collect::<Result<_, _>>()?)
        }
        types::Type::Flags(names) => {
            Type::Flags(names.names().map(|name| room.name(name)).collect::<Result<_, _>>()?)
        }
        types::Type::Option(option) => Type::Option(Arc::new(owned(&option.ty(), room)?)),
        types::Type::Result(result) => Type::Result(Arc::new(ResultType {
            ok: payload(result.ok().as_ref(), room)?,
            err: payload(result.err().as_ref(), room)?,
        })),
        types::Type::Own(_) => return Err(Missing::Kind("own")),
        types::Type::Borrow(_) => return Err(Missing::Kind("borrow")),
        types::Type::Future(_) => return Err(Missing::Kind("future")),
        types::Type::Stream(_) => return Err(Missing::Kind("stream")),
        types::Type::ErrorContext => return Err(Missing::Kind("error-context")),
        types::Type::Map(_) => return Err(Missing::Kind("map")),
        types::Type::FixedLengthList(_) => return Err(Missing::Kind("list of fixed length")),
    })
}

fn field(field: &types::Field<'_>, room: &mut Room) -> Result<Field, Missing> {
    Ok(Field { name: room.name(field.name)?, ty: owned(&field.ty, room)? })
}

fn case(case: &types::Case<'_>, room: &mut Room) -> Result<Case, Missing> {
    Ok(Case { name: room.name(case.name)?, ty: payload(case.ty.as_ref(), room)? })
}

fn payload(ty: Option<&types::Type>, room: &mut Room) -> Result<Option<Type>, Missing> {
    ty.map(|ty| owned(ty, room)).transpose()
}
