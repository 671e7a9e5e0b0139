//! Custom sections of core modules: removed, and added.
//! `bombs` assembles whole components.

/// Section number of a custom section.
const CUSTOM: u8 = 0;

/// Number of bytes in front of the sections: magic number and version.
const HEAD: usize = 8;

/// Returns a module without the interface that its toolchain embedded.
pub fn without_interface(module: &[u8]) -> Vec<u8> {
    let (head, mut rest) = module.split_at(HEAD);
    let mut stripped = head.to_vec();
    while let Some((id, body)) = rest.split_first() {
        let (len, body) = read_number(body);
        let (content, after) = body.split_at(len);
        let (name_len, name) = read_number(content);
        let is_interface = *id == CUSTOM && name[..name_len].starts_with(b"component-type");
        if !is_interface {
            stripped.extend_from_slice(&rest[..rest.len() - after.len()]);
        }
        rest = after;
    }
    stripped
}

/// Returns a module with one more custom section.
pub fn with_section(module: &[u8], name: &str, data: &[u8]) -> Vec<u8> {
    let content = [&number(name.len())[..], name.as_bytes(), data].concat();
    [module, &[CUSTOM], &number(content.len()), &content].concat()
}

/// Encodes an unsigned number (LEB128).
pub(crate) fn number(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).expect("seven bits fit");
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// Reads an unsigned number (LEB128), and returns the bytes behind it.
fn read_number(bytes: &[u8]) -> (usize, &[u8]) {
    let len = bytes.iter().position(|byte| byte & 0x80 == 0).expect("the number ends") + 1;
    let (own, rest) = bytes.split_at(len);
    (own.iter().rev().fold(0, |number, byte| (number << 7) | usize::from(byte & 0x7f)), rest)
}
