//! Responsible for asking WASI for all that a host may grant.
//! Leaves the network to the guest `network`.

use std::fs;
use std::io::ErrorKind;
use std::time::Duration;

use wasip2::clocks::monotonic_clock;
use wasip2::clocks::wall_clock;
use wasip2::random;

use crate::Basic;
use crate::exports::test::basic::surroundings::Guest;

/// How long it waits before it looks again.
const PAUSE: Duration = Duration::from_millis(2);

impl Guest for Basic {
    fn now() -> u64 {
        monotonic_clock::now()
    }

    fn wall() -> u64 {
        let time = wall_clock::now();
        time.seconds * 1_000_000_000 + u64::from(time.nanoseconds)
    }

    fn random() -> u64 {
        random::random::get_random_u64()
    }

    fn sleep_ms(ms: u32) -> u32 {
        let start = monotonic_clock::now();
        std::thread::sleep(Duration::from_millis(ms.into()));
        u32::try_from((monotonic_clock::now() - start) / 1_000_000).unwrap_or(u32::MAX)
    }

    fn env(name: String) -> Option<String> {
        std::env::var(name).ok()
    }

    fn args() -> Vec<String> {
        std::env::args().collect()
    }

    fn read_file(path: String) -> Result<String, String> {
        fs::read_to_string(path).map_err(|error| error.to_string())
    }

    fn await_file(path: String) -> String {
        loop {
            match fs::read_to_string(&path) {
                Ok(text) => return text,
                Err(error) if error.kind() == ErrorKind::NotFound => std::thread::sleep(PAUSE),
                Err(error) => panic!("{path}: {error}"),
            }
        }
    }

    fn write_file(path: String, text: String) -> Result<(), String> {
        fs::write(path, text).map_err(|error| error.to_string())
    }

    fn churn(folder: String) -> Result<Vec<String>, String> {
        churned(&folder).map_err(|error| error.to_string())
    }

    fn list_folder(path: String) -> Result<Vec<String>, String> {
        let name =
            |entry: std::io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        let names: std::io::Result<Vec<String>> =
            fs::read_dir(path).and_then(|entries| entries.map(name).collect());
        let mut names = names.map_err(|error| error.to_string())?;
        names.sort();
        Ok(names)
    }

    fn say(text: String) -> String {
        println!("{text}");
        eprintln!("{text}");
        text
    }
}

/// Makes, moves and removes files, and tells all that it learns of them.
fn churned(folder: &str) -> std::io::Result<Vec<String>> {
    let path = |name: &str| format!("{folder}/{name}");
    fs::create_dir(path("inner"))?;
    for name in ["z", "a", "inner/m"] {
        fs::write(path(name), name)?;
    }
    fs::rename(path("z"), path("inner/z"))?;
    fs::copy(path("a"), path("b"))?;
    fs::remove_file(path("a"))?;
    let mut told = Vec::new();
    for inner in [path(""), path("inner")] {
        for entry in fs::read_dir(&inner)? {
            let entry = entry?;
            let about = entry.metadata()?;
            let text = fs::read_to_string(entry.path()).unwrap_or_else(|error| error.kind().to_string());
            told.push(format!(
                "{} {} {:?} {text}",
                entry.file_name().display(),
                about.len(),
                about.modified()?
            ));
        }
    }
    Ok(told)
}
