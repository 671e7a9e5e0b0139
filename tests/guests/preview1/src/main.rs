//! A command: shows its arguments and variables, copies stdin, and ends with the status that it is given.

use std::io;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    println!("arguments: {arguments:?}");
    for (name, value) in std::env::vars() {
        println!("{name}={value}");
    }
    let copied = io::copy(&mut io::stdin(), &mut io::stdout()).expect("stdin can be copied");
    println!("copied: {copied}");
    if let Some(status) = arguments.iter().find_map(|argument| argument.strip_prefix("exit=")) {
        eprintln!("as you wish: {status}");
        std::process::exit(status.parse().expect("a number"));
    }
}
