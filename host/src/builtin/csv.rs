//! CSV by RFC 4180: lists of records of scalars as text with a header, and back.
//! `records` splits a text into cells; `show` and `value` have the forms of scalars.

use crate::builtin::body::ListBody;
use crate::builtin::budget::{Budget, Stop};
use crate::builtin::elements::Items;
use crate::builtin::lists::{Argument, element_type, of_element};
use crate::builtin::records::Records;
use crate::builtin::show::{Escape, Shown, Sink};
use crate::builtin::text::text;
use crate::model::{Datum, nearest, shortlist};
use crate::value::check::locate;
use crate::value::wire::Reader;
use crate::value::{Field, Type, ValueFault, encode, wire};
use bytes::Bytes;
use std::sync::Arc;

/// Reason why CSV has no columns for a type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotColumns {
    /// The elements are no records.
    #[error("the elements are of the type `{0}`, and only a record has columns")]
    NoRecord(Type),
    /// A field is no scalar.
    #[error(
        "the field `{0}` has the type `{1}`, and a column holds a bool, a number, a char, a string, an enum, or an option of one"
    )]
    NoScalar(Arc<str>, Type),
}

/// Returns the columns of lists of `element`: its fields in order.
pub fn columns(element: &Type) -> Result<&[Field], NotColumns> {
    let Type::Record(fields) = element else {
        return Err(NotColumns::NoRecord(element.clone()));
    };
    let is_column = |ty: &Type| match ty {
        Type::Option(some) => is_scalar(some),
        ty => is_scalar(ty),
    };
    match fields.iter().find(|field| !is_column(&field.ty)) {
        None => Ok(fields),
        Some(field) => Err(NotColumns::NoScalar(Arc::clone(&field.name), field.ty.clone())),
    }
}

fn is_scalar(ty: &Type) -> bool {
    ty.is_primitive() || matches!(ty, Type::Enum(_))
}

fn columns_of(ty: &Type) -> Result<&[Field], Stop> {
    columns(element_type(ty)).map_err(|fault| Stop::Input(fault.to_string()))
}

/// Writes a list of records as CSV: a header, and a line per record.
pub(crate) fn to_csv((name, ty, items): Argument<'_>, budget: &Budget<'_>) -> Result<Bytes, Stop> {
    let fields = columns_of(ty)?;
    let mut sink = Sink::new(budget, Escape::None);
    let mut items = Items::open((name, ty, items), budget)?;
    let header = fields.iter().map(|field| field.name.as_bytes().to_vec());
    put_line(&mut sink, &header.collect::<Vec<_>>())?;
    while let Some((index, item)) = items.next()? {
        let found = locate(fields, &mut Reader::new(item)).map_err(|fault| of_element(name, index, fault))?;
        let cell = |(field, start): (&Field, Option<usize>)| {
            let cell = cell(field, start.and_then(|start| item.get(start..)), budget);
            let locate = |fault: ValueFault| fault.in_field(&field.name).at_index(index);
            cell.map_err(|shown| shown.of_argument(name, locate))
        };
        let cells = fields.iter().zip(found).map(cell).collect::<Result<Vec<Vec<u8>>, Stop>>()?;
        put_line(&mut sink, &cells)?;
    }
    Ok(sink.finish())
}

/// Writes the cells of a line, with quotes around those that need them.
fn put_line(sink: &mut Sink<'_>, cells: &[Vec<u8>]) -> Result<(), Stop> {
    for (nth, cell) in cells.iter().enumerate() {
        if nth > 0 {
            sink.put(b",")?;
        }
        // A line of nothing would be no record.
        let is_blank_line = cells.len() == 1 && cell.is_empty();
        if is_blank_line || cell.iter().any(|byte| matches!(byte, b'"' | b',' | b'\r' | b'\n')) {
            sink.put(b"\"")?;
            for piece in cell.split_inclusive(|byte| *byte == b'"') {
                sink.put(piece)?;
                if piece.last() == Some(&b'"') {
                    sink.put(b"\"")?;
                }
            }
            sink.put(b"\"")?;
        } else {
            sink.put(cell)?;
        }
    }
    sink.put(b"\r\n")
}

