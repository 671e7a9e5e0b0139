//! Skeletons in Rust and TypeScript, with the types of WIT as these languages have them.
//! `untyped` has the frame of a module of JavaScript.

use crate::sandbox::compile::bindings::SourceFile;
use crate::sandbox::compile::skeleton::names::{escaped, lower_camel, snake, upper_camel};
use crate::sandbox::compile::skeleton::untyped::{JAVASCRIPT_WORDS, scripted};
use crate::sandbox::compile::skeleton::world::{Exports, Interface};
use wit_parser::{Function, Resolve, Type, TypeDef, TypeDefKind};

/// Words that are no names in Rust.
const RUST_WORDS: &str = "abstract as async await become box break const continue crate do dyn else enum extern false final fn for gen if \
    impl in let loop macro match mod move mut override priv pub ref return self static struct super trait true try type \
    typeof unsafe unsized use virtual where while yield";

/// Maximum nesting of types that is spelled out. WIT allows a hundred.
const MAX_DEPTH: usize = 100;

/// Returns `src/lib.rs`.
pub(crate) fn rust(resolve: &Resolve, exports: &[Exports<'_>]) -> SourceFile {
    let mut text = "//! A task. `wit` has its interface.\n\nwit_bindgen::generate!({ path: \"wit\", world: \"task\", generate_all });\n\nstruct Task;\n".to_owned();
    for Exports { interface, functions } in exports {
        let module = interface.as_ref().map_or_else(String::new, module_of);
        text.push_str(&format!("\nimpl {module}Guest for Task {{\n"));
        let method = |function: &&Function| rust_method(resolve, &module, function);
        text.push_str(&functions.iter().map(method).collect::<Vec<_>>().join("\n"));
        text.push_str("}\n");
    }
    text.push_str("\nexport!(Task);\n");
    SourceFile { path: "src/lib.rs".to_owned(), content: text.into() }
}

/// Returns the module of an exported interface in the bindings, with `::` behind it.
fn module_of(interface: &Interface) -> String {
    let ident = |name: &str| escaped(snake(name), RUST_WORDS);
    let package =
        interface.package.as_ref().map(|(space, name)| format!("{}::{}::", ident(space), ident(name)));
    format!("exports::{}{}::", package.unwrap_or_default(), ident(&interface.name))
}

fn rust_method(resolve: &Resolve, module: &str, function: &Function) -> String {
    let spell = |ty: &Type| rust_type(resolve, module, ty, 0);
    let param = |param: &wit_parser::Param| {
        format!("{}: {}", escaped(snake(&param.name), RUST_WORDS), spell(&param.ty))
    };
    let params: Vec<String> = function.params.iter().map(param).collect();
    let result = function.result.as_ref().map(|ty| format!(" -> {}", spell(ty))).unwrap_or_default();
    format!(
        "    fn {}({}){result} {{\n        panic!(\"{} is to be written\")\n    }}\n",
        escaped(snake(&function.name), RUST_WORDS),
        params.join(", "),
        function.name
    )
}

fn rust_type(resolve: &Resolve, module: &str, ty: &Type, depth: usize) -> String {
    let inner = |ty: &Type| rust_type(resolve, module, ty, depth + 1);
    let unit = |ty: &Option<Type>| ty.as_ref().map_or("()".to_owned(), inner);
    match definition(resolve, ty, depth) {
        Err(primitive) => match primitive {
            Type::Bool => "bool",
            Type::U8 => "u8",
            Type::U16 => "u16",
            Type::U32 => "u32",
            Type::U64 => "u64",
            Type::S8 => "i8",
            Type::S16 => "i16",
            Type::S32 => "i32",
            Type::S64 => "i64",
            Type::F32 => "f32",
            Type::F64 => "f64",
            Type::Char => "char",
            Type::String => "String",
            Type::ErrorContext | Type::Id(_) => "_",
        }
        .to_owned(),
        Ok(TypeDef { name: Some(name), .. }) => format!("{module}{}", upper_camel(name)),
        Ok(definition) => match &definition.kind {
            TypeDefKind::Option(ty) => format!("Option<{}>", inner(ty)),
            TypeDefKind::List(ty) => format!("Vec<{}>", inner(ty)),
            TypeDefKind::FixedLengthList(ty, len) => format!("[{}; {len}]", inner(ty)),
            TypeDefKind::Result(result) => format!("Result<{}, {}>", unit(&result.ok), unit(&result.err)),
            TypeDefKind::Tuple(tuple) => {
                let parts = tuple.types.iter().fold(String::new(), |parts, ty| parts + &inner(ty) + ", ");
                format!("({})", parts.trim_end())
            }
            _ => "_".to_owned(), // no plain value: the compiler names the right type
        },
    }
}

/// Returns the definition of a type, or the primitive type that it is.
fn definition<'a>(resolve: &'a Resolve, ty: &Type, depth: usize) -> Result<&'a TypeDef, Type> {
    match ty {
        Type::Id(id) if depth < MAX_DEPTH => resolve.types.get(*id).ok_or(*ty),
        _ => Err(*ty),
    }
}

