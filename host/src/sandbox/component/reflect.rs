//! Reflection: a component's exports with their types, and its imports, as owned data.
//! Types that cannot cross an edge are rejected here; `value` decides which types are assignable.

use crate::sandbox::compile::{Exceeded, MAX_TYPES};
use crate::sandbox::component::imports::{Import, Offer, offer};
use crate::value::{
    Case, Export, Field, MapType, Passing, ResultType, Signature, Transfer, Type, Unsupported,
};
use std::sync::Arc;
use wasmtime::Engine;
use wasmtime::component::types::{self, ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ResourceType};

/// Interface of a component.
pub(crate) struct Interface {
    /// Exported functions, of the root and of its interfaces, in the component's order.
    pub(crate) exports: Vec<Export>,
    /// Imports, in the component's order.
    pub(crate) imports: Vec<Import>,
}

/// Reads the interface of a component. Fails if it expands to more than [`MAX_TYPES`] types and names.
pub(crate) fn interface(engine: &Engine, component: &Component) -> Result<Interface, Exceeded> {
    let mut budget = TypeBudget(MAX_TYPES);
    let exports = exports(engine, component, &mut budget)?;
    let imports = imports(engine, component, &mut budget)?;
    Ok(Interface { exports, imports })
}

fn exports(engine: &Engine, component: &Component, budget: &mut TypeBudget) -> Result<Vec<Export>, Exceeded> {
    let ty = component.component_type();
    let mut exports = Vec::new();
    for (name, item) in ty.exports(engine) {
        match item.ty {
            ComponentItem::ComponentFunc(function) => exports.push(export(None, name, &function, budget)?),
            ComponentItem::ComponentInstance(instance) => {
                let interface: Arc<str> = Arc::from(name);
                for (name, item) in instance.exports(engine) {
                    if let ComponentItem::ComponentFunc(function) = item.ty {
                        exports.push(export(Some(&interface), name, &function, budget)?);
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
struct TypeBudget(u32);

/// Number of bytes of a name that count as one.
const NAME_UNIT: usize = 64;

impl TypeBudget {
    /// Counts something with a name. Fails if nothing remains.
    fn charge(&mut self, name: &str) -> Result<(), BudgetExceeded> {
        let cost = u32::try_from(name.len() / NAME_UNIT).unwrap_or(u32::MAX).saturating_add(1);
        self.0 = self.0.checked_sub(cost).ok_or(BudgetExceeded)?;
        Ok(())
    }

    /// Counts a name and returns an owned copy.
    fn name(&mut self, name: &str) -> Result<Arc<str>, BudgetExceeded> {
        self.charge(name)?;
        Ok(Arc::from(name))
    }
}

/// Error: the bound on types and names is exceeded.
#[derive(Clone, Copy)]
struct BudgetExceeded;

impl From<BudgetExceeded> for Exceeded {
    fn from(_: BudgetExceeded) -> Self {
        Self::Count { items: "types and names in its interface", max: u64::from(MAX_TYPES) }
    }
}

/// Reasons why a type is not expanded.
#[derive(Clone, Copy)]
enum NotExpanded {
    /// The type cannot cross an edge.
    Kind(&'static str),
    /// It is a stream or a future, and its elements cannot cross an edge.
    Element(&'static str),
    /// The bound is exceeded.
    Budget,
}

impl From<BudgetExceeded> for NotExpanded {
    fn from(_: BudgetExceeded) -> Self {
        Self::Budget
    }
}

fn imports(engine: &Engine, component: &Component, budget: &mut TypeBudget) -> Result<Vec<Import>, Exceeded> {
    let ty = component.component_type();
    let (mut imports, mut resources) = (Vec::new(), Resources::default());
    for (name, item) in ty.imports(engine) {
        let has_only_types = resources.has_only_types(engine, &item.ty);
        if !matches!(item.ty, ComponentItem::Type(_)) {
            let functions = functions(engine, &item.ty, budget)?;
            let offer = match offer(name) {
                Offer::Unknown if has_only_types => Offer::Types,
                known => known, // an offer of the host, or none
            };
            let signatures = match offer {
                // A budget of its own: a component does not fail to load by what `inspect` would show of it.
                Offer::Unknown => signatures(engine, (name, &item.ty), &mut TypeBudget(MAX_TYPES)),
                Offer::Module
                | Offer::Types
                | Offer::Trap
                | Offer::Always
                | Offer::Refused
                | Offer::Granted(_) => None,
            };
            let signatures = signatures.unwrap_or_default();
            imports.push(Import { name: budget.name(name)?, functions, signatures, offer });
        }
    }
    Ok(imports)
}

/// Maximum number of imported resources that are compared with each other. An interface with more is never types alone.
const MAX_RESOURCES: usize = 1_000;

/// The resources that a component has imported so far.
#[derive(Default)]
pub(crate) struct Resources(Vec<ResourceType>);

impl Resources {
    /// Returns whether an import has nothing but types. A resource of an earlier import is a type: the linker has it.
    pub(crate) fn has_only_types(&mut self, engine: &Engine, item: &ComponentItem) -> bool {
        match item {
            ComponentItem::Type(_) => true,
            ComponentItem::Resource(resource) => !self.is_new(resource),
            ComponentItem::ComponentInstance(instance) => {
                // All items are visited, because later imports may refer to their resources.
                let items = instance.exports(engine).map(|(_, item)| self.has_only_types(engine, &item.ty));
                items.fold(true, |all, has_only_types| all & has_only_types)
            }
            ComponentItem::ComponentFunc(_)
            | ComponentItem::CoreFunc(_)
            | ComponentItem::Module(_)
            | ComponentItem::Component(_) => false,
        }
    }

    /// Adds a resource. Returns whether no earlier import has it.
    pub(crate) fn is_new(&mut self, resource: &ResourceType) -> bool {
        if self.0.contains(resource) {
            return false;
        }
        if self.0.len() < MAX_RESOURCES {
            self.0.push(*resource);
        }
        true
    }
}

/// Fails if the functions that a component imports expand to more than [`MAX_TYPES`] types and names.
///
/// Threat: composing compares the types of imports and exports, and reads shared types once for each use.
pub(crate) fn check_imported_types(engine: &Engine, component: &Component) -> Result<(), Exceeded> {
    let mut budget = TypeBudget(MAX_TYPES);
    for (_, item) in component.component_type().imports(engine) {
        charge_functions(engine, &item.ty, &mut budget)?;
    }
    Ok(())
}

fn charge_functions(
    engine: &Engine,
    item: &ComponentItem,
    budget: &mut TypeBudget,
) -> Result<(), BudgetExceeded> {
    match item {
        ComponentItem::ComponentFunc(function) => {
            signature(function, &mut Passing::default(), budget).map(drop)
        }
        ComponentItem::ComponentInstance(instance) => {
            let mut items = instance.exports(engine);
            items.try_for_each(|(_, item)| charge_functions(engine, &item.ty, budget))
        }
        ComponentItem::CoreFunc(_)
        | ComponentItem::Module(_)
        | ComponentItem::Component(_)
        | ComponentItem::Type(_)
        | ComponentItem::Resource(_) => Ok(()),
    }
}

fn functions(
    engine: &Engine,
    item: &ComponentItem,
    budget: &mut TypeBudget,
) -> Result<Vec<Arc<str>>, BudgetExceeded> {
    let ComponentItem::ComponentInstance(instance) = item else {
        return Ok(Vec::new());
    };
    instance
        .exports(engine)
        .filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_)))
        .map(|(name, _)| budget.name(name))
        .collect()
}

/// Returns the signatures of an imported function, or of the functions of an imported interface; none if they exceed the
/// budget.
fn signatures(
    engine: &Engine,
    (name, item): (&str, &ComponentItem),
    budget: &mut TypeBudget,
) -> Option<Vec<(Arc<str>, String)>> {
    let shown = |name: &str, function: &ComponentFunc, budget: &mut TypeBudget| {
        let export = export(None, name, function, budget).ok()?;
        let text = match &export.signature {
            Ok(signature) => export.wit().unwrap_or_else(|| signature.to_string()),
            Err(unsupported) => unsupported.to_string(),
        };
        Some((export.function, text))
    };
    match item {
        ComponentItem::ComponentFunc(function) => Some(vec![shown(name, function, budget)?]),
        ComponentItem::ComponentInstance(instance) => {
            let functions = instance.exports(engine).filter_map(|(name, item)| match item.ty {
                ComponentItem::ComponentFunc(function) => Some((name, function)),
                _ => None, // nothing else has a signature
            });
            functions.map(|(name, function)| shown(name, &function, budget)).collect()
        }
        ComponentItem::CoreFunc(_)
        | ComponentItem::Module(_)
        | ComponentItem::Component(_)
        | ComponentItem::Type(_)
        | ComponentItem::Resource(_) => Some(Vec::new()),
    }
}

fn export(
    interface: Option<&Arc<str>>,
    name: &str,
    function: &ComponentFunc,
    budget: &mut TypeBudget,
) -> Result<Export, BudgetExceeded> {
    let function_name = budget.name(name)?;
    let mut passing = Box::new(Passing { is_async: function.async_(), ..Passing::default() });
    let signature = signature(function, &mut passing, budget)?;
    Ok(Export { interface: interface.cloned(), function: function_name, signature, passing })
}

fn signature(
    function: &ComponentFunc,
    passing: &mut Passing,
    budget: &mut TypeBudget,
) -> Result<Result<Signature, Unsupported>, BudgetExceeded> {
    let mut params = Vec::new();
    for (name, ty) in function.params() {
        match passed_type(&ty, budget) {
            Ok((ty, transfer)) => {
                params.push((budget.name(name)?, ty));
                passing.params.push(transfer);
            }
            Err(reason) => return unsupported(format!("parameter {name}"), reason),
        }
    }
    match function.results().next().map(|ty| passed_type(&ty, budget)).transpose() {
        Ok(result) => {
            let (result, transfer) = result.unzip();
            passing.result = transfer.unwrap_or_default();
            Ok(Ok(Signature { params, result }))
        }
        Err(reason) => unsupported("the result".to_owned(), reason),
    }
}

/// Returns the type of a parameter or result as tasks see it, and how it passes.
fn passed_type(ty: &types::Type, budget: &mut TypeBudget) -> Result<(Type, Transfer), NotExpanded> {
    let element = |ty: Option<types::Type>, name, budget: &mut TypeBudget| {
        let ty = ty.as_ref().map(|ty| owned_type(ty, budget)).transpose();
        match ty {
            Ok(Some(ty)) if Transfer::takes(&ty) => Ok(ty),
            Err(NotExpanded::Budget) => Err(NotExpanded::Budget),
            Ok(_) | Err(NotExpanded::Kind(_) | NotExpanded::Element(_)) => Err(NotExpanded::Element(name)),
        }
    };
    Ok(match ty {
        types::Type::Stream(stream) => {
            (Type::List(Arc::new(element(stream.ty(), "stream", budget)?)), Transfer::Stream)
        }
        types::Type::Future(future) => (element(future.ty(), "future", budget)?, Transfer::Future),
        whole => (owned_type(whole, budget)?, Transfer::Whole),
    })
}

fn unsupported(
    position: String,
    reason: NotExpanded,
) -> Result<Result<Signature, Unsupported>, BudgetExceeded> {
    match reason {
        NotExpanded::Kind(ty) => Ok(Err(Unsupported::Type { position, ty: ty.to_owned() })),
        NotExpanded::Element(ty) => Ok(Err(Unsupported::Element { position, ty })),
        NotExpanded::Budget => Err(BudgetExceeded),
    }
}

/// Returns the type as owned data.
fn owned_type(ty: &types::Type, budget: &mut TypeBudget) -> Result<Type, NotExpanded> {
    budget.charge("")?;
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
        types::Type::List(list) => Type::List(Arc::new(owned_type(&list.ty(), budget)?)),
        types::Type::Tuple(tuple) => {
            Type::Tuple(tuple.types().map(|ty| owned_type(&ty, budget)).collect::<Result<_, _>>()?)
        }
        types::Type::Record(record) => {
            Type::Record(record.fields().map(|member| field(&member, budget)).collect::<Result<_, _>>()?)
        }
        types::Type::Variant(variant) => {
            Type::Variant(variant.cases().map(|member| case(&member, budget)).collect::<Result<_, _>>()?)
        }
        types::Type::Enum(names) => {
            Type::Enum(names.names().map(|name| budget.name(name)).collect::<Result<_, _>>()?)
        }
        types::Type::Flags(names) => {
            Type::Flags(names.names().map(|name| budget.name(name)).collect::<Result<_, _>>()?)
        }
        types::Type::Option(option) => Type::Option(Arc::new(owned_type(&option.ty(), budget)?)),
        types::Type::Result(result) => Type::Result(Arc::new(ResultType {
            ok: payload(result.ok().as_ref(), budget)?,
            err: payload(result.err().as_ref(), budget)?,
        })),
        types::Type::Own(_) => return Err(NotExpanded::Kind("own")),
        types::Type::Borrow(_) => return Err(NotExpanded::Kind("borrow")),
        types::Type::Future(_) => return Err(NotExpanded::Kind("future")),
        types::Type::Stream(_) => return Err(NotExpanded::Kind("stream")),
        types::Type::ErrorContext => return Err(NotExpanded::Kind("error-context")),
        types::Type::Map(map) => Type::Map(Arc::new(MapType {
            key: owned_type(&map.key(), budget)?,
            value: owned_type(&map.value(), budget)?,
        })),
        types::Type::FixedLengthList(_) => return Err(NotExpanded::Kind("list of fixed length")),
    })
}

fn field(field: &types::Field<'_>, budget: &mut TypeBudget) -> Result<Field, NotExpanded> {
    Ok(Field { name: budget.name(field.name)?, ty: owned_type(&field.ty, budget)? })
}

fn case(case: &types::Case<'_>, budget: &mut TypeBudget) -> Result<Case, NotExpanded> {
    Ok(Case { name: budget.name(case.name)?, ty: payload(case.ty.as_ref(), budget)? })
}

fn payload(ty: Option<&types::Type>, budget: &mut TypeBudget) -> Result<Option<Type>, NotExpanded> {
    ty.map(|ty| owned_type(ty, budget)).transpose()
}
