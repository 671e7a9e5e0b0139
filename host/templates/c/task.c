// A task: counts words. `wit/task.wit` is its interface, of which each build writes `bindings/task.h`.

#include "bindings/task.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef exports_my_task_words_word_t word_t;
typedef exports_my_task_words_list_word_t words_t;

// Returns the word of the list with that text, which is added if it is not there. The host frees what is returned.
static word_t *find(words_t *words, const char *text, size_t len) {
    for (size_t at = 0; at < words->len; at++) {
        task_string_t known = words->ptr[at].text;
        if (known.len == len && memcmp(known.ptr, text, len) == 0) return &words->ptr[at];
    }
    words->ptr = realloc(words->ptr, (words->len + 1) * sizeof(word_t));
    word_t *added = &words->ptr[words->len++];
    task_string_dup_n(&added->text, text, len);
    added->times = 0;
    return added;
}

bool exports_my_task_words_count(task_string_t *text, words_t *ret, task_string_t *err) {
    const char *at = (const char *)text->ptr, *end = at + text->len;
    *ret = (words_t){0};
    while (true) {
        while (at < end && isspace((unsigned char)*at)) at++;
        const char *word = at;
        while (at < end && !isspace((unsigned char)*at)) at++;
        if (word == at) break;
        find(ret, word, at - word)->times++;
    }
    if (ret->len == 0) task_string_dup(err, "the text has no words");
    return ret->len > 0;
}
