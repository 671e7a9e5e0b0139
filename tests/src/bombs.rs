//! Components that are meant to hurt whoever compiles them, written byte by byte: no tool would make them.
//! What becomes of them is for the tests that use them.

const MODULE: &[u8] = b"\0asm\x01\0\0\0";
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// Sections of a component that hold a module or a component.
const OF_MODULE: u8 = 1;
const OF_COMPONENT: u8 = 4;

/// An unsigned number as WebAssembly writes it.
fn number(mut value: usize) -> Vec<u8> {
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

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &number(content.len()), content].concat()
}

/// A component with nothing but a module of these sections.
fn around(sections: &[Vec<u8>]) -> Vec<u8> {
    let module = [MODULE, &sections.concat()].concat();
    [COMPONENT, &section(OF_MODULE, &module)].concat()
}

/// A module with `count` functions of one body, which have a local `i32` and no parameters.
fn functions(count: usize, body: &[u8]) -> Vec<u8> {
    let types = section(1, b"\x01\x60\0\0");
    let declared = section(3, &[number(count), vec![0; count]].concat());
    let body = [b"\x01\x01\x7f", body, b"\x0b"].concat();
    let body = [number(body.len()), body].concat();
    let code = section(10, &[number(count), body.repeat(count)].concat());
    around(&[types, declared, code])
}

/// A component of so many functions, which do nothing.
pub fn many_functions(count: usize) -> Vec<u8> {
    functions(count, b"")
}

/// One function of so many additions to a local.
pub fn long_function(additions: usize) -> Vec<u8> {
    functions(1, &b"\x20\0\x41\x01\x6a\x21\0".repeat(additions))
}

/// One function of so many blocks inside of each other, each with a way out of all of them.
pub fn deep_blocks(depth: usize) -> Vec<u8> {
    functions(1, &[b"\x02\x40".repeat(depth), b"\x0b".repeat(depth)].concat())
}

/// Components inside of each other.
pub fn deep_components(depth: usize) -> Vec<u8> {
    let nest = |inner: Vec<u8>| [COMPONENT, &section(OF_COMPONENT, &inner)].concat();
    (0..depth).fold(COMPONENT.to_vec(), |inner, _| nest(inner))
}

/// A module whose memory begins with so many bytes.
pub fn large_data(bytes: usize) -> Vec<u8> {
    let pages = number(bytes / 65_536 + 1);
    let memory = section(5, &[b"\x01\0", &pages[..]].concat());
    let data = section(11, &[b"\x01\0\x41\0\x0b", &number(bytes)[..], &vec![7; bytes]].concat());
    around(&[memory, data])
}
