//! `new`: creates a folder with a pipeline: a task in a language, or the functions of a component that exists.
//! `app/scaffold` has the files.

use crate::app;
use crate::app::{Error, Existing, FromWit, Language, NewFile, Refusal};
use crate::cli::authoring::NewArguments;
use crate::cli::commands::named_component::{NamedComponent, Pinned};
use crate::cli::commands::wit::read_wit;
use crate::cli::context::Context;
use crate::cli::process::Exit;
use crate::model::Remote;
use crate::sandbox::{LoadRequest, SkeletonRequest};
use std::path::{Component, Path, PathBuf};

/// Creates the folder, and says what to do next.
pub(crate) fn new(ctx: &Context, arguments: &NewArguments) -> Result<Exit, Error> {
    let folder = &arguments.name;
    let Some(name) = folder.file_name().and_then(|name| name.to_str()) else {
        let refusal = Refusal::new(format!("`{}` names no folder", folder.display()));
        return Err(refusal.help("give a name: `cascade-host new words --lang rust`").into());
    };
    let files = match (arguments.lang, &arguments.wit, &arguments.from) {
        (Some(language), Some(wit), _) => for_wit(ctx, (name, language), (wit, arguments.world.as_deref()))?,
        (Some(language), None, _) => app::files_for(language, name),
        (None, _, Some(component)) => {
            vec![NewFile::new("manifest.toml", for_component(ctx, (folder, name), component)?)]
        }
        (None, _, None) => Vec::new(), // clap demands one of them
    };
    app::create(folder, &files)?;
    report(ctx, arguments, &files);
    Ok(Exit::Success)
}

/// Returns the manifest for a component.
fn for_component(ctx: &Context, (folder, name): (&Path, &str), path: &Path) -> Result<String, Error> {
    let sandbox = ctx.open_sandbox()?;
    let NamedComponent { bytes, file, name: component, remote } = NamedComponent::read(ctx, &sandbox, path)?;
    let loaded = sandbox.load_as(bytes, &LoadRequest { name: &file, ..LoadRequest::PLAIN });
    ctx.print_warnings(&sandbox);
    let loaded = loaded?;
    let source = match remote {
        Some(pinned) => pinned_source(&pinned),
        None => vec![("path", file_source(folder, path)?)],
    };
    Ok(app::manifest_for(&Existing {
        name,
        component: &component,
        source: &source,
        build: None,
        loaded: &loaded,
    }))
}

fn file_source(folder: &Path, path: &Path) -> Result<String, Refusal> {
    let path = from_folder(folder, path);
    let text = path.to_str().ok_or_else(|| {
        Refusal::new(format!("the path `{}` is not Unicode", path.display())).help("rename the file")
    })?;
    Ok(text.to_owned())
}

fn pinned_source(Pinned { from, component }: &Pinned) -> Vec<(&'static str, String)> {
    let source = match from {
        Remote::Oci(reference) => ("oci", reference.to_string()),
        Remote::Url(url) => ("url", url.url().as_str().to_owned()),
    };
    vec![source, ("sha256", component.to_string())]
}

/// Returns the files of a folder for an interface that exists.
fn for_wit(
    ctx: &Context,
    (name, language): (&str, Language),
    (path, world): (&Path, Option<&str>),
) -> Result<Vec<NewFile>, Error> {
    let by_hand = || {
        Refusal::new(format!("`--wit` cannot begin a task in {}", language.name())).help(format!(
            "see how its types are written: `cascade-host new {name} --lang {}`",
            language.key()
        ))
    };
    let skeleton_language = app::skeleton_language(language).ok_or_else(by_hand)?;
    let wit = read_wit(path, world)?;
    let sandbox = ctx.open_sandbox()?;
    let skeleton = sandbox.skeleton(SkeletonRequest { language: skeleton_language, wit: wit.clone() })?;
    let loaded = sandbox.load(skeleton.component.clone().into())?;
    let wit = (path, wit.packages.as_slice());
    Ok(app::files_from_wit(&FromWit { name, language, wit, skeleton: &skeleton, loaded: &loaded }))
}

/// Returns the path of a file as it reads in a new folder: with `..` for each of the folder's own parts.
fn from_folder(folder: &Path, path: &Path) -> PathBuf {
    let is_plain =
        |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if path.is_absolute() || !is_plain(folder) {
        return std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    }
    let depth = folder.components().filter(|part| matches!(part, Component::Normal(_))).count();
    let up: PathBuf = (0..depth).map(|_| "..").collect();
    up.join(path)
}

/// Says what was created, what is missing on this machine, and the next command.
fn report(ctx: &Context, arguments: &NewArguments, files: &[NewFile]) {
    let folder = &arguments.name;
    let manifest = folder.join("manifest.toml");
    let names: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let mut text = format!("created {}: {}\n", folder.display(), names.join(", "));
    for tool in arguments.lang.map(Language::missing_tools).unwrap_or_default() {
        text.push_str(&format!("missing {}: {}\n", tool.name, tool.install));
    }
    let build = if arguments.lang.is_some() { " --build" } else { "" };
    text.push_str(&format!("next    cascade-host run{build} {}", manifest.display()));
    ctx.console.note("created", &text);
}
