from __future__ import annotations

import asyncio

from mlbd.daemon.turns import Turns


def test_a_request_between_turns_waits_for_the_next_one() -> None:
    async def scene() -> None:
        turns = Turns()
        request = asyncio.create_task(turns.next())
        await asyncio.sleep(0)
        async with turns:
            assert not request.done()
        await request

    asyncio.run(scene())


def test_a_request_during_a_turn_waits_for_one_that_begins_after_it() -> None:
    async def scene() -> None:
        turns = Turns()
        async with turns:
            request = asyncio.create_task(turns.next())
            await asyncio.sleep(0)
        for _ in range(3):
            await asyncio.sleep(0)
        assert not request.done(), "that turn may have looked too early"
        async with turns:
            pass
        await request

    asyncio.run(scene())


def test_how_long_a_turn_lasts() -> None:
    async def scene() -> None:
        turns, now = Turns(), asyncio.get_running_loop().time
        assert turns.lasting(now() + 100) == 0
        async with turns:
            assert 100 <= turns.lasting(now() + 100) < 200
        assert turns.lasting(now() + 100) == 0

    asyncio.run(scene())


def test_a_turn_that_fails_is_over_too() -> None:
    async def scene() -> None:
        turns = Turns()
        try:
            async with turns:
                raise ValueError
        except ValueError:
            pass
        assert turns.lasting(asyncio.get_running_loop().time()) == 0

    asyncio.run(scene())
