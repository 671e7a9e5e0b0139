//! Responsible for writing and returning what it is given, secrets too.
//! Leaves failures without a text to `failures`.

use std::io::Write;

use crate::Basic;
use crate::exports::test::basic::telling::{Account, Guest, Way};

fn write(bytes: &[u8]) {
    let mut out = std::io::stdout();
    out.write_all(bytes).and_then(|()| out.write_all(b"\n")).expect("stdout can be written");
}

fn lines(text: &str) {
    for line in text.trim_start_matches('\u{feff}').split(['\n', '\r']) {
        println!("line {}", line.trim());
        eprintln!("{}", line.trim());
    }
}

impl Guest for Basic {
    fn tell_bytes(bytes: Vec<u8>) -> u32 {
        println!("text {}", String::from_utf8_lossy(&bytes).trim());
        write(&bytes);
        0
    }

    fn tell_chars(chars: Vec<char>) -> u32 {
        println!("chars {}", chars.iter().collect::<String>());
        0
    }

    fn tell_account(account: Account) -> u32 {
        println!("name {}, pin {}", account.name, account.pin);
        let code = account.code;
        println!("code {}{}{}{}{}", code.0, code.1, code.2, code.3, code.4);
        account.key.into_iter().for_each(|key| write(&key));
        for (name, hint) in account.hints {
            println!("hint {name}={}", String::from_utf8_lossy(&hint));
        }
        match account.way {
            Way::Token(token) => println!("token {token}"),
            Way::Certificate(bytes) => write(&bytes),
            Way::None => {}
        }
        0
    }

    fn tell_lines(text: String) -> u32 {
        lines(&text);
        0
    }

    fn tell_variable(name: String) -> u32 {
        lines(&std::env::var(name).unwrap_or_default());
        0
    }

    fn fail_with(text: String, letters: u32) -> Result<(), String> {
        Err("x".repeat(letters.try_into().unwrap_or(0)) + &text)
    }

    fn fail_with_bytes(bytes: Vec<u8>) -> Result<(), Vec<u8>> {
        Err(bytes)
    }

    fn fail_with_chars(chars: Vec<char>) -> Result<(), Vec<char>> {
        Err(chars)
    }
}
