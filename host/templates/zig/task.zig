//! A task: counts words. `wit/task.wit` is its interface, of which each build writes `bindings/task.zig`.

const std = @import("std");
const wit = @import("bindings/task.zig");

const Word = wit.exports_my_task_words_word_t;
const allocator = std.heap.raw_c_allocator; // malloc: the host frees what is returned

/// Returns a copy of a text, which the host frees. Its address is valid if it is empty, which one of Zig's need not be.
fn give(text: []const u8) wit.task_string_t {
    var copy: wit.task_string_t = undefined;
    wit.task_string_dup_n(&copy, text.ptr, text.len);
    return copy;
}

export fn exports_my_task_words_count(
    text: *wit.task_string_t,
    ret: *wit.exports_my_task_words_list_word_t,
    err: *wit.task_string_t,
) bool {
    var words: std.ArrayList(Word) = .empty;
    var found = std.mem.tokenizeAny(u8, text.ptr[0..text.len], " \t\r\n");
    next: while (found.next()) |word| {
        for (words.items) |*known| {
            if (std.mem.eql(u8, known.text.ptr[0..known.text.len], word)) {
                known.times += 1;
                continue :next;
            }
        }
        words.append(allocator, .{ .text = give(word), .times = 1 }) catch @panic("out of memory");
    }
    if (words.items.len == 0) {
        err.* = give("the text has no words");
        return false;
    }
    ret.* = .{ .ptr = words.items.ptr, .len = words.items.len };
    return true;
}