/// Returns the text of a field; empty for none and for an option that is left out.
fn cell(field: &Field, rest: Option<&[u8]>, budget: &Budget<'_>) -> Result<Vec<u8>, Shown> {
    let Some(rest) = rest else {
        return match field.ty {
            Type::Option(_) => Ok(Vec::new()),
            _ => Err(ValueFault::new("the field is missing").into()),
        };
    };
    let mut reader = Reader::new(rest);
    reader.skip()?;
    let mut sink = Sink::new(budget, Escape::None);
    sink.show(&field.ty, rest.get(..reader.position()).unwrap_or_default())?;
    let text = sink.finish();
    Ok(Reader::new(&text).str()?.as_bytes().to_vec())
}

/// Reads CSV with a header as a list of the type `result`.
pub(crate) fn from_csv(argument: Argument<'_>, result: &Type, budget: &Budget<'_>) -> Result<Bytes, Stop> {
    let fields = columns_of(result)?;
    let mut records = Records::new(text(argument)?);
    let Some(record) = records.next(budget)? else {
        return Err(Stop::Input("the CSV has no header".to_owned()));
    };
    let (header, width) = (header(&record.cells, fields)?, record.cells.len());
    let mut out = ListBody::new(element_type(result), budget);
    while let Some(record) = records.next(budget)? {
        let line = record.line;
        if record.cells.len() != width {
            let cells = record.cells.len();
            return Err(Stop::Input(format!(
                "line {line} of the CSV has {cells} cells, and the header has {width}"
            )));
        }
        out.push_with(|out| {
            wire::put_map_len(out, fields.len());
            for (field, column) in fields.iter().zip(&header) {
                wire::put_str(out, &field.name);
                let cell = column.and_then(|column| record.cells.get(column));
                let value = scalar(&field.ty, cell.map(String::as_str).unwrap_or_default());
                let value = value.map_err(|fault| {
                    Stop::Input(format!("line {line} of the CSV, column `{}`: {fault}", field.name))
                })?;
                out.extend_from_slice(&value);
            }
            Ok(())
        })?;
    }
    Ok(out.finish())
}

/// Returns the column of each field; none for an option without one.
fn header(cells: &[String], fields: &[Field]) -> Result<Vec<Option<usize>>, Stop> {
    let names = || fields.iter().map(|field| &*field.name);
    for (nth, column) in cells.iter().enumerate() {
        if !names().any(|name| name == column) {
            let hint = match nearest(column, names()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("the columns are {}", shortlist(column, names())),
            };
            return Err(Stop::Input(format!("the CSV has an unknown column `{column}`; {hint}")));
        }
        if cells.iter().take(nth).any(|earlier| earlier == column) {
            return Err(Stop::Input(format!("the CSV has the column `{column}` twice")));
        }
    }
    let column = |field: &Field| match cells.iter().position(|column| **column == *field.name) {
        None if !matches!(field.ty, Type::Option(_)) => {
            Err(Stop::Input(format!("the CSV has no column `{}: {}`", field.name, field.ty)))
        }
        column => Ok(column),
    };
    fields.iter().map(column).collect()
}

/// Reads a scalar. An empty cell is none where that is possible.
fn scalar(ty: &Type, cell: &str) -> Result<Bytes, ValueFault> {
    let datum = match ty {
        Type::Option(_) if cell.is_empty() => Datum::Null,
        Type::Option(some) => return scalar(some, cell),
        Type::Bool => match cell {
            "true" => Datum::Bool(true),
            "false" => Datum::Bool(false),
            _ => return Err(ValueFault::new("expected `true` or `false`")),
        },
        Type::F32 | Type::F64 => float(cell),
        Type::S8 | Type::U8 | Type::S16 | Type::U16 | Type::S32 | Type::U32 | Type::S64 | Type::U64 => {
            match cell.parse::<i128>() {
                Ok(number) if !cell.starts_with('+') => Datum::Int(number),
                _ => return Err(ValueFault::new(format!("expected {ty}"))), // not a number, or far too large
            }
        }
        _ => Datum::Text(cell.to_owned()), // a char, a string or an enum
    };
    encode(ty, &datum)
}

/// Reads a float as JSON has it; anything else stays text, which is a float only if it is one of three words.
fn float(cell: &str) -> Datum {
    let is_number = cell.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit());
    match serde_json::from_str::<f64>(cell) {
        Ok(number) if is_number => Datum::Float(number),
        _ => Datum::Text(cell.to_owned()), // a word, or no number
    }
}
