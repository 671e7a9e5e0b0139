"""Async functions, streams and futures in Python. Leaves functions that are not async to `app`."""

import asyncio

import componentize_py_async_support
import wit_world
from componentize_py_types import Err


class WitWorld(wit_world.WitWorld):
    async def greet(self, name):
        await asyncio.sleep(0)
        if not name:
            raise Err("nobody")
        print("greeting", name)
        return f"hello {name}"

    async def shout(self, words):
        writer, reader = wit_world.string_stream()

        async def write():
            with writer, words:
                while not words.writer_dropped:
                    for word in await words.read(16):
                        await writer.write_all([word.upper()])

        componentize_py_async_support.spawn(write())
        return reader

    async def total(self, numbers):
        total = 0
        with numbers:
            while not numbers.writer_dropped:
                total += sum(await numbers.read(1024))
        return total

    async def louder(self, text):
        return (await text.read()).upper()

    def plain(self, x):
        return x + 1
