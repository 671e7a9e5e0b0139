//! Elements of streams and futures: the Rust types that wasmtime moves, and their MessagePack.
//! `flows` feeds and collects them.

use crate::sandbox::codec::lower::{char, int};
use crate::sandbox::codec::lower_error::Result;
use crate::value::Type;
use crate::value::wire::{self, Reader};
use wasmtime::component::{ComponentType, Lift, Lower};

/// An element of a stream or a future.
pub(crate) trait Element: ComponentType + Lift + Lower + Send + Sync + Sized + 'static {
    /// Reads an element.
    fn read(reader: &mut Reader<'_>) -> Result<Self>;

    /// Writes the element.
    fn write(&self, out: &mut Vec<u8>);
}

macro_rules! integers {
    ($put:ident as $wide:ty: $($ty:ident $kind:ident),*) => {$(
        impl Element for $ty {
            fn read(reader: &mut Reader<'_>) -> Result<Self> {
                int(reader, &Type::$kind)
            }

            fn write(&self, out: &mut Vec<u8>) {
                wire::$put(out, <$wide>::from(*self));
            }
        }
    )*};
}

integers!(put_int as i64: i8 S8, i16 S16, i32 S32, i64 S64);
integers!(put_uint as u64: u8 U8, u16 U16, u32 U32, u64 U64);

impl Element for bool {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(reader.bool()?)
    }

    fn write(&self, out: &mut Vec<u8>) {
        wire::put_bool(out, *self);
    }
}

impl Element for f32 {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(reader.canonical_f32()?)
    }

    fn write(&self, out: &mut Vec<u8>) {
        wire::put_f32(out, *self);
    }
}

impl Element for f64 {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(reader.canonical_f64()?)
    }

    fn write(&self, out: &mut Vec<u8>) {
        wire::put_f64(out, *self);
    }
}

impl Element for char {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        char(reader)
    }

    fn write(&self, out: &mut Vec<u8>) {
        wire::put_str(out, self.encode_utf8(&mut [0; 4]));
    }
}

impl Element for String {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(reader.str()?.to_owned())
    }

    fn write(&self, out: &mut Vec<u8>) {
        wire::put_str(out, self);
    }
}

impl Element for Vec<u8> {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(reader.bin()?.to_owned())
    }

    fn write(&self, out: &mut Vec<u8>) {
        wire::put_bin(out, self);
    }
}

/// Evaluates an expression with the Rust type of an element, by its WIT type.
macro_rules! with_element {
    ($ty:expr, $element:ident => $body:expr) => {{
        macro_rules! with {
            ($rust:ty) => {{
                type $element = $rust;
                $body
            }};
        }
        match $ty {
            Type::Bool => with!(bool),
            Type::S8 => with!(i8),
            Type::U8 => with!(u8),
            Type::S16 => with!(i16),
            Type::U16 => with!(u16),
            Type::S32 => with!(i32),
            Type::U32 => with!(u32),
            Type::S64 => with!(i64),
            Type::U64 => with!(u64),
            Type::F32 => with!(f32),
            Type::F64 => with!(f64),
            Type::Char => with!(char),
            Type::String => with!(String),
            Type::List(_) => with!(Vec<u8>),
            Type::Map(_)
            | Type::Tuple(_)
            | Type::Record(_)
            | Type::Variant(_)
            | Type::Enum(_)
            | Type::Flags(_)
            | Type::Option(_)
            | Type::Result(_) => bail!("elements that no stream has here"),
        }
    }};
}

pub(crate) use with_element;
