//! What a component offers and asks for, as owned data: functions with their types, and imports.
//! Whether a type may stand on an edge is said here; what may follow which is for `value`.

use crate::sandbox::bounds::Exceeded;
use crate::sandbox::bounds::MOST_TYPES;
use crate::sandbox::offer::Import;
use crate::sandbox::offer::offer;
use crate::value::Case;
use crate::value::Export;
use crate::value::Field;
use crate::value::ResultType;
use crate::value::Signature;
use crate::value::Type;
use crate::value::Unsupported;
use std::sync::Arc;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::{self, ComponentFunc, ComponentItem};

/// The functions that a component exports, at its root and in its interfaces, in its order; unless their types, written
/// out, are more than a host can hold.
pub(crate) fn exports(engine: &Engine, component: &Component) -> Result<Vec<Export>, Exceeded> {
    let mut room = Room(MOST_TYPES);
    let ty = component.component_type();
    let mut exports = Vec::new();
    for (name, item) in ty.exports(engine) {
        match item.ty {
            ComponentItem::ComponentFunc(function) => exports.push(export(None, name, &function, &mut room)),
            ComponentItem::ComponentInstance(instance) => {
                let interface: Arc<str> = Arc::from(name);
                for (name, item) in instance.exports(engine) {
                    if let ComponentItem::ComponentFunc(function) = item.ty {
                        exports.push(export(Some(&interface), name, &function, &mut room));
                    }
                }
            }
            ComponentItem::CoreFunc(_)
            | ComponentItem::Module(_)
            | ComponentItem::Component(_)
            | ComponentItem::Type(_)
            | ComponentItem::Resource(_) => {}
        }
    }
    match room.0 {
        0 => Err(Exceeded::Count { what: "types in its functions", most: u64::from(MOST_TYPES) }),
        _ => Ok(exports), // some room is left
    }
}

/// How many types may still be written out. Types are shared in a component, and are not in what is made of them here.
struct Room(u32);

impl Room {
    /// Takes the place of one type.
    fn take(&mut self) -> Result<(), &'static str> {
        self.0 = self.0.saturating_sub(1);
        if self.0 == 0 { Err("more types than there may be") } else { Ok(()) }
    }
}

/// What a component imports, in its order.
pub(crate) fn imports(engine: &Engine, component: &Component) -> Vec<Import> {
    let ty = component.component_type();
    ty.imports(engine)
        .filter(|(_, item)| !matches!(item.ty, ComponentItem::Type(_)))
        .map(|(name, item)| Import {
            name: Arc::from(name),
            functions: functions(engine, &item.ty),
            offer: offer(name),
        })
        .collect()
}

fn functions(engine: &Engine, item: &ComponentItem) -> Vec<Arc<str>> {
    let ComponentItem::ComponentInstance(instance) = item else {
        return Vec::new();
    };
    instance
        .exports(engine)
        .filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_)))
        .map(|(name, _)| Arc::from(name))
        .collect()
}

fn export(interface: Option<&Arc<str>>, name: &str, function: &ComponentFunc, room: &mut Room) -> Export {
    Export { interface: interface.cloned(), function: Arc::from(name), signature: signature(function, room) }
}

fn signature(function: &ComponentFunc, room: &mut Room) -> Result<Signature, Unsupported> {
    if function.async_() {
        return Err(Unsupported::Async);
    }
    let params = function.params().map(|(name, ty)| {
        let ty = owned(&ty, room).map_err(|ty| unsupported(format!("parameter {name}"), ty))?;
        Ok((Arc::from(name), ty))
    });
    let params = params.collect::<Result<_, _>>()?;
    let result = function.results().next();
    let result = result.map(|ty| owned(&ty, room).map_err(|ty| unsupported("the result".to_owned(), ty)));
    Ok(Signature { params, result: result.transpose()? })
}

fn unsupported(place: String, ty: &str) -> Unsupported {
    Unsupported::Type { place, ty: ty.to_owned() }
}

/// The type as owned data, or the name of the kind of type that cannot cross an edge.
fn owned(ty: &types::Type, room: &mut Room) -> Result<Type, &'static str> {
    room.take()?;
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
        types::Type::Enum(names) => Type::Enum(names.names().map(Arc::from).collect()),
        types::Type::Flags(names) => Type::Flags(names.names().map(Arc::from).collect()),
        types::Type::Option(option) => Type::Option(Arc::new(owned(&option.ty(), room)?)),
        types::Type::Result(result) => Type::Result(Arc::new(ResultType {
            ok: payload(result.ok().as_ref(), room)?,
            err: payload(result.err().as_ref(), room)?,
        })),
        types::Type::Own(_) => return Err("own"),
        types::Type::Borrow(_) => return Err("borrow"),
        types::Type::Future(_) => return Err("future"),
        types::Type::Stream(_) => return Err("stream"),
        types::Type::ErrorContext => return Err("error-context"),
        types::Type::Map(_) => return Err("map"),
        types::Type::FixedLengthList(_) => return Err("list of fixed length"),
    })
}

fn field(field: &types::Field<'_>, room: &mut Room) -> Result<Field, &'static str> {
    Ok(Field { name: Arc::from(field.name), ty: owned(&field.ty, room)? })
}

fn case(case: &types::Case<'_>, room: &mut Room) -> Result<Case, &'static str> {
    Ok(Case { name: Arc::from(case.name), ty: payload(case.ty.as_ref(), room)? })
}

fn payload(ty: Option<&types::Type>, room: &mut Room) -> Result<Option<Type>, &'static str> {
    ty.map(|ty| owned(ty, room)).transpose()
}
