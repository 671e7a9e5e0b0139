//! An example literal of a type, as a manifest writes it: what a user of a function replaces first.
//! Its form is that of `host/docs/values.md`.

use crate::value::Type;

/// Returns a literal that the type accepts.
pub(crate) fn example(ty: &Type) -> String {
    match ty {
        Type::Bool => "true".to_owned(),
        Type::S8 | Type::U8 | Type::S16 | Type::U16 | Type::S32 | Type::U32 | Type::S64 | Type::U64 => {
            "1".to_owned()
        }
        Type::F32 | Type::F64 => "1.5".to_owned(),
        Type::Char => "\"a\"".to_owned(),
        Type::String => "\"text\"".to_owned(),
        Type::List(element) if **element == Type::U8 => "\"Ynl0ZXM=\"".to_owned(), // `bytes` in base64
        Type::List(element) => format!("[{}]", example(element)),
        Type::Map(map) if map.key == Type::Bool => {
            format!("[[{}, {}]]", example(&map.key), example(&map.value))
        }
        Type::Map(map) => format!("{{ {} = {} }}", key(&map.key), example(&map.value)),
        Type::Tuple(parts) => format!("[{}]", joined(parts.iter().map(example))),
        Type::Record(fields) => {
            table(&joined(fields.iter().map(|field| format!("{} = {}", field.name, example(&field.ty)))))
        }
        Type::Variant(cases) => cases.first().map_or_else(String::new, |case| match &case.ty {
            None => format!("\"{}\"", case.name),
            Some(ty) => format!("{{ {} = {} }}", case.name, example(ty)),
        }),
        Type::Enum(names) => names.first().map_or_else(String::new, |name| format!("\"{name}\"")),
        Type::Flags(names) => {
            format!("[{}]", names.first().map_or_else(String::new, |name| format!("\"{name}\"")))
        }
        // An option within an option is an array of one.
        Type::Option(inner) if matches!(**inner, Type::Option(_)) => format!("[{}]", example(inner)),
        Type::Option(inner) => example(inner),
        Type::Result(result) => {
            format!("{{ ok = {} }}", result.ok.as_ref().map_or_else(|| "{}".to_owned(), example))
        }
    }
}

/// Returns the key of a map as that of a table.
fn key(ty: &Type) -> String {
    match ty {
        Type::Char | Type::String => "a".to_owned(),
        _ => "1".to_owned(),
    }
}

fn table(fields: &str) -> String {
    format!("{{ {fields} }}")
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::to_datum;
    use crate::value::arbitrary::any_type;
    use crate::value::encode;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_type_accepts_its_example(ty in any_type()) {
            let literal = example(&ty);
            let table: toml::Table = format!("x = {literal}").parse().unwrap();
            let datum = to_datum(&table["x"]).unwrap();
            prop_assert!(encode(&ty, &datum).is_ok(), "{ty}: {literal}");
        }
    }
}
