// The tour in C.
#include "bindings/task.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef exports_test_polyglot_tour_baggage_t baggage_t;
typedef exports_test_polyglot_tour_part_t part_t;

void exports_test_polyglot_tour_pass(baggage_t *what, baggage_t *ret) {
    *ret = *what;
    ret->parts.ptr = malloc(what->parts.len * sizeof(part_t));
    for (size_t nth = 0; nth < what->parts.len; nth++) {
        part_t *from = &what->parts.ptr[nth], *to = &ret->parts.ptr[nth];
        task_string_dup_n(&to->name, (const char *)from->name.ptr, from->name.len);
        to->note = from->note;
        to->size = from->size;
    }
}

void exports_test_polyglot_tour_big(task_string_t *text, task_string_t *ret) {
    task_string_dup_n(ret, (const char *)text->ptr, text->len);
}

static bool is(task_string_t *text, const char *word) {
    return text->len == strlen(word) && memcmp(text->ptr, word, text->len) == 0;
}

void exports_test_polyglot_tour_fail(task_string_t *how, task_string_t *ret) {
    if (is(how, "throw")) {
        fprintf(stderr, "no such city\n");
        abort();
    }
    assert(!is(how, "assert"));
    exit(3);
}
