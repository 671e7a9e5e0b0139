//! `inspect std`: the built-in tasks with their signatures.
//! The rows are in the module `builtin`.

use crate::builtin::{Builtin, Param};
use crate::cli::print::columns::{hang, put_line};
use crate::cli::print::style::{Ink, Style};
use crate::model::STD;

/// Version of the JSON form.
const VERSION: u32 = 1;

/// Renders each task: its signature, what it returns, and the line of a manifest that calls it.
pub(crate) fn render(style: Style) -> String {
    let mut out = String::new();
    put_line(&mut out, 0, &style.paint(Ink::Title, "built-in tasks"));
    for builtin in Builtin::ALL {
        let row = builtin.row();
        hang(&mut out, "", 4, &format!("{}: {row}", row.name));
        hang(&mut out, "", 8, row.doc);
        let beside = if builtin.has_type_key() { " and beside it `type = \"…\"`" } else { "" };
        put_line(&mut out, 8, &style.paint(Ink::Calm, &format!("call = \"{builtin}\"{beside}")));
    }
    out.push('\n');
    let more = "T, A, B, K and U are any types; `cascade-host help builtins` says more";
    put_line(&mut out, 0, &style.paint(Ink::Faint, more));
    out
}

/// Renders the tasks as JSON with a final newline.
pub(crate) fn to_json() -> String {
    let shown = |builtin: Builtin| {
        let row = builtin.row();
        let param = |Param { name, ty, default }: &Param| match default {
            Some(default) => serde_json::json!({ "name": name, "type": ty.to_string(), "default": default }),
            None => serde_json::json!({ "name": name, "type": ty.to_string() }),
        };
        let params: Vec<serde_json::Value> = row.params.iter().map(param).collect();
        serde_json::json!({
            "call": builtin.to_string(),
            "signature": row.to_string(),
            "params": params,
            "result": row.result.to_string(),
            "needs_type": builtin.has_type_key(),
            "doc": row.doc,
        })
    };
    let builtins: Vec<serde_json::Value> = Builtin::ALL.into_iter().map(shown).collect();
    let document = serde_json::json!({ "v": VERSION, "component": STD, "builtins": builtins });
    format!("{document:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::print::columns::WIDTH;

    #[test]
    fn every_task_is_shown_in_both_forms() {
        let (text, json) = (render(Style::Plain), to_json());
        for builtin in Builtin::ALL {
            assert!(text.contains(&format!("call = \"{builtin}\"")), "{text}");
            assert!(json.contains(&format!("\"call\": \"{builtin}\"")), "{json}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    }
}
