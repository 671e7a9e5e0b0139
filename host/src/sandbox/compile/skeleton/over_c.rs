//! Skeletons in languages for which bindings are generated, by what these declare: C, C++, Zig, Nim and Go.
//! `bindings` generates them.

use crate::sandbox::compile::bindings::SourceFile;
use std::collections::BTreeSet;
use std::path::Path;

/// Line of the header before the functions that a task has to have.
const EXPORTED: &str = "// Exported Functions from ";

/// Words of Zig that may be names in C.
const ZIG_WORDS: &str = "addrspace align allowzero and anyframe anyopaque anytype async await callconv catch comptime defer \
    errdefer error export false fn inline linksection noalias noinline nosuspend null opaque or orelse packed pub resume \
    suspend test threadlocal true try type undefined unreachable usingnamespace var";

/// Words of Nim that may be names in C.
const NIM_WORDS: &str = "addr and as asm bind block cast concept converter defer discard distinct div elif end except export \
    finally from func import in include interface is isnot iterator let macro method mixin mod nil not notin object of or \
    out proc ptr raise ref shl shr template try tuple type using var when xor yield";

/// Beginning of a task in Nim, up to the types of the header.
const NIM_BEGIN: &str = "\
## A task. `wit` has its interface, of which each build writes `bindings/task.h`.

