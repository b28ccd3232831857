"""asyncio: thirty containers, five at a time, without a thread; one is given up.

python examples/async_pool.py [IMAGE]
"""

import asyncio
import sys

from crun_py import aio

IMAGE = sys.argv[1] if len(sys.argv) > 1 else "busybox"


async def square(engine: aio.Engine, places: asyncio.Semaphore, number: int) -> int:
    async with places:
        script = f"echo $(({number} * {number}))"
        return int(await engine.containers.run(IMAGE, ["sh", "-c", script], network="none"))


async def main() -> None:
    async with aio.Engine() as engine:
        places = asyncio.Semaphore(5)
        print(sum(await asyncio.gather(*(square(engine, places, n) for n in range(30)))))

        # cancelling the task ends the container
        try:
            async with asyncio.timeout(0.5):
                await engine.containers.run(IMAGE, ["sleep", "1000"], network="none")
        except TimeoutError:
            print("given up")


asyncio.run(main())
