//! Responsible for the component `command`: a program whose arguments are steps, `NAME` or `NAME=VALUE`.
//! Each step uses one part of what a program has: its streams, its files, its end.

mod hostile;
mod surroundings;

use std::io::{Read as _, Write as _};
use std::process::exit;
use std::{env, fs, io};

fn main() -> Result<(), String> {
    for step in env::args().skip(1) {
        let (name, value) = step.split_once('=').unwrap_or((&step, ""));
        take(name, value).map_err(|error| format!("{step}: {error}"))?;
    }
    Ok(())
}

fn take(step: &str, value: &str) -> io::Result<()> {
    match step {
        "say" => println!("{value}"),
        "complain" => eprintln!("{value}"),
        "complain-of" => eprintln!("{}", fs::read_to_string(value)?),
        "arguments" => println!("{:?}", env::args().collect::<Vec<_>>()),
        "variables" => {
            let mut variables: Vec<_> = env::vars().collect();
            variables.sort();
            variables.iter().for_each(|(name, value)| println!("{name}={value}"));
        }
        "copy" => copy()?,
        "bytes" => io::stdout().write_all(&[0xff, 0x00, 0xfe])?,
        // `PATH:TEXT`
        "write" => {
            let (path, text) = value.split_once(':').unwrap_or((value, ""));
            if let Some((folder, _)) = path.rsplit_once('/') {
                fs::create_dir_all(folder)?;
            }
            fs::write(path, text)?;
        }
        "append" => {
            let (path, text) = value.split_once(':').unwrap_or((value, ""));
            fs::OpenOptions::new().append(true).open(path)?.write_all(text.as_bytes())?;
        }
        "read" => print!("{}", fs::read_to_string(value)?),
        "draw" => draw(value)?,
        "spill" => drop(io::copy(&mut fs::File::open(value)?, &mut io::sink())?),
        "tree" => surroundings::tree(value)?,
        "surroundings" => surroundings::show()?,
        "exit" => exit(value.parse().expect("a status")),
        "exit-with-code" => wasip2::cli::exit::exit_with_code(value.parse().expect("a status")),
        "fail" => return Err(io::Error::other("as you wish")),
        "panic" => panic!("as you wish"),
        hostile => hostile::take(hostile, value)?,
    }
    Ok(())
}

/// Prints the first bytes of a file, by way of its descriptor.
fn draw(path: &str) -> io::Result<()> {
    let mut bytes = [0xff; 16];
    fs::File::open(path)?.read_exact(&mut bytes)?;
    println!("{bytes:02x?}");
    Ok(())
}

/// Copies stdin to stdout in pieces.
fn copy() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut piece = vec![0; 64 << 10];
    loop {
        match input.read(&mut piece)? {
            0 => return output.flush(),
            read => output.write_all(&piece[..read])?,
        }
    }
}
