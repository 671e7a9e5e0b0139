//! Steps that no honest program takes: without end, without measure, and out of the folder.
//! The host ends each with the limit that it hits, or shows an error to the program.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, OpenFlags, PathFlags};

pub fn take(step: &str, value: &str) -> io::Result<()> {
    match step {
        "endless-output" => loop {
            io::stdout().write_all(&[b'x'; 4096])?;
        },
        "endless-input" => {
            let mut sum = 0;
            // The end comes again and again: 1,000 times is enough to see that.
            for _ in 0..1_000 {
                sum += io::stdin().read(&mut [0; 4096])?;
            }
            println!("read {sum}");
        }
        "fill" => loop {
            File::options().create(true).append(true).open(value)?.write_all(&[b'x'; 64 << 10])?;
        },
        "many-files" => {
            for nth in 0.. {
                File::create(format!("{value}{nth}"))?;
            }
        }
        "deep-folders" => {
            let count = value.parse().expect("a number");
            deep(count)?;
        }
        "hold-removed" => hold_removed(value)?,
        "poll" => poll(),
        "drop-input" => drop(wasip2::cli::stdin::get_stdin()),
        "links" => links(),
        // `TARGET:NAME`
        "link" => {
            let (target, name) = value.split_once(':').unwrap_or((value, "link"));
            working_directory().symlink_at(target, name).map_err(io::Error::other)?;
        }
        other => panic!("there is no step `{other}`"),
    }
    Ok(())
}

fn working_directory() -> Descriptor {
    let mut folders = wasip2::filesystem::preopens::get_directories().into_iter();
    folders.next().expect("a working directory").0
}

/// Makes folders in each other, each by the descriptor of the one before, because the path of the last is too long.
fn deep(count: u32) -> io::Result<()> {
    let mut folder = working_directory();
    let failed = |error| io::Error::other(format!("{error:?}"));
    for _ in 0..count {
        folder.create_directory_at("d").map_err(failed)?;
        let flags = DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY;
        folder = folder.open_at(PathFlags::empty(), "d", OpenFlags::DIRECTORY, flags).map_err(failed)?;
    }
    let file = folder.open_at(PathFlags::empty(), "f", OpenFlags::CREATE, DescriptorFlags::WRITE);
    file.map(drop).map_err(failed)
}

/// Fills a file whose name is gone.
fn hold_removed(path: &str) -> io::Result<()> {
    let mut file = File::create(path)?;
    fs::remove_file(path)?;
    loop {
        file.write_all(&[b'x'; 64 << 10])?;
    }
}

/// Waits for stdin, and reads it to its end.
fn poll() {
    let input = wasip2::cli::stdin::get_stdin();
    let mut sum = 0;
    loop {
        let ready = input.subscribe();
        ready.block();
        match input.read(1 << 20) {
            Ok(piece) => sum += piece.len(),
            Err(error) => {
                println!("{sum} {error:?}");
                return;
            }
        }
    }
}

/// Tries to get out of the working directory by links.
fn links() {
    let folder = working_directory();
    for (target, name) in [("/etc/passwd", "absolute"), ("../../etc/passwd", "above"), ("loop", "loop")] {
        let made = folder.symlink_at(target, name);
        let opened =
            folder.open_at(PathFlags::SYMLINK_FOLLOW, name, OpenFlags::empty(), DescriptorFlags::READ);
        println!("{name} {made:?} {:?}", opened.map(drop));
    }
}
