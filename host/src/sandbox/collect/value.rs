//! The value of each output: stdout as text, bytes or JSON, one file, or the files that match a pattern.
//! `files` finds the files. A value that is the whole result is not copied.

use crate::model::{FailureClass, Limits};
use crate::sandbox::collect::error::Uncollected;
use crate::sandbox::collect::files::{file_at, matching, shown};
use crate::sandbox::failure::output_message;
use crate::sandbox::guest::{Content, Deadline, HEAD_ROOM, NodeId, NodeKind, SharedTree, Tree};
use crate::value::{Collected, CommandOutput, JsonFault, from_json, wire};
use bytes::Bytes;
use std::mem::take;

/// What a program left when it ended.
pub(crate) struct Remains {
    /// Its stdout behind [`HEAD_ROOM`] bytes, if it was captured.
    pub(crate) stdout: Vec<u8>,
    /// Its files.
    pub(crate) disk: SharedTree,
    /// Deadline of the call.
    pub(crate) deadline: Deadline,
    /// Limits of the call.
    pub(crate) limits: Limits,
}

/// Returns the result of a program that ended well. Without one, its stdout stays where it is.
pub(crate) async fn collect(output: &CommandOutput, remains: &mut Remains) -> Result<Bytes, Uncollected> {
    let limits = remains.limits;
    let collected = match output {
        CommandOutput::One(collected) => remains.whole(collected).await?,
        CommandOutput::Several(outputs) => {
            let mut out = Output { bytes: Vec::new(), limits };
            wire::put_map_len(&mut out.bytes, outputs.len());
            for (name, collected) in outputs {
                wire::put_str(&mut out.bytes, name);
                remains.append(collected, &mut out).await.map_err(|error| error.in_output(name))?;
            }
            out.bytes.into()
        }
    };
    if collected.len() > limits.output.as_usize() { Err(too_large(&limits)) } else { Ok(collected) }
}

/// Returns the payload of a program that failed: `record { status: option<u8>, stderr: string }`.
pub(crate) fn error_payload(status: Option<u8>, stderr: &str) -> Bytes {
    let mut out = Vec::new();
    wire::put_map_len(&mut out, 2);
    wire::put_str(&mut out, "status");
    match status {
        Some(status) => wire::put_uint(&mut out, status.into()),
        None => wire::put_nil(&mut out),
    }
    wire::put_str(&mut out, "stderr");
    wire::put_str(&mut out, stderr);
    out.into()
}

/// A result of several parts, which grows within its limit.
struct Output {
    bytes: Vec<u8>,
    limits: Limits,
}

impl Output {
    /// Fails if `len` more bytes exceed the limit: before they are copied.
    fn check_room(&self, len: usize) -> Result<(), Uncollected> {
        let needed = self.bytes.len().saturating_add(len);
        if needed > self.limits.output.as_usize() { Err(too_large(&self.limits)) } else { Ok(()) }
    }

    fn append(&mut self, content: &[u8], form: Form) -> Result<(), Uncollected> {
        self.check_room(content.len())?;
        form.put_head(&mut self.bytes, content.len());
        self.bytes.extend_from_slice(content);
        Ok(())
    }
}

/// Form of bytes in MessagePack.
#[derive(Clone, Copy)]
enum Form {
    Str,
    Bin,
}

impl Form {
    #[expect(clippy::fn_params_excessive_bools, reason = "the bool is a property of the output")]
    const fn of(is_text: bool) -> Self {
        if is_text { Self::Str } else { Self::Bin }
    }

    /// Fails if a file is to be a text and is none.
    fn check_file(self, name: &str, content: &Content) -> Result<(), Uncollected> {
        match self {
            Self::Str => check_text(content.bytes(), &format!("the file `{}`", shown(name)), NO_TEXT),
            Self::Bin => Ok(()),
        }
    }

    fn put_head(self, out: &mut Vec<u8>, len: usize) {
        match self {
            Self::Str => wire::put_str_len(out, len),
            Self::Bin => wire::put_bin_len(out, len),
        }
    }

    /// Makes a value of bytes that have [`HEAD_ROOM`] in front of them.
    fn value(self, mut buffer: Vec<u8>) -> Bytes {
        let mut head = Vec::with_capacity(HEAD_ROOM);
        self.put_head(&mut head, buffer.len().saturating_sub(HEAD_ROOM));
        let start = HEAD_ROOM.saturating_sub(head.len());
        if let Some(room) = buffer.get_mut(start..HEAD_ROOM) {
            room.copy_from_slice(&head);
        }
        Bytes::from(buffer).slice(start..)
    }
}

impl Remains {
    /// Returns what was captured of stdout.
    pub(crate) fn stdout(&self) -> &[u8] {
        self.stdout.get(HEAD_ROOM..).unwrap_or_default()
    }

    /// Returns the result that is one value.
    async fn whole(&mut self, collected: &Collected) -> Result<Bytes, Uncollected> {
        let limits = self.limits;
        match collected {
            Collected::Text => {
                check_text(self.stdout(), "stdout", USE_BYTES)?;
                Ok(Form::Str.value(take(&mut self.stdout)))
            }
            Collected::Bytes => Ok(Form::Bin.value(take(&mut self.stdout))),
            Collected::File { path, is_text } => {
                let file = file_at(&self.disk.lock(), path)?;
                let content = self.disk.lock().take_content(file);
                let content =
                    content.ok_or_else(|| Uncollected::error(format!("`{}` is no file", shown(path))))?;
                check_size(content.bytes().len(), &limits)?;
                let form = Form::of(*is_text);
                form.check_file(path, &content)?;
                Ok(form.value(with_head_room(content)))
            }
            Collected::Json(_) | Collected::Files { .. } => {
                let mut out = Output { bytes: Vec::new(), limits };
                self.append(collected, &mut out).await?;
                Ok(out.bytes.into())
            }
        }
    }

