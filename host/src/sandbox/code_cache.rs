//! Compiled code in a private folder, sealed, so that the next process need not compile again.
//! Components themselves, and results of tasks, are kept elsewhere.

use crate::model::Digest;
use crate::model::Digester;
use crate::model::secret;
use crate::sandbox::engine::Allocation;
use crate::sandbox::engine::Runtime;
use crate::sandbox::load::Metering;
use crate::sandbox::trusted;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use wasmtime::component::Component;

/// The file of the folder's secret. Whoever reads it may forge code, so nobody else may.
const SECRET: &str = "secret";

/// Rights of everybody but the owner: any, and to write.
const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;

/// A folder of compiled code.
pub(crate) struct CodeCache {
    folder: PathBuf,
    secret: [u8; 32],
}

/// Why a folder is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("it is not a folder")]
    NotFolder,
    #[error("others may write to it (mode {0:o}); give it the mode 700")]
    Rights(u32),
    #[error("it belongs to another user; name a folder of your own")]
    Owner,
    #[error("its file `{SECRET}` may be read by others, or is damaged; remove the folder")]
    Secret,
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl CodeCache {
    /// Opens the folder, which is made where it is missing. Only its owner may write to it.
    pub(crate) fn open(folder: &Path) -> Result<Self, Refusal> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let of_folder = fs::symlink_metadata(folder)?;
        if !of_folder.is_dir() {
            return Err(Refusal::NotFolder);
        }
        if of_folder.mode() & OTHERS_WRITE != 0 {
            return Err(Refusal::Rights(of_folder.mode() & 0o777));
        }
        let probe = tempfile::NamedTempFile::new_in(folder)?;
        if probe.as_file().metadata()?.uid() != of_folder.uid() {
            return Err(Refusal::Owner);
        }
        let path = folder.join(SECRET);
        if !path.try_exists()? {
            make_secret(folder, &path)?;
        }
        Ok(Self { folder: folder.to_owned(), secret: read_secret(&path)? })
    }

    /// The code of a component for an engine, if it is kept and unharmed.
    pub(crate) fn get(&self, runtime: &Runtime, digest: &Digest) -> Option<Component> {
        let (code, seal) = self.paths(runtime, digest);
        let kept = fs::read(&seal).ok()?;
        // Every byte is read before any is executed: a damaged file is compiled again.
        let digest = Digest::of_reader(fs::File::open(&code).ok()?).ok()?;
        if *self.seal(&code, &digest).as_bytes() != *kept {
            return None;
        }
        trusted::deserialize(&runtime.engine, &trusted::Verified::vouch(&code)).ok()
    }

    /// Keeps code. A folder that is full or gone costs the next process its time, and nothing else.
    pub(crate) fn put(&self, runtime: &Runtime, digest: &Digest, component: &Component) {
        let (code, seal) = self.paths(runtime, digest);
        if let Ok(bytes) = component.serialize() {
            let sealed = self.seal(&code, &Digest::of(&bytes));
            drop(self.replace(&code, &bytes).and_then(|()| self.replace(&seal, sealed.as_bytes())));
        }
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }

    /// Only who knows the secret can make it. The name is in it, so that no code passes for that of another component.
    fn seal(&self, code: &Path, digest: &Digest) -> Digest {
        let name = code.file_name().unwrap_or_default();
        let mut seal = Digester::new("cascade code 1");
        seal.field(&self.secret).field(name.as_encoded_bytes()).digest(digest);
        seal.finish()
    }

    fn paths(&self, runtime: &Runtime, digest: &Digest) -> (PathBuf, PathBuf) {
        let mut hasher = DefaultHasher::new();
        runtime.engine.precompile_compatibility_hash().hash(&mut hasher);
        let metering = match runtime.metering {
            Metering::Time => "time",
            Metering::Fuel => "fuel",
        };
        let allocation = match runtime.allocation {
            Allocation::Pooling => "pool",
            Allocation::OnDemand => "demand",
        };
        let name = format!("{digest}-{:016x}-{metering}-{allocation}", hasher.finish());
        (self.folder.join(format!("{name}.code")), self.folder.join(format!("{name}.seal")))
    }
}

/// Of processes that begin at the same time, one makes the secret.
fn make_secret(folder: &Path, path: &Path) -> Result<(), Refusal> {
    let bytes = secret().ok_or_else(|| io::Error::other("the system has no entropy"))?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&bytes)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.error.into()),
    }
}

fn read_secret(path: &Path) -> Result<[u8; 32], Refusal> {
    let file = fs::File::open(path)?;
    if file.metadata()?.mode() & OTHERS != 0 {
        return Err(Refusal::Secret);
    }
    fs::read(path)?.try_into().map_err(|_| Refusal::Secret)
}
