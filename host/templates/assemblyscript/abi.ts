// Memory and strings as components have them, and errors on standard error.

// Returns memory that is kept until the call ends.
export function allocate(size: usize): usize {
  return heap.alloc(size);
}

// Called by the host, for arguments.
export function cabi_realloc(old: usize, oldSize: usize, align: usize, size: usize): usize {
  const to = heap.alloc(size);
  memory.copy(to, old, oldSize);
  return to;
}

// Reads a string: its address, and its length in units of 16 bits.
export function take(at: usize, length: usize): string {
  return String.UTF16.decodeUnsafe(at, length << 1);
}

// Writes a string: its address, and its length.
export function give(to: usize, text: string): void {
  store<usize>(to, changetype<usize>(text));
  store<usize>(to, text.length, 4);
}

// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_write")
declare function fd_write(file: i32, parts: usize, count: i32, written: usize): i32;

// Called by `throw` and `assert`: the message becomes the error of the task.
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const reason = message != null ? message : "abort";
  const place = file != null ? file : "?";
  const bytes = String.UTF8.encode(`${reason} at ${place}:${line}:${column}\n`);
  const parts = heap.alloc(12);
  store<usize>(parts, changetype<usize>(bytes));
  store<usize>(parts, bytes.byteLength, 4);
  fd_write(2, parts, 1, parts + 8);
  unreachable();
}