    /// Appends one value to others.
    async fn append(&self, collected: &Collected, out: &mut Output) -> Result<(), Uncollected> {
        match collected {
            Collected::Text => {
                check_text(self.stdout(), "stdout", USE_BYTES)?;
                out.append(self.stdout(), Form::Str)
            }
            Collected::Bytes => out.append(self.stdout(), Form::Bin),
            Collected::Json(ty) => {
                let max_len = self.limits.output.as_usize();
                let value = from_json(ty, self.stdout(), max_len).map_err(|fault| match fault {
                    JsonFault::TooLarge => too_large(&self.limits),
                    JsonFault::Mistake(fault) => {
                        let fault = cut(fault.to_string());
                        Uncollected::error(format!("stdout is not JSON of the type `{ty}`: {fault}"))
                    }
                })?;
                out.check_room(value.len())?;
                out.bytes.extend_from_slice(&value);
                Ok(())
            }
            Collected::File { path, is_text } => {
                let tree = self.disk.lock();
                let file = file_at(&tree, path)?;
                append_file(&tree, (path, file), Form::of(*is_text), out)
            }
            Collected::Files { pattern, is_text } => {
                let room = self.limits.output.as_usize();
                let files = matching(&self.disk, pattern, room, self.deadline).await?;
                let files = files.ok_or_else(|| too_large(&self.limits))?;
                let tree = self.disk.lock();
                wire::put_array_len(&mut out.bytes, files.len());
                for (name, file) in &files {
                    self.deadline.check()?;
                    out.check_room(name.len())?;
                    wire::put_map_len(&mut out.bytes, 2);
                    wire::put_str(&mut out.bytes, "name");
                    wire::put_str(&mut out.bytes, name);
                    wire::put_str(&mut out.bytes, "content");
                    append_file(&tree, (name, *file), Form::of(*is_text), out)?;
                }
                Ok(())
            }
        }
    }
}

/// Maximum size of the description of a mistake, in bytes. It may quote a text of the program, of any size.
const MAX_MISTAKE: usize = 2 << 10;

/// Cuts a text that is too long for a message.
fn cut(mut text: String) -> String {
    if text.len() > MAX_MISTAKE {
        text.truncate(text.floor_char_boundary(MAX_MISTAKE));
        text.push('…');
    }
    text
}

/// What to write if a text is none.
const USE_BYTES: &str = "use `\"bytes\"` for `\"text\"`";
const NO_TEXT: &str = "leave out `text = true`";

fn append_file(
    tree: &Tree,
    (name, file): (&str, NodeId),
    form: Form,
    out: &mut Output,
) -> Result<(), Uncollected> {
    let Some(NodeKind::File(content)) = tree.node(file).ok().map(|node| &node.kind) else {
        return Err(Uncollected::error(format!("`{}` is no file", shown(name))));
    };
    out.check_room(content.bytes().len())?;
    form.check_file(name, content)?;
    out.append(content.bytes(), form)
}

/// Returns the content behind [`HEAD_ROOM`] bytes, in its own buffer if it has one.
fn with_head_room(content: Content) -> Vec<u8> {
    match content {
        Content::Given(given) => {
            let mut buffer = Vec::with_capacity(HEAD_ROOM + given.len());
            buffer.resize(HEAD_ROOM, 0);
            buffer.extend_from_slice(&given);
            buffer
        }
        Content::Written(mut written) => {
            written.reserve_exact(HEAD_ROOM);
            written.splice(0..0, [0; HEAD_ROOM]);
            written.shrink_to_fit();
            written
        }
    }
}

fn check_text(bytes: &[u8], subject: &str, help: &str) -> Result<(), Uncollected> {
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(()),
        Err(error) => {
            let offset = error.valid_up_to();
            Err(Uncollected::error(format!("{subject} is not UTF-8 at byte {offset}; {help}")))
        }
    }
}

fn check_size(len: usize, limits: &Limits) -> Result<(), Uncollected> {
    if len > limits.output.as_usize() { Err(too_large(limits)) } else { Ok(()) }
}

fn too_large(limits: &Limits) -> Uncollected {
    Uncollected { class: FailureClass::Limit, message: output_message(limits) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_that_is_the_whole_result_stays_in_its_buffer() {
        for (len, head) in [(3, 1), (300, 3), (70_000, 5)] {
            let mut buffer = vec![0; HEAD_ROOM];
            buffer.resize(HEAD_ROOM + len, b'x');
            let place = buffer.as_ptr();
            let value = Form::Str.value(buffer);
            assert_eq!(value.as_ptr().addr(), place.addr() + HEAD_ROOM - head, "nothing was copied");
            assert_eq!(wire::Reader::new(&value).str().unwrap().len(), len);
        }
    }

    #[test]
    fn written_file_gets_its_head_and_given_file_is_copied_because_others_hold_it() {
        let written = Form::Bin.value(with_head_room(Content::Written(b"abc".to_vec())));
        let given = Form::Bin.value(with_head_room(Content::Given(Bytes::from_static(b"abc"))));
        assert_eq!((&*written, &*given), (&b"\xc4\x03abc"[..], &b"\xc4\x03abc"[..]));
    }

    #[test]
    fn payload_of_a_failed_program_has_the_type_of_its_error() {
        let ty = crate::value::Command::error_type();
        for (status, json) in
            [(Some(3), r#"{"status":3,"stderr":"why"}"#), (None, r#"{"status":null,"stderr":"why"}"#)]
        {
            let payload = error_payload(status, "why");
            crate::value::check(&ty, &payload).unwrap();
            assert_eq!(crate::value::to_json_text(&ty, &payload).unwrap(), json);
        }
    }
}
