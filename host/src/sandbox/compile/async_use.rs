//! Whether a component needs an engine with async functions: judged by its types and canonical functions.
//! `precheck` walks the sections; `kind` says what the answer means for the engine.

use crate::sandbox::compile::bundle::Wit;
use wasmparser::{
    BinaryReader, BinaryReaderError, CanonicalFunction, CanonicalOption, ComponentAlias,
    ComponentDefinedType, ComponentExternName, ComponentImport, ComponentType, ComponentTypeRef, CoreType,
    Parser, Payload, PrimitiveValType,
};
use wasmtime::component::__internal::wasmtime_environ::wasmparser;

type Result<T> = std::result::Result<T, BinaryReaderError>;

/// Words of WIT, in text and in binary form, without which no function is async and no type is one of the async ones.
const WIT_WORDS: [&str; 4] = ["async", "stream", "future", "error-context"];

/// Beginnings of the names under which a core module imports what only async code calls.
const BUILTINS: [&str; 10] = [
    "[async-lower]",
    "[backpressure-",
    "[context-",
    "[error-context-",
    "[future-",
    "[stream-",
    "[subtask-",
    "[task-",
    "[thread-",
    "[waitable-",
];

/// Returns whether a section needs async functions; `bytes` is the whole file.
pub(crate) fn of_section(payload: &Payload<'_>, bytes: &[u8]) -> Result<bool> {
    match payload {
        Payload::ComponentTypeSection(section) => {
            let range = section.range();
            let body = bytes.get(range.clone()).unwrap_or_default();
            of_types(BinaryReader::new(body, range.start))
        }
        Payload::ComponentCanonicalSection(section) => {
            for function in section.clone() {
                if of_function(&function?) {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Payload::ImportSection(imports) => {
            for import in imports.clone().into_imports() {
                let name = import?.name;
                if BUILTINS.iter().any(|builtin| name.starts_with(builtin)) {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        _ => Ok(false), // no other section declares a type or a function of the component model
    }
}

/// Returns whether an interface in a custom section needs async functions. Damage is reported when it is decoded.
pub(crate) fn of_interface(bytes: &[u8]) -> bool {
    let mut sections = Parser::new(0).parse_all(bytes).map_while(std::result::Result::ok);
    sections.any(|payload| of_section(&payload, bytes).unwrap_or_default())
}

/// Returns whether the component that is made by this WIT may need async functions. A word in a comment is enough.
pub(crate) fn of_wit(wit: &Wit) -> bool {
    let mut texts = wit.packages.iter().flatten();
    texts.any(|file| WIT_WORDS.iter().any(|word| contains(&file.content, word.as_bytes())))
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

fn of_function(function: &CanonicalFunction) -> bool {
    match function {
        CanonicalFunction::Lift { options, .. } | CanonicalFunction::Lower { options, .. } => {
            let is_async = |option: &CanonicalOption| {
                matches!(option, CanonicalOption::Async | CanonicalOption::Callback(_))
            };
            options.iter().any(is_async)
        }
        CanonicalFunction::ResourceNew { .. }
        | CanonicalFunction::ResourceDrop { .. }
        | CanonicalFunction::ResourceRep { .. }
        | CanonicalFunction::ThreadSpawnRef { .. }
        | CanonicalFunction::ThreadSpawnIndirect { .. }
        | CanonicalFunction::ThreadAvailableParallelism => false,
        _ => true, // all others work with tasks, streams, futures and what waits for them
    }
}

/// Returns whether a section of types has an async one.
///
/// Threat: types nest, and wasmparser reads nested ones by recursion. This runs in the host, so the nesting is on a stack
/// in memory instead: of the number of items that are left at each level.
fn of_types(mut reader: BinaryReader<'_>) -> Result<bool> {
    let mut left = vec![reader.read_var_u32()?];
    while let Some(count) = left.last_mut() {
        let Some(rest) = count.checked_sub(1) else {
            left.pop();
            continue;
        };
        *count = rest;
        let is_nested = left.len() > 1;
        if is_nested && !begins_type(&mut reader)? {
            continue;
        }
        let mut ahead = reader.clone();
        if let COMPONENT | INSTANCE = ahead.read_u8()? {
            reader = ahead;
            left.push(reader.read_var_u32()?);
        } else if is_async(&reader.read()?) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// First bytes of the two types that nest.
const COMPONENT: u8 = 0x41;
const INSTANCE: u8 = 0x42;

/// Reads a declaration in a type of a component or an instance. Returns whether it declares a type, which is read next.
fn begins_type(reader: &mut BinaryReader<'_>) -> Result<bool> {
    match reader.read_u8()? {
        0 => drop(reader.read::<CoreType<'_>>()?),
        1 => return Ok(true),
        2 => {
            reader.read::<ComponentAlias<'_>>()?;
        }
        3 => drop(reader.read::<ComponentImport<'_>>()?),
        _ => {
            // An export; for any other byte the compiler reports the damage.
            reader.read::<ComponentExternName<'_>>()?;
            reader.read::<ComponentTypeRef>()?;
        }
    }
    Ok(false)
}

fn is_async(ty: &ComponentType<'_>) -> bool {
    match ty {
        ComponentType::Func(function) => function.async_,
        ComponentType::Defined(defined) => matches!(
            defined,
            ComponentDefinedType::Future(_)
                | ComponentDefinedType::Stream(_)
                | ComponentDefinedType::Primitive(PrimitiveValType::ErrorContext)
        ),
        ComponentType::Component(_) | ComponentType::Instance(_) | ComponentType::Resource { .. } => false,
    }
}
