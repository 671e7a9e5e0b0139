//! Skeletons in languages for which bindings are generated, by what these declare: C, C++, Zig and Go.
//! `bindings` generates them.

use crate::sandbox::compile::bindings::SourceFile;

/// Line of the header before the functions that a task has to have.
const EXPORTED: &str = "// Exported Functions from ";

/// Returns `task.c` or `task.cpp`.
pub(crate) fn c(header: &str, path: &str) -> SourceFile {
    let body = |declaration: &str| format!("\n{declaration} {{\n    abort(); // to be written\n}}\n");
    let functions: String = declarations(header).map(body).collect();
    let text = format!(
        "// A task. `wit` has its interface, of which each build writes `bindings/task.h`.\n\n#include \"bindings/task.h\"\n#include <stdlib.h>\n{functions}"
    );
    SourceFile { path: path.to_owned(), content: text.into() }
}

/// Returns `task.zig`.
pub(crate) fn zig(header: &str) -> SourceFile {
    let functions: String = declarations(header).filter_map(zig_function).collect();
    let text = format!(
        "//! A task. `wit` has its interface, of which each build writes `bindings/task.zig`.\n\nconst wit = @import(\"bindings/task.zig\");\n{functions}"
    );
    SourceFile { path: "task.zig".to_owned(), content: text.into() }
}

/// Returns the sources of packages in Go, without the line that forbids to edit them.
pub(crate) fn go(files: Vec<SourceFile>) -> Vec<SourceFile> {
    let stubs =
        files.into_iter().filter(|file| file.path.starts_with("export_") && file.path.ends_with(".go"));
    let source = |file: SourceFile| {
        let text = String::from_utf8_lossy(&file.content).into_owned();
        let code = text.find("\npackage ").and_then(|at| text.get(at + 1..)).unwrap_or(&text);
        let folder = file.path.split('/').next().unwrap_or_default();
        let text = format!(
            "// A task. `wit` has its interface, of which each build writes the packages in `bindings`.\n{code}"
        );
        SourceFile { path: format!("{folder}/task.go"), content: text.into() }
    };
    stubs.map(source).collect()
}

/// Returns the declarations of exported functions, each without its semicolon.
fn declarations(header: &str) -> impl Iterator<Item = &str> {
    let mut is_exported = false;
    header.lines().filter_map(move |line| {
        if line.starts_with("// ") && line.contains(" Functions from ") {
            is_exported = line.starts_with(EXPORTED);
        }
        let is_declaration = is_exported && !line.starts_with("//") && line.ends_with(");");
        is_declaration.then(|| line.trim_end_matches(';'))
    })
}

/// Returns a function of Zig for a declaration of C: `bool name(a_t *a, uint32_t b)`.
fn zig_function(declaration: &str) -> Option<String> {
    let (head, params) = declaration.trim_end_matches(')').split_once('(')?;
    let (result, name) = head.rsplit_once(' ')?;
    let params: Option<Vec<String>> =
        params.split(", ").filter(|param| *param != "void").map(zig_param).collect();
    let params = params?;
    let unused: String = params
        .iter()
        .filter_map(|param| param.split(':').next())
        .map(|name| format!("    _ = {name};\n"))
        .collect();
    Some(format!(
        "\nexport fn {name}({}) {} {{\n{unused}    @panic(\"to be written\");\n}}\n",
        params.join(", "),
        zig_type(result.trim())
    ))
}

fn zig_param(param: &str) -> Option<String> {
    let (ty, name) = param.rsplit_once(' ')?;
    Some(match name.strip_prefix('*') {
        // An argument of type `option` is a pointer that may be null.
        Some(name) if name.starts_with("maybe_") => format!("{name}: ?*{}", zig_type(ty)),
        Some(name) => format!("{name}: *{}", zig_type(ty)),
        None => format!("{name}: {}", zig_type(ty)),
    })
}

fn zig_type(ty: &str) -> String {
    match ty {
        "void" | "bool" => ty.to_owned(),
        "float" => "f32".to_owned(),
        "double" => "f64".to_owned(),
        "uint8_t" | "uint16_t" | "uint32_t" | "uint64_t" => format!("u{}", digits(ty)),
        "int8_t" | "int16_t" | "int32_t" | "int64_t" => format!("i{}", digits(ty)),
        _ => format!("wit.{ty}"), // types of the header
    }
}

fn digits(ty: &str) -> String {
    ty.chars().filter(char::is_ascii_digit).collect()
}
