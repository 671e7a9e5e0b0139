## The tour in Nim.

{.compile: "bindings/task.c", passL: "bindings/task_component_type.o".}
{.emit: """/*VARSECTION*/
void NimMain(void);
__attribute__((constructor)) static void start(void) { NimMain(); } // types and globals, before the first call
""".}
{.push header: "bindings/task.h".}
type
  Text {.importc: "task_string_t".} = object
    `ptr`: ptr UncheckedArray[char]
    len: csize_t
  Part {.importc: "exports_test_polyglot_tour_part_t".} = object
    name: Text
    size: uint64
  Parts {.importc: "exports_test_polyglot_tour_list_part_t".} = object
    `ptr`: ptr UncheckedArray[Part]
    len: csize_t
  Baggage {.importc: "exports_test_polyglot_tour_baggage_t".} = object
    parts: Parts
proc dup(to: var Text, text: cstring, len: csize_t) {.importc: "task_string_dup_n".}
{.pop.}

proc give(to: var Text, text: string) = dup(to, text.cstring, text.len.csize_t)

proc take(text: Text): string =
  result = newString(text.len)
  if text.len > 0: copyMem(addr result[0], text.`ptr`, text.len)

proc pass(what: ptr Baggage, ret: ptr Baggage) {.exportc: "exports_test_polyglot_tour_pass".} =
  copyMem(ret, what, sizeof(Baggage))
  for nth in 0 ..< int(what.parts.len):
    give(ret.parts.`ptr`[nth].name, take(what.parts.`ptr`[nth].name))

proc big(text: var Text, ret: var Text) {.exportc: "exports_test_polyglot_tour_big".} =
  give(ret, take(text))

proc abort() {.importc, header: "<stdlib.h>", noreturn.}

proc fail(error: ref CatchableError) {.noreturn.} =
  stderr.writeLine "Error: unhandled exception: " & error.msg & " [" & $error.name & "]"
  abort()

template told(body: untyped): untyped =
  ## Prints an exception, which becomes the error of the task. Nim would lose one that leaves the function.
  try: body
  except CatchableError as error:
    fail(error)

proc fail(how: var Text, ret: var Text) {.exportc: "exports_test_polyglot_tour_fail".} = told:
  case take(how)
  of "throw": raise newException(ValueError, "no such city")
  of "assert": doAssert false, "how is empty"
  else: quit 3
