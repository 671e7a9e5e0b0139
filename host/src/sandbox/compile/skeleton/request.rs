//! The request for the beginning of a task, and what answers it.
//! The languages have files of their own.

use crate::sandbox::compile::adapt::{adapted, resolve};
use crate::sandbox::compile::bindings::{BindingsRequest, Generator, SourceFile};
use crate::sandbox::compile::bundle::Wit;
use crate::sandbox::compile::skeleton::{over_c, typed, untyped, world};
use serde::{Deserialize, Serialize};
use wit_component::{StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi};

/// A language in which a skeleton can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SkeletonLanguage {
    /// Rust, with the types of its bindings.
    Rust,
    /// Python.
    Python,
    /// JavaScript.
    JavaScript,
    /// TypeScript, with types of its own.
    TypeScript,
    /// C, by the header of its bindings.
    C,
    /// C++, likewise.
    Cpp,
    /// Zig, likewise.
    Zig,
    /// Nim, likewise.
    Nim,
    /// Go, by its bindings.
    Go,
}

/// A world for which a skeleton is written, as it is sent to a worker process of the same host.
#[derive(Debug, Serialize, Deserialize)]
pub struct SkeletonRequest {
    /// The language.
    pub language: SkeletonLanguage,
    /// The interface.
    pub wit: Wit,
}

/// The beginning of a task.
#[derive(Debug, Serialize, Deserialize)]
pub struct Skeleton {
    /// The name of the world.
    pub world: String,
    /// The name of its package, with its version.
    pub package: String,
    /// The sources; the first is the one to edit.
    pub sources: Vec<SourceFile>,
    /// A component of the same world, in which every function traps.
    #[serde(with = "serde_bytes")]
    pub component: Vec<u8>,
}

impl SkeletonRequest {
    /// Writes the skeleton. The error is for the user.
    pub(crate) fn write(self) -> Result<Skeleton, String> {
        let Self { language, wit } = self;
        let (resolve, id) = resolve(wit.clone())?;
        let exports = world::exports(&resolve, id)?;
        let sources = match language {
            SkeletonLanguage::Rust => vec![typed::rust(&resolve, &exports)],
            SkeletonLanguage::TypeScript => vec![typed::typescript(&resolve, &exports)],
            SkeletonLanguage::Python => vec![untyped::python(&exports)],
            SkeletonLanguage::JavaScript => vec![untyped::javascript(&exports)],
            SkeletonLanguage::C => vec![over_c::c(&header(wit)?, "task.c")],
            SkeletonLanguage::Cpp => vec![over_c::c(&header(wit)?, "task.cpp")],
            SkeletonLanguage::Zig => vec![over_c::zig(&header(wit)?)],
            SkeletonLanguage::Nim => vec![over_c::nim(&header(wit)?)],
            SkeletonLanguage::Go => {
                over_c::go(BindingsRequest { generator: Generator::GoStubs, wit }.generate()?)
            }
        };
        let mut module = dummy_module(&resolve, id, ManglingAndAbi::Legacy(LiftLowerAbi::Sync));
        embed_component_metadata(&mut module, &resolve, id, StringEncoding::UTF8)
            .map_err(|error| format!("{error:#}"))?;
        let (package, world) = world::names(&resolve, id);
        Ok(Skeleton { world, package, sources, component: adapted(&module)? })
    }
}

/// Returns the header of the bindings of C, which has the functions as C declares them.
fn header(wit: Wit) -> Result<String, String> {
    let files = BindingsRequest { generator: Generator::CStubs, wit }.generate()?;
    let header = files.into_iter().find(|file| over_c::has_extension(&file.path, "h"));
    Ok(header.map(|file| String::from_utf8_lossy(&file.content).into_owned()).unwrap_or_default())
}
