//! Components that attack the compiler, assembled byte by byte, since no tool would produce them.
//! The tests decide how each must end.

use crate::modules::number;

const MODULE: &[u8] = b"\0asm\x01\0\0\0";
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// Section numbers of a component that hold a module or a component.
const MODULE_SECTION: u8 = 1;
const COMPONENT_SECTION: u8 = 4;

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &number(content.len()), content].concat()
}

/// Wraps sections in a module, and the module in a component.
fn wrap_in_component(sections: &[Vec<u8>]) -> Vec<u8> {
    let module = [MODULE, &sections.concat()].concat();
    [COMPONENT, &section(MODULE_SECTION, &module)].concat()
}

/// Returns a module with `count` functions of one body, without parameters and with one local `i32`.
fn functions(count: usize, body: &[u8]) -> Vec<u8> {
    let types = section(1, b"\x01\x60\0\0");
    let declared = section(3, &[number(count), vec![0; count]].concat());
    let body = [b"\x01\x01\x7f", body, b"\x0b"].concat();
    let body = [number(body.len()), body].concat();
    let code = section(10, &[number(count), body.repeat(count)].concat());
    wrap_in_component(&[types, declared, code])
}

/// Returns a component with this many empty functions.
pub fn many_functions(count: usize) -> Vec<u8> {
    functions(count, b"")
}

/// Returns a component with one function of this many additions to a local.
pub fn long_function(additions: usize) -> Vec<u8> {
    long_functions(1, additions)
}

/// Returns a component with `count` functions of this many additions to a local each.
pub fn long_functions(count: usize, additions: usize) -> Vec<u8> {
    functions(count, &b"\x20\0\x41\x01\x6a\x21\0".repeat(additions))
}

/// Returns a component with one function of this many nested blocks.
pub fn deep_blocks(depth: usize) -> Vec<u8> {
    functions(1, &[b"\x02\x40".repeat(depth), b"\x0b".repeat(depth)].concat())
}

/// Returns this many nested components.
pub fn deep_components(depth: usize) -> Vec<u8> {
    let nest = |inner: Vec<u8>| [COMPONENT, &section(COMPONENT_SECTION, &inner)].concat();
    (0..depth).fold(COMPONENT.to_vec(), |inner, _| nest(inner))
}

/// Returns a component with a data segment of this many bytes.
pub fn large_data(bytes: usize) -> Vec<u8> {
    let pages = number(bytes / 65_536 + 1);
    let memory = section(5, &[b"\x01\0", &pages[..]].concat());
    let data = section(11, &[b"\x01\0\x41\0\x0b", &number(bytes)[..], &vec![7; bytes]].concat());
    wrap_in_component(&[memory, data])
}
