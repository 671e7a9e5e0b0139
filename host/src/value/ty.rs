//! WIT types as owned data, and the signatures of functions.
//! Holds only types that may cross an edge between tasks; a stream passes as a list (`passing`), a resource never.

use std::sync::Arc;

/// A WIT type that a value on an edge can have. Type names are dropped: structure alone counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Type {
    /// `bool`
    Bool,
    /// `s8`
    S8,
    /// `u8`
    U8,
    /// `s16`
    S16,
    /// `u16`
    U16,
    /// `s32`
    S32,
    /// `u32`
    U32,
    /// `s64`
    S64,
    /// `u64`
    U64,
    /// `f32`
    F32,
    /// `f64`
    F64,
    /// `char`
    Char,
    /// `string`
    String,
    /// `list<T>`
    List(Arc<Type>),
    /// `map<K, V>`
    Map(Arc<MapType>),
    /// `tuple<…>`
    Tuple(Arc<[Type]>),
    /// `record { … }`
    Record(Arc<[Field]>),
    /// `variant { … }`
    Variant(Arc<[Case]>),
    /// `enum { … }`
    Enum(Arc<[Arc<str>]>),
    /// `flags { … }`
    Flags(Arc<[Arc<str>]>),
    /// `option<T>`
    Option(Arc<Type>),
    /// `result<T, E>`
    Result(Arc<ResultType>),
}

/// Key and value of a `map`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MapType {
    /// Type of the keys: `bool`, an integer, `char` or `string`.
    pub key: Type,
    /// Type of the values.
    pub value: Type,
}

/// A field of a record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    /// Name, as in WIT.
    pub name: Arc<str>,
    /// Type of the field.
    pub ty: Type,
}

/// A case of a variant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Case {
    /// Name, as in WIT.
    pub name: Arc<str>,
    /// Type of the payload, if the case has one.
    pub ty: Option<Type>,
}

/// The two sides of a `result`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ResultType {
    /// Payload of `ok`.
    pub ok: Option<Type>,
    /// Payload of `err`.
    pub err: Option<Type>,
}

impl Type {
    /// Returns whether the type is a bool, a number, a char or a string, which the component model calls primitive.
    #[must_use]
    pub const fn is_primitive(&self) -> bool {
        match self {
            Self::Bool
            | Self::S8
            | Self::U8
            | Self::S16
            | Self::U16
            | Self::S32
            | Self::U32
            | Self::S64
            | Self::U64
            | Self::F32
            | Self::F64
            | Self::Char
            | Self::String => true,
            Self::List(_)
            | Self::Map(_)
            | Self::Tuple(_)
            | Self::Record(_)
            | Self::Variant(_)
            | Self::Enum(_)
            | Self::Flags(_)
            | Self::Option(_)
            | Self::Result(_) => false,
        }
    }
}

/// Parameters and result of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Parameters by name, in order.
    pub params: Vec<(Arc<str>, Type)>,
    /// Result; none for a function that returns nothing.
    pub result: Option<Type>,
}

/// A function that a component exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Interface of the function, `ns:pkg/iface@1.0.0`; none at the root.
    pub interface: Option<Arc<str>>,
    /// Name of the function.
    pub function: Arc<str>,
    /// Signature, or why no task can call the function.
    pub signature: Result<Signature, Unsupported>,
    /// How the values of the signature pass. Boxed, because most functions have the default.
    pub passing: Box<Passing>,
}

/// Passing of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transfer {
    /// The value itself.
    #[default]
    Whole,
    /// A `stream<T>`: the value is the `list<T>` of its elements.
    Stream,
    /// A `future<T>`: the value is its `T`.
    Future,
}

/// Passing of a function's parameters and result. The default is that of a function without async types.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Passing {
    /// Whether the function is async.
    pub is_async: bool,
    /// Passing of the parameters, in order; those that are missing pass whole.
    pub params: Vec<Transfer>,
    /// Passing of the result.
    pub result: Transfer,
}

/// Reason why a function cannot be a task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// A type that cannot cross an edge.
    #[error("`{position}` has the type `{ty}`, which cannot cross an edge")]
    Type {
        /// `parameter x` or `the result`.
        position: String,
        /// Kind of the type: `own`, `stream`, ….
        ty: String,
    },
    /// A stream or future of elements that it cannot have on an edge.
    #[error(
        "`{position}` is a `{ty}` whose elements cannot cross an edge: bools, numbers, chars, strings and `list<u8>` can"
    )]
    Element {
        /// `parameter x` or `the result`.
        position: String,
        /// `stream` or `future`.
        ty: &'static str,
    },
}