{.compile: \"bindings/task.c\", passL: \"bindings/task_component_type.o\".}
{.emit: \"\"\"/*VARSECTION*/
void NimMain(void);
__attribute__((constructor)) static void start(void) { NimMain(); } // types and globals, before the first call
\"\"\".}
{.push header: \"bindings/task.h\".}
";

/// What each function of a task in Nim calls until it is written.
const NIM_STUB: &str = "\
proc abort() {.importc, header: \"<stdlib.h>\", noreturn.}

proc unwritten(name: string) {.noreturn.} =
  stderr.writeLine name & \" is to be written\"
  abort()
";

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

/// Returns `task.nim`.
pub(crate) fn nim(header: &str) -> SourceFile {
    let functions: String = declarations(header).filter_map(nim_function).collect();
    let used = declarations(header).filter_map(|declaration| declaration.split_once('('));
    let used = used.flat_map(|(_, params)| params.split(", ").filter_map(|param| param.rsplit_once(' ')));
    let types: BTreeSet<&str> = used.map(|(ty, _)| ty).filter(|ty| nim_scalar(ty).is_none()).collect();
    let types = types.iter().fold(String::new(), |types, ty| types + "  " + ty + " {.importc.} = object\n");
    let types =
        if types.is_empty() { types } else { format!("type # add the fields that the task uses\n{types}") };
    let text = format!("{NIM_BEGIN}{types}{{.pop.}}\n\n{NIM_STUB}{functions}");
    SourceFile { path: "task.nim".to_owned(), content: text.into() }
}

/// Returns the sources of packages in Go, without the line that forbids to edit them.
pub(crate) fn go(files: Vec<SourceFile>) -> Vec<SourceFile> {
    let stubs =
        files.into_iter().filter(|file| file.path.starts_with("export_") && has_extension(&file.path, "go"));
    let source = |file: SourceFile| {
        let text = String::from_utf8_lossy(&file.content).into_owned();
        let code = text.find("\npackage ").and_then(|at| text.get(at + 1..)).unwrap_or(&text);
        let folder = file.path.split('/').next().unwrap_or_default();
        let text = format!(
            "// A task. `wit` has its interface, of which each build writes the packages in `bindings`.\n{code}"
        );
        SourceFile { path: format!("{folder}/task.go"), content: indented(&text).into() }
    };
    stubs.map(source).collect()
}

/// Returns whether a path has an extension.
pub(crate) fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

/// Indents a source of Go by tabs, without blank lines that follow each other.
fn indented(text: &str) -> String {
    let (mut indented, mut is_import, mut was_blank) = (String::new(), false, false);
    for line in text.lines() {
        let code = line.trim_start();
        is_import = code == "import (" || is_import && code != ")";
        let is_inside = line.len() > code.len() || is_import && code != "import (";
        if !code.is_empty() || !was_blank {
            indented.push_str(if is_inside && !code.is_empty() { "\t" } else { "" });
            indented.push_str(code);
            indented.push('\n');
        }
        was_blank = code.is_empty();
    }
    indented
}

/// Returns the declarations of exported functions, each without its semicolon.
fn declarations(header: &str) -> impl Iterator<Item = &str> {
    let mut is_exported = false;
    header.lines().filter_map(move |line| {
        // Others follow: those that are imported, and helpers.
        if line.starts_with("// ") && line.contains(" Functions") {
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
    let names = params.iter().filter_map(|param| param.split(':').next());
    let unused = names.fold(String::new(), |unused, name| unused + "    _ = " + name + ";\n");
    Some(format!(
        "\nexport fn {name}({}) {} {{\n{unused}    @panic(\"to be written\");\n}}\n",
        params.join(", "),
        zig_type(result.trim())
    ))
}

fn zig_param(param: &str) -> Option<String> {
    let (ty, name) = param.rsplit_once(' ')?;
    let pointer = name.strip_prefix('*');
    let name = pointer.unwrap_or(name);
    // An argument of type `option` is a pointer that may be null.
    let kind = match pointer {
        Some(_) if name.starts_with("maybe_") => "?*",
        Some(_) => "*",
        None => "",
    };
    Some(format!("{}: {kind}{}", zig_name(name), zig_type(ty)))
}

/// Returns a name, quoted if it is a word of Zig.
fn zig_name(name: &str) -> String {
    if ZIG_WORDS.split(' ').any(|word| word == name) { format!("@\"{name}\"") } else { name.to_owned() }
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

/// Returns a function of Nim for a declaration of C.
fn nim_function(declaration: &str) -> Option<String> {
    let (head, params) = declaration.trim_end_matches(')').split_once('(')?;
    let (result, name) = head.rsplit_once(' ')?;
    let params: Option<Vec<String>> =
        params.split(", ").filter(|param| *param != "void").map(nim_param).collect();
    let result = match result.trim() {
        "void" => String::new(),
        ty => format!(": {}", nim_scalar(ty).unwrap_or(ty)),
    };
    let params = params?.join(", ");
    Some(format!("\nproc {name}({params}){result} {{.exportc.}} =\n  unwritten \"{name}\"\n"))
}

fn nim_param(param: &str) -> Option<String> {
    let (ty, name) = param.rsplit_once(' ')?;
    let ty = nim_scalar(ty).unwrap_or(ty);
    let pointer = name.strip_prefix('*');
    let name = pointer.unwrap_or(name);
    // An argument of type `option` is a pointer that may be null.
    let kind = match pointer {
        Some(_) if name.starts_with("maybe_") => "ptr ",
        Some(_) => "var ",
        None => "",
    };
    Some(format!("{}: {kind}{ty}", nim_name(name)))
}

/// Returns a name, quoted if it is a word of Nim.
fn nim_name(name: &str) -> String {
    if NIM_WORDS.split(' ').any(|word| word == name) { format!("`{name}`") } else { name.to_owned() }
}

/// Returns the name of a scalar type of C; none for types of the header.
fn nim_scalar(ty: &str) -> Option<&str> {
    match ty {
        "bool" => Some(ty),
        "float" => Some("cfloat"),
        "double" => Some("cdouble"),
        "uint8_t" | "uint16_t" | "uint32_t" | "uint64_t" | "int8_t" | "int16_t" | "int32_t" | "int64_t" => {
            ty.strip_suffix("_t")
        }
        _ => None,
    }
}

fn digits(ty: &str) -> String {
    ty.chars().filter(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "// Imported Functions from `a:b/c`\nextern void a_b_c_f(void);\n\n// Exported Functions from `a:b/d`\n\
        bool exports_a_b_d_g(task_string_t *type, uint32_t *maybe_n, float x, task_t *ret);\nvoid exports_a_b_d_h(void);\n\n\
        // Helper Functions\n\nvoid task_free(task_t *ptr);\n";

    fn text(file: SourceFile) -> String {
        String::from_utf8(file.content).unwrap()
    }

    #[test]
    fn only_exported_functions_are_to_be_written() {
        let c = text(c(HEADER, "task.c"));
        assert!(
            c.contains(
                "\nbool exports_a_b_d_g(task_string_t *type, uint32_t *maybe_n, float x, task_t *ret) {\n"
            ),
            "{c}"
        );
        assert!(c.contains("\nvoid exports_a_b_d_h(void) {\n"), "{c}");
        assert!(!c.contains("a_b_c_f") && !c.contains("task_free"), "{c}");
        let zig = text(zig(HEADER));
        let head = "export fn exports_a_b_d_g(@\"type\": *wit.task_string_t, maybe_n: ?*u32, x: f32, ret: *wit.task_t) bool {\n";
        assert!(zig.contains(head) && zig.contains("    _ = @\"type\";\n"), "{zig}");
        assert!(zig.contains("export fn exports_a_b_d_h() void {\n    @panic"), "{zig}");
        let nim = text(nim(HEADER));
        let head = "proc exports_a_b_d_g(`type`: var task_string_t, maybe_n: ptr uint32, x: cfloat, ret: var task_t): bool {.exportc.} =\n";
        assert!(nim.contains(head) && nim.contains("  task_t {.importc.} = object\n"), "{nim}");
        assert!(nim.contains("proc exports_a_b_d_h() {.exportc.} =\n  unwritten"), "{nim}");
    }

    #[test]
    fn sources_of_go_are_indented() {
        let text =
            "package a\n\nimport (\n        \"b\"\nc \"d\"\n)\n\n\nfunc F() {\n        panic(\"x\")\n}\n";
        assert_eq!(
            indented(text),
            "package a\n\nimport (\n\t\"b\"\n\tc \"d\"\n)\n\nfunc F() {\n\tpanic(\"x\")\n}\n"
        );
    }
}
