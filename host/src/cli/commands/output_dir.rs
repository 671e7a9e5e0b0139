//! `--output-dir` of `run`: checks before the run what is known of the files, and writes them after it.
//! `app` names and writes the files.

use crate::app::{
    Change, Error, InputFiles, OutputDir, Place, Refusal, Session, is_writable, obstacle, output_files,
    output_places,
};
use crate::cli::print::escape_control_line;
use crate::engine::OutputValue;
use std::path::{Path, PathBuf};

/// Number of files that are listed by name.
const MAX_NAMED: usize = 10;

/// The folder that the outputs of a run are written into.
pub(crate) struct OutputTarget {
    dir: PathBuf,
    places: Vec<Place>,
    inputs: InputFiles,
    events: Option<PathBuf>,
    /// A number for the names of temporary files.
    seed: u64,
}

impl OutputTarget {
    /// Checks the folder and the names that are known before the run. `choice` is the one output to be written.
    pub(crate) fn new(
        (dir, seed): (&Path, u64),
        (session, choice): (&Session, Option<&str>),
        (inputs, events): (InputFiles, Option<&Path>),
    ) -> Result<Self, Error> {
        let outputs = session.outputs();
        let chosen = outputs.iter().filter(|(name, _)| choice.is_none_or(|choice| choice == name));
        let chosen = chosen.map(|(name, ty)| (name.as_str(), ty));
        let places = output_places(chosen, &session.manifests.root().output_files)?;
        check_dir(dir)?;
        for place in &places {
            if let Some((path, error)) = obstacle(dir, place.path(), place.kind()) {
                let message = format!("cannot write the outputs to `{}`", path.display());
                return Err(Refusal::new(message).caused_by(error).into());
            }
        }
        let target = Self { dir: dir.to_owned(), places, inputs, events: events.map(Path::to_owned), seed };
        let known = || target.places.iter().filter_map(Place::file).map(|path| dir.join(path.as_str()));
        target.refuse_inputs(known())?;
        target.refuse_events(known())?;
        Ok(target)
    }

    /// Refuses the file of `--events`, which may not be there yet.
    fn refuse_events(&self, mut paths: impl Iterator<Item = PathBuf>) -> Result<(), Refusal> {
        let Some(events) = &self.events else { return Ok(()) };
        let place = |path: &Path| {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            Some((parent.unwrap_or(Path::new(".")).canonicalize().ok()?, path.file_name()?.to_owned()))
        };
        let Some(of_events) = place(events) else { return Ok(()) };
        let Some(path) = paths.find(|path| place(path).as_ref() == Some(&of_events)) else { return Ok(()) };
        let message = format!("the output `{}` would replace the file of `--events`", path.display());
        Err(Refusal::new(message).help("name another file for the events"))
    }

    /// Refuses files that the run reads.
    fn refuse_inputs(&self, paths: impl Iterator<Item = PathBuf>) -> Result<(), Refusal> {
        let Some((path, read)) = self.inputs.find_first(paths) else { return Ok(()) };
        let message = format!("the output `{}` would replace {read}, which this run reads", path.display());
        Err(Refusal::new(message).help("name another folder, or another `file` beside the output"))
    }

    /// Writes the outputs that exist, and returns what was done.
    pub(crate) fn write(&self, outputs: &[(String, OutputValue)]) -> Result<String, Error> {
        let files = output_files(&self.places, outputs)?;
        let paths = || files.iter().map(|file| self.dir.join(file.path.as_str()));
        self.refuse_inputs(paths()).and_then(|()| self.refuse_events(paths())).map_err(Error::Unplaced)?;
        let mut dir = OutputDir::open(&self.dir, self.seed)
            .map_err(|source| Error::Unsaved { path: self.dir.clone(), source })?;
        let mut written: Vec<&str> = Vec::new();
        for file in &files {
            let unsaved = |source| Error::Unsaved { path: self.dir.join(file.path.as_str()), source };
            let content = file.content().map_err(|error| unsaved(error.into()))?;
            match dir.write(&file.path, &content).map_err(unsaved)? {
                Change::Written => written.push(file.path.as_str()),
                Change::Unchanged => {}
            }
        }
        let summary = self.summary(&written, files.len().saturating_sub(written.len()));
        let stale = self.stale(outputs);
        Ok(if stale.is_empty() {
            summary
        } else {
            format!("{summary}; left as it was, since its output was skipped: {}", stale.join(", "))
        })
    }

    /// Returns the files and folders of skipped outputs, as an earlier run has written them.
    fn stale(&self, outputs: &[(String, OutputValue)]) -> Vec<&str> {
        let is_skipped = |place: &&Place| {
            let found = outputs.iter().find(|(name, _)| name == place.output());
            matches!(found, Some((_, OutputValue::Skipped(_))))
        };
        let paths = self.places.iter().filter(is_skipped).map(|place| place.path().as_str());
        paths.filter(|path| self.dir.join(path).symlink_metadata().is_ok()).collect()
    }

    fn summary(&self, written: &[&str], unchanged: usize) -> String {
        let dir = self.dir.display();
        let files = |count: usize| if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
        if written.is_empty() {
            return match unchanged {
                0 => format!("no output to write to {dir}"),
                _ => format!("{} in {dir} unchanged", files(unchanged)),
            };
        }
        // Guests name files of lists.
        let named = written.iter().take(MAX_NAMED).map(|path| escape_control_line(path));
        let named = named.collect::<Vec<_>>().join(", ");
        let more = match written.len().saturating_sub(MAX_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let rest = if unchanged == 0 { String::new() } else { format!("; {unchanged} unchanged") };
        format!("wrote {} to {dir}: {named}{more}{rest}", files(written.len()))
    }
}

/// Checks that files can be written into the folder, or that it can be made.
fn check_dir(dir: &Path) -> Result<(), Refusal> {
    let refused = |reason: &str| {
        let message = format!("cannot write outputs to `{}`: {reason}", dir.display());
        Refusal::new(message).help("name a folder that you may write to; it is made if it is not there")
    };
    let nearest = dir.ancestors().find(|path| path.as_os_str().is_empty() || path.symlink_metadata().is_ok());
    let nearest = nearest.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match nearest.metadata() {
        Ok(found) if !found.is_dir() => Err(refused(&format!("`{}` is no folder", nearest.display()))),
        Ok(_) if is_writable(nearest) => Ok(()),
        Ok(_) => Err(refused(&format!("no right to write in `{}`", nearest.display()))),
        Err(error) => Err(refused(&format!("`{}`: {error}", nearest.display()))),
    }
}