/// Returns `task.ts`.
pub(crate) fn typescript(resolve: &Resolve, exports: &[Exports<'_>]) -> SourceFile {
    let spell = |ty: &Type| script_type(resolve, ty, 0);
    let head = |function: &Function| {
        let param = |param: &wit_parser::Param| {
            format!("{}: {}", escaped(lower_camel(&param.name), JAVASCRIPT_WORDS), spell(&param.ty))
        };
        let params: Vec<String> = function.params.iter().map(param).collect();
        let result = function.result.as_ref().map_or("void".to_owned(), |ty| returned(resolve, ty));
        format!("({}): {result}", params.join(", "))
    };
    SourceFile { path: "task.ts".to_owned(), content: scripted(exports, head).into() }
}

/// Returns the type that a function returns: that of `ok`, since an error is thrown.
fn returned(resolve: &Resolve, ty: &Type) -> String {
    match definition(resolve, ty, 0).map(|definition| &definition.kind) {
        Ok(TypeDefKind::Result(result)) => {
            result.ok.as_ref().map_or("void".to_owned(), |ty| script_type(resolve, ty, 1))
        }
        _ => script_type(resolve, ty, 0), // all others are returned as they are
    }
}

fn script_type(resolve: &Resolve, ty: &Type, depth: usize) -> String {
    let inner = |ty: &Type| script_type(resolve, ty, depth + 1);
    let case = |name: &str, ty: Option<&Type>| match ty {
        Some(ty) => format!("{{ tag: \"{name}\"; val: {} }}", inner(ty)),
        None => format!("{{ tag: \"{name}\" }}"),
    };
    let kind = match definition(resolve, ty, depth) {
        Ok(definition) => &definition.kind,
        Err(Type::Bool) => return "boolean".to_owned(),
        Err(Type::U64 | Type::S64) => return "bigint".to_owned(),
        Err(Type::Char | Type::String) => return "string".to_owned(),
        Err(Type::ErrorContext | Type::Id(_)) => return "unknown".to_owned(),
        Err(_) => return "number".to_owned(), // all other numbers
    };
    let joined = |parts: Vec<String>| parts.join(" | ");
    match kind {
        TypeDefKind::Type(ty) => inner(ty),
        TypeDefKind::Option(ty) => format!("{} | undefined", inner(ty)),
        TypeDefKind::List(Type::U8) => "Uint8Array".to_owned(),
        TypeDefKind::List(ty) | TypeDefKind::FixedLengthList(ty, _) => format!("Array<{}>", inner(ty)),
        TypeDefKind::Tuple(tuple) => {
            format!("[{}]", tuple.types.iter().map(inner).collect::<Vec<_>>().join(", "))
        }
        TypeDefKind::Record(record) => {
            let field = |field: &wit_parser::Field| {
                let ty = inner(&field.ty);
                let optional = if ty.ends_with("| undefined") { "?" } else { "" };
                format!("{}{optional}: {ty}", lower_camel(&field.name))
            };
            format!("{{ {} }}", record.fields.iter().map(field).collect::<Vec<_>>().join("; "))
        }
        TypeDefKind::Flags(flags) => {
            let flag = |flag: &wit_parser::Flag| format!("{}?: boolean", lower_camel(&flag.name));
            format!("{{ {} }}", flags.flags.iter().map(flag).collect::<Vec<_>>().join("; "))
        }
        TypeDefKind::Enum(cases) => {
            joined(cases.cases.iter().map(|case| format!("\"{}\"", case.name)).collect())
        }
        TypeDefKind::Variant(variant) => {
            joined(variant.cases.iter().map(|known| case(&known.name, known.ty.as_ref())).collect())
        }
        TypeDefKind::Result(result) => {
            joined(vec![case("ok", result.ok.as_ref()), case("err", result.err.as_ref())])
        }
        _ => "unknown".to_owned(), // no plain value
    }
}
