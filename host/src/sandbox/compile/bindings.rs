//! Bindings of a world: source files that hide its canonical ABI from a language.
//! Only this file knows the crates that write them. `worker` runs it in a process with bounds.

use crate::sandbox::compile::adapt::resolve;
use crate::sandbox::compile::bundle::Wit;
use crate::sandbox::compile::panics::caught;
use serde::{Deserialize, Serialize};
use wit_bindgen_core::{Files, WorldGenerator};

/// A generator of bindings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Generator {
    /// C, for all languages that call C.
    C,
    /// C, of a world that builds will find by the name `task`.
    CStubs,
    /// Go, with the module that its bindings need.
    Go,
    /// Go, with functions that are to be written.
    GoStubs,
}

/// A world for which bindings are written, as it is sent to a worker process of the same host.
#[derive(Debug, Serialize, Deserialize)]
pub struct BindingsRequest {
    /// The generator.
    pub generator: Generator,
    /// The interface.
    pub wit: Wit,
}

/// A file of bindings, as a worker process sends it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Its path in the folder of bindings, with `/`.
    pub path: String,
    /// The content: text, or an object file.
    #[serde(with = "serde_bytes")]
    pub content: Vec<u8>,
}

/// The world and the module that builds look for, and the packages of Go in the folder of bindings.
const TASK: &str = "task";
const GO_BINDINGS: &str = "task/bindings";

/// The module that bindings in Go import, for functions without async. Its own place is a proxy on the network.
const GO_RUNTIME: [(&str, &str); 4] = [
    ("runtime/go.mod", include_str!("../../../templates/go/runtime/go.mod.template")),
    ("runtime/wit/types/types.go", include_str!("../../../templates/go/runtime/wit/types/types.go")),
    ("runtime/wit/types/tuples.go", include_str!("../../../templates/go/runtime/wit/types/tuples.go")),
    ("runtime/wit/runtime/runtime.go", include_str!("../../../templates/go/runtime/wit/runtime/runtime.go")),
];

/// Words of bindings in Go that the module above does not have.
const GO_ASYNC: [&str; 3] = ["/wit/async\"", "witTypes.Stream", "witTypes.Future"];

impl BindingsRequest {
    /// Writes the bindings. The error is for the user.
    pub(crate) fn generate(self) -> Result<Vec<SourceFile>, String> {
        let (mut resolve, world) = resolve(self.wit)?;
        let mut generator = self.generator.build();
        // The crates panic at types that they do not have, such as lists of a fixed length.
        let generated = caught(|| {
            let mut files = Files::default();
            generator.generate(&mut resolve, world, &mut files).map(|()| files)
        });
        let generated = generated.map_err(|panic| unsupported(&panic))?;
        let files = generated.map_err(|error| format!("{error:#}"))?;
        let file =
            |(path, content): (&str, &[u8])| SourceFile { path: path.to_owned(), content: content.to_vec() };
        let mut files: Vec<SourceFile> = files.iter().map(file).collect();
        if matches!(self.generator, Generator::Go | Generator::GoStubs) {
            require_no_async(&files)?;
            files.extend(GO_RUNTIME.iter().map(|(path, text)| file((path, text.as_bytes()))));
        }
        Ok(files)
    }
}

impl Generator {
    fn build(self) -> Box<dyn WorldGenerator> {
        match self {
            Self::C => wit_bindgen_c::Opts::default().build(),
            Self::CStubs => {
                let rename_world = Some(TASK.to_owned());
                wit_bindgen_c::Opts { rename_world, ..wit_bindgen_c::Opts::default() }.build()
            }
            Self::Go | Self::GoStubs => wit_bindgen_go::Opts {
                format: wit_bindgen_go::Format::False, // no other program is started
                pkg_name: Some(GO_BINDINGS.to_owned()),
                export_pkg_name: Some(TASK.to_owned()),
                generate_stubs: self == Self::GoStubs,
                ..wit_bindgen_go::Opts::default()
            }
            .build(),
        }
    }
}

fn unsupported(reason: &str) -> String {
    format!("the generator of bindings does not support this interface: {reason}")
}

fn require_no_async(files: &[SourceFile]) -> Result<(), String> {
    let has =
        |file: &SourceFile, word: &str| file.content.windows(word.len()).any(|part| part == word.as_bytes());
    if GO_ASYNC.iter().any(|word| files.iter().any(|file| has(file, word))) {
        return Err(unsupported(
            "async functions, streams and futures in Go need its own module, from a proxy",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::compile::bundle::WitFile;

    fn bindings(generator: Generator, wit: &str) -> Result<Vec<String>, String> {
        let file = WitFile { path: "task.wit".to_owned(), content: wit.as_bytes().to_vec() };
        let request = BindingsRequest { generator, wit: Wit { packages: vec![vec![file]], world: None } };
        Ok(request.generate()?.into_iter().map(|file| file.path).collect())
    }

    fn world(items: &str) -> String {
        format!("package my:task; world task {{ {items} }}")
    }

    #[test]
    fn bindings_of_c_carry_the_interface_and_those_of_go_their_runtime() {
        let wit = world("export shout: func(text: string) -> string;");
        let c = bindings(Generator::C, &wit).unwrap();
        assert_eq!(c, ["task.c", "task.h", "task_component_type.o"]);
        let go = bindings(Generator::Go, &wit).unwrap();
        assert!(go.iter().any(|path| path == "wit_exports/wit_exports.go"), "{go:?}");
        assert!(go.iter().any(|path| path == "runtime/go.mod"), "{go:?}");
        assert!(!go.iter().any(|path| path == "go.mod"), "{go:?}");
    }

    #[test]
    fn interfaces_that_a_generator_lacks_are_refused_with_the_reason() {
        let fixed = world("export f: func(at: list<f32, 3>);");
        let refused = bindings(Generator::C, &fixed).unwrap_err();
        assert!(refused.contains("does not support this interface: "), "{refused}");
        let stream = world("export f: func(words: stream<string>);");
        let refused = bindings(Generator::Go, &stream).unwrap_err();
        assert!(refused.contains("streams and futures in Go"), "{refused}");
        let refused =
            bindings(Generator::Go, "package my:task; world task { export f: fun(); }").unwrap_err();
        assert!(refused.contains("task.wit:1:"), "{refused}");
    }
}
