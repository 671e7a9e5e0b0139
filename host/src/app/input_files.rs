//! Lists the files that a run reads or executes, so that no output of the run replaces one.
//! Compares files by identity, since one file has many names. Other modules read them.

use crate::app::backends::uris;
use crate::app::matching_files::matching_files;
use crate::app::wit_files::wit_files;
use crate::app::{Error, Params, Session, params};
use crate::cache::CacheUri;
use crate::config::{Environment, Settings, program};
use crate::plan::InputKind;
use crate::sandbox;
use crate::state::StateUri;
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The parts of a run that name files.
pub(crate) struct InputFilesRequest<'a> {
    /// The settings of this host.
    pub settings: &'a Settings,
    /// The variables of this host.
    pub environment: &'a Environment,
    /// The manifest's path.
    pub manifest: &'a Path,
    /// The params of the user.
    pub params: &'a Params,
    /// The run.
    pub session: &'a Session,
}

/// The files that a run reads or executes.
pub(crate) struct InputFiles {
    files: Vec<(String, PathBuf)>,
    code_cache: Option<PathBuf>,
}

impl InputFiles {
    /// Collects all files of a run.
    pub(crate) fn new(request: &InputFilesRequest<'_>) -> Result<Self, Error> {
        let InputFilesRequest { settings, environment, manifest, params, session } = request;
        let mut files = vec![("the manifest".to_owned(), manifest.to_path_buf())];
        let mut add = |role: &str, path: &Path| files.push((role.to_owned(), path.to_owned()));
        let included = session.manifests.all().len();
        for name in (1..included).filter_map(|position| session.manifests.included_name(position)) {
            add("the included manifest", Path::new(name));
        }
        for (name, component) in session.manifests.components() {
            component.path().iter().for_each(|(path, _)| add(&format!("the component `{name}`"), path));
            // They were read before. A folder that has vanished since has no file to replace.
            let wit = component.wit.as_ref().and_then(|wit| wit_files(&wit.path.value).ok());
            let files = wit.into_iter().flatten().flatten();
            files.for_each(|path| add(&format!("the WIT of the component `{name}`,"), &path));
        }
        for input in session.bound.plan().inputs() {
            if let InputKind::File(path) = &input.kind {
                add("the input", path);
            }
            if let InputKind::Files { folder, pattern } = &input.kind {
                // They were read before. A file that has vanished since cannot be replaced.
                let names = matching_files(folder, pattern).unwrap_or_default();
                names.iter().for_each(|name| add("the input", &folder.join(name)));
            }
        }
        params.file.iter().for_each(|path| add("the params file", path));
        for (name, path) in params.pairs.iter().filter_map(|pair| params::file_of(pair)) {
            add(&format!("the value of param `{name}`,"), path);
        }
        settings.file.iter().for_each(|path| add("the settings file", path));
        let (state, cache) = uris(settings, session.manifests.root(), environment)?;
        for uri in [Some(&state), cache_state(&cache)].into_iter().flatten() {
            certificates(uri).for_each(|(role, path)| add(role, path));
        }
        program().iter().for_each(|path| add("the program of this host", path));
        Ok(Self { files, code_cache: settings.code_cache.clone() })
    }

    /// Returns a description of the run's file behind a path, if it is one: its role and its own path.
    #[must_use]
    pub(crate) fn find(&self, path: &Path) -> Option<String> {
        let target = identity(path)?;
        let is_same = |path: &Path| identity(path) == Some(target);
        let named = self.files.iter().find(|(_, path)| is_same(path));
        if let Some((role, path)) = named {
            let shown = path.strip_prefix(".").unwrap_or(path);
            return Some(format!("{role} `{}`", shown.display()));
        }
        let codes = self.code_cache.iter().flat_map(|folder| sandbox::code_files(folder));
        let code = codes.into_iter().find(|path| is_same(path))?;
        Some(format!("the compiled code `{}`", code.display()))
    }
}

impl InputFiles {
    /// Returns the first of these paths that is a file of the run, with its description. Asks for the identity of each
    /// file once: there may be very many of both.
    pub(crate) fn find_first(&self, mut paths: impl Iterator<Item = PathBuf>) -> Option<(PathBuf, String)> {
        let codes = self.code_cache.iter().flat_map(|folder| sandbox::code_files(folder));
        let codes: Vec<PathBuf> = codes.collect();
        let own = self.files.iter().map(|(_, path)| path).chain(&codes);
        let own: HashSet<(u64, u64)> = own.filter_map(|path| identity(path)).collect();
        let path = paths.find(|path| identity(path).is_some_and(|found| own.contains(&found)))?;
        let described = self.find(&path)?;
        Some((path, described))
    }
}

/// Returns the device and inode of a regular file; only such files have content that could be lost.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let found = fs::metadata(path).ok()?;
    found.is_file().then(|| (found.dev(), found.ino()))
}

fn cache_state(cache: &CacheUri) -> Option<&StateUri> {
    match cache {
        CacheUri::Off => None,
        CacheUri::At(uri) => Some(uri),
    }
}

fn certificates(uri: &StateUri) -> impl Iterator<Item = (&'static str, &Path)> {
    let tls = match uri {
        StateUri::Memory => None,
        StateUri::Redis(redis) => redis.tls.as_ref(),
    };
    let identity = tls.and_then(|tls| tls.identity.as_ref());
    let files = [
        ("the authority", tls.and_then(|tls| tls.ca.as_deref())),
        ("the certificate", identity.map(|(cert, _)| cert.as_path())),
        ("the key", identity.map(|(_, key)| key.as_path())),
    ];
    files.into_iter().filter_map(|(role, path)| Some((role, path?)))
}
