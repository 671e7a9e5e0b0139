// The tour in C++.
#include "bindings/task.h"
#include <cassert>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

using Baggage = exports_test_polyglot_tour_baggage_t;
using Part = exports_test_polyglot_tour_part_t;

static std::string take(const task_string_t &text) { return {reinterpret_cast<char *>(text.ptr), text.len}; }

static task_string_t give(const std::string &text) {
    task_string_t given;
    task_string_dup_n(&given, text.data(), text.size());
    return given;
}

void exports_test_polyglot_tour_pass(Baggage *what, Baggage *ret) {
    *ret = *what;
    std::vector<Part> parts(what->parts.ptr, what->parts.ptr + what->parts.len);
    ret->parts.ptr = static_cast<Part *>(std::malloc(parts.size() * sizeof(Part)));
    for (size_t nth = 0; nth < parts.size(); nth++)
        ret->parts.ptr[nth] = {give(take(parts[nth].name)), parts[nth].note, parts[nth].size};
}

void exports_test_polyglot_tour_big(task_string_t *text, task_string_t *ret) { *ret = give(take(*text)); }

void exports_test_polyglot_tour_fail(task_string_t *how, task_string_t *ret) {
    std::string word = take(*how);
    if (word == "throw") {
        std::cerr << "no such city" << std::endl;
        std::terminate();
    }
    assert(word != "assert");
    std::exit(3);
}
