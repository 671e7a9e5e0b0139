//! The tour in Zig.
const std = @import("std");
const wit = @import("bindings/task.zig");
const allocator = std.heap.raw_c_allocator;

fn give(text: wit.task_string_t) wit.task_string_t {
    var copy: wit.task_string_t = undefined;
    wit.task_string_dup_n(&copy, text.ptr, text.len);
    return copy;
}

export fn exports_test_polyglot_tour_pass(
    what: *wit.exports_test_polyglot_tour_baggage_t,
    ret: *wit.exports_test_polyglot_tour_baggage_t,
) void {
    ret.* = what.*;
    const parts = allocator.alloc(wit.exports_test_polyglot_tour_part_t, what.parts.len) catch @panic("out of memory");
    for (parts, what.parts.ptr[0..what.parts.len]) |*to, from| {
        to.* = .{ .name = give(from.name), .note = from.note, .size = from.size };
    }
    ret.parts = .{ .ptr = parts.ptr, .len = parts.len };
}

export fn exports_test_polyglot_tour_big(text: *wit.task_string_t, ret: *wit.task_string_t) void {
    ret.* = give(text.*);
}

export fn exports_test_polyglot_tour_fail(how: *wit.task_string_t, ret: *wit.task_string_t) void {
    _ = ret;
    const word = how.ptr[0..how.len];
    if (std.mem.eql(u8, word, "throw")) @panic("no such city");
    if (std.mem.eql(u8, word, "assert")) std.process.fatal("how is empty", .{});
    std.process.exit(3);
}
