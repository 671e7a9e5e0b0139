## A task: counts words. `wit/task.wit` is its interface, of which each build writes `bindings/task.h`.

import std/[strutils, tables]

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
  Word {.importc: "exports_my_task_words_word_t".} = object
    text: Text
    times: uint32
  Words {.importc: "exports_my_task_words_list_word_t".} = object
    `ptr`: ptr UncheckedArray[Word]
    len: csize_t
proc dup(to: var Text, text: cstring, len: csize_t) {.importc: "task_string_dup_n".}
{.pop.}

proc give(to: var Text, text: string) =
  ## Writes a copy of a text, which the host frees.
  dup(to, text.cstring, text.len.csize_t)

proc take(text: Text): string =
  result = newString(text.len)
  if text.len > 0: copyMem(addr result[0], text.`ptr`, text.len)

proc abort() {.importc, header: "<stdlib.h>", noreturn.}

proc fail(error: ref CatchableError) {.noreturn.} =
  stderr.writeLine "Error: unhandled exception: " & error.msg & " [" & $error.name & "]"
  abort()

template told(body: untyped): untyped =
  ## Prints an exception, which becomes the error of the task. Nim would lose one that leaves the function.
  try: body
  except CatchableError as error:
    fail(error)

proc count(text: var Text, ret: var Words, err: var Text): bool {.exportc: "exports_my_task_words_count".} = told:
  var times: OrderedTable[string, uint32]
  for word in take(text).splitWhitespace: inc times.mgetOrPut(word, 0)
  if times.len == 0:
    give(err, "the text has no words")
    return false
  ret.`ptr` = cast[ptr UncheckedArray[Word]](alloc0(times.len * sizeof(Word)))
  for word, count in times:
    give(ret.`ptr`[ret.len].text, word)
    ret.`ptr`[ret.len].times = count
    inc ret.len
  true
