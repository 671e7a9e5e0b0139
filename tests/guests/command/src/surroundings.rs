//! Shows what a program can learn of its working directory and of its call.
//! The same call must show the same.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::path::Path;

/// Shows every file below a folder with its size and time.
pub fn tree(folder: &str) -> io::Result<()> {
    for entry in fs::read_dir(if folder.is_empty() { "." } else { folder })? {
        let path = entry?.path();
        let metadata = fs::symlink_metadata(&path)?;
        let modified = metadata.modified()?.duration_since(std::time::UNIX_EPOCH).expect("a time after 1970");
        let shown = path.display().to_string();
        let shown = shown.trim_start_matches("./");
        println!("{shown} {} {}", metadata.len(), modified.as_nanos());
        if metadata.is_dir() {
            tree(&shown.to_owned())?;
        }
    }
    Ok(())
}

/// Shows randomness, time and the working directory.
pub fn show() -> io::Result<()> {
    println!("random {}", RandomState::new().build_hasher().finish());
    println!("drawn {}", wasip2::random::random::get_random_u64());
    println!("now {:?}", std::time::SystemTime::now());
    println!("folder {}", std::env::current_dir()?.display());
    println!("initial {:?}", wasip2::cli::environment::initial_cwd());
    println!("absolute {}", Path::new("/").join("tmp").exists());
    let folders = wasip2::filesystem::preopens::get_directories();
    println!("folders {:?}", folders.iter().map(|(_, path)| path).collect::<Vec<_>>());
    Ok(())
}
