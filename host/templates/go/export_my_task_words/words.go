// Package export_my_task_words is a task: it counts words. `wit/task.wit` is its interface, of which each build
// writes the packages in `bindings`. The name of the package is that of the interface.
package export_my_task_words

import (
	"strings"

	words "task/bindings/my_task_words"

	. "go.bytecodealliance.org/pkg/wit/types"
)

// Count counts the words of a text, in the order in which they come first.
func Count(text string) Result[[]words.Word, string] {
	at := map[string]int{}
	list := []words.Word{}
	for _, word := range strings.Fields(text) {
		if _, isKnown := at[word]; !isKnown {
			at[word] = len(list)
			list = append(list, words.Word{Text: word})
		}
		list[at[word]].Times++
	}
	if len(list) == 0 {
		return Err[[]words.Word]("the text has no words")
	}
	return Ok[[]words.Word, string](list)
}
