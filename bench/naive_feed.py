"""The live feed as it is often written: each listener has a subscription of its own and a loop that waits on it.

python -m bench.naive_feed PORT REDIS_URL
"""

import sys
from urllib.parse import urlsplit

import redis.asyncio
from aiohttp import web

from hotline.nudges import CHANNEL


def main(port: int, url: str) -> None:
    """Serve until it is ended."""

    async def live(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        try:
            async with (
                redis.asyncio.Redis(unix_socket_path=urlsplit(url).path) as client,
                client.pubsub(ignore_subscribe_messages=True) as pubsub,
            ):
                await pubsub.subscribe(CHANNEL)
                await stream.write(b": still here\ndata: alive\n\n")
                while True:
                    message = await pubsub.get_message(timeout=15.0)
                    name = message["data"].decode() if message else "alive"
                    await stream.write(f"data: {name}\n\n".encode())
        except ConnectionResetError:
            return stream

    async def alive(_request: web.Request) -> web.Response:
        return web.Response(text="alive")

    app = web.Application()
    app.router.add_get("/live", live)
    app.router.add_get("/alive", alive)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None, shutdown_timeout=1.0)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
