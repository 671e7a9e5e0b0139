// A task: counts words. `wit/task.wit` is its interface, of which each build writes `bindings/task.h`.

#include "bindings/task.h"
#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

using Word = exports_my_task_words_word_t;
using Words = exports_my_task_words_list_word_t;

// Returns a copy of a text, which the host frees.
static task_string_t give(const std::string &text) {
    task_string_t given;
    task_string_dup_n(&given, text.data(), text.size());
    return given;
}

bool exports_my_task_words_count(task_string_t *text, Words *ret, task_string_t *err) {
    std::istringstream input(std::string(reinterpret_cast<char *>(text->ptr), text->len));
    std::vector<std::pair<std::string, uint32_t>> counts;
    for (std::string word; input >> word;) {
        auto known = std::find_if(counts.begin(), counts.end(), [&](auto &count) { return count.first == word; });
        if (known == counts.end()) known = counts.insert(known, {word, 0});
        known->second++;
    }
    if (counts.empty()) {
        *err = give("the text has no words");
        return false;
    }
    ret->len = counts.size();
    ret->ptr = static_cast<Word *>(std::malloc(ret->len * sizeof(Word)));
    std::transform(counts.begin(), counts.end(), ret->ptr, [](auto &count) { return Word{give(count.first), count.second}; });
    return true;
}
