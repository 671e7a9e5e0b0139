//! Skeletons in Python and JavaScript, which need no types.
//! `typed` has those of languages that do.

use crate::sandbox::compile::bindings::SourceFile;
use crate::sandbox::compile::skeleton::names::{escaped, lower_camel, snake, upper_camel};
use crate::sandbox::compile::skeleton::world::Exports;
use wit_parser::Function;

/// Words that are no names in Python.
const PYTHON_WORDS: &str = "False None True and as assert async await break class continue def del elif else except finally \
    for from global if import in is lambda nonlocal not or pass raise return try while with yield";

/// Words that are no names of parameters in JavaScript.
pub(crate) const JAVASCRIPT_WORDS: &str = "arguments await break case catch class const continue debugger default delete do else enum \
    eval export extends false finally for function if implements import in instanceof interface let new null package \
    private protected public return static super switch this throw true try typeof var void while with yield";

/// Returns `task.py`.
pub(crate) fn python(exports: &[Exports<'_>]) -> SourceFile {
    let mut text = "\"\"\"A task. `wit` has its interface.\n\nImport everything at the top: the standard library is there only while the component is built.\n\"\"\"\n".to_owned();
    for Exports { interface, functions } in exports {
        let class =
            interface.as_ref().map_or("WitWorld".to_owned(), |interface| upper_camel(&interface.name));
        text.push_str(&format!("\n\nclass {class}:\n"));
        let method = |function: &&Function| {
            let names = function.params.iter().map(|param| escaped(snake(&param.name), PYTHON_WORDS));
            let params = names.fold(String::new(), |params, name| params + ", " + &name);
            let name = escaped(snake(&function.name), PYTHON_WORDS);
            format!(
                "    def {name}(self{params}):\n        raise NotImplementedError(\"{} is to be written\")\n",
                function.name
            )
        };
        text.push_str(&functions.iter().map(method).collect::<Vec<_>>().join("\n"));
    }
    SourceFile { path: "task.py".to_owned(), content: text.into() }
}

/// Returns `task.js`.
pub(crate) fn javascript(exports: &[Exports<'_>]) -> SourceFile {
    let params = |function: &Function| {
        let names = function.params.iter().map(|param| escaped(lower_camel(&param.name), JAVASCRIPT_WORDS));
        names.collect::<Vec<_>>().join(", ")
    };
    let text = scripted(exports, |function| format!("({})", params(function)));
    SourceFile { path: "task.js".to_owned(), content: text.into() }
}

/// Returns a module of JavaScript or TypeScript, whose functions have these parameters and results.
pub(crate) fn scripted(exports: &[Exports<'_>], head: impl Fn(&Function) -> String) -> String {
    let mut text =
        "// A task. `wit` has its interface. What is thrown is the error of a result.\n".to_owned();
    for Exports { interface, functions } in exports {
        let body = |function: &Function, indent: &str| {
            format!(
                "{}{} {{\n{indent}  throw new Error(\"{} is to be written\");\n{indent}}}",
                lower_camel(&function.name),
                head(function),
                function.name
            )
        };
        match interface {
            None => functions
                .iter()
                .for_each(|function| text.push_str(&format!("\nexport function {}\n", body(function, "")))),
            Some(interface) => {
                let method = |text: String, function: &&Function| text + "  " + &body(function, "  ") + ",\n";
                let methods = functions.iter().fold(String::new(), method);
                text.push_str(&format!(
                    "\nexport const {} = {{\n{methods}}};\n",
                    lower_camel(&interface.name)
                ));
            }
        }
    }
    text
}
