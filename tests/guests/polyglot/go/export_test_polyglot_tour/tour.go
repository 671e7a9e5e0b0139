// Package export_test_polyglot_tour is the tour in Go.
package export_test_polyglot_tour

import (
	"os"
	"strings"

	tour "task/bindings/test_polyglot_tour"
)

func Pass(what tour.Baggage) tour.Baggage {
	parts := make([]tour.Part, 0, len(what.Parts))
	for _, part := range what.Parts {
		parts = append(parts, tour.Part{Name: strings.Clone(part.Name), Note: part.Note, Size: part.Size})
	}
	what.Parts = parts
	return what
}

func Big(text string) string { return strings.Clone(text) }

func Fail(how string) string {
	switch how {
	case "throw":
		panic("no such city")
	case "assert":
		var none []string
		return none[len(how)]
	}
	os.Exit(3)
	return how
}
