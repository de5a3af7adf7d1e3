"""Clients that ask for a while, as many and as fast as they can, and judge every answer.

    python serve_load.py URL SECONDS CLIENTS

The model gives back the first ten of 784 pixels, times the number of its version. One request in
ten is wrong in some way. Prints as JSON what was answered.
"""

import asyncio
import json
import random
import struct
import sys
from collections import Counter
from urllib.parse import urlsplit

V1, V2 = "/v1/models/digits:predict", "/v2/models/digits/infer"
TOO_LARGE = b" " * ((8 << 20) + 1)


def good(rng):
    """A request, and what version 1 answers."""
    pictures = [[rng.randrange(256) for _ in range(784)] for _ in range(rng.randrange(1, 4))]
    expected = [picture[:10] for picture in pictures]
    tensor = {"name": "input", "datatype": "FP32", "shape": [len(pictures), 28, 28, 1]}
    flat = [pixel for picture in pictures for pixel in picture]
    form = rng.randrange(3)
    if form == 0:
        return V1, json.dumps({"instances": pictures}).encode(), "", expected
    if form == 1:
        body = json.dumps({"inputs": [tensor | {"data": flat}]}).encode()
        return V2, body, "", expected
    content = struct.pack(f"<{len(flat)}f", *flat)
    tensor["parameters"] = {"binary_data_size": len(content)}
    head = json.dumps({"inputs": [tensor]}).encode()
    length = f"Inference-Header-Content-Length: {len(head)}\r\n"
    return V2, head + content, length, expected


def bad(rng):
    """A request, and the status that it should get."""
    zeros = [0] * 784
    return rng.choice(
        [
            (V1, b'{"instances": [[', "", 400),
            (V1, b"[" * 100_000, "", 400),
            (V1, b'{"instances": [[NaN]]}', "", 400),
            (V2, b"{}", "Inference-Header-Content-Length: 3\r\n", 400),
            (V1, json.dumps({"instances": [zeros[1:]]}).encode(), "", 422),
            (V1, json.dumps({"instances": [["x" * 1000] + zeros[1:]]}).encode(), "", 422),
            (V1, json.dumps({"instances": [[1]] * 2000}).encode(), "", 422),
            (V2, b'{"inputs": [{"name": "input", "datatype": "FP32", "shape": [9]}]}', "", 422),
            ("/v1/models/nobody:predict", b"{}", "", 404),
        ]
    )


def too_large(rng):
    return V1, TOO_LARGE, "", 413


async def ask(reader, writer, path, body, headers):
    """Status and body of an answer."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    length = next(int(x.split(":")[1]) for x in lines if x.lower().startswith("content-length"))
    return int(first.split()[1]), await reader.readexactly(length)


def version_of(path, body, expected):
    """Which version has given this answer; 0: none of them."""
    answer = json.loads(body)
    if path == V1:
        said = answer["predictions"]
    else:
        data = answer["outputs"][0]["data"]
        said = [data[i : i + 10] for i in range(0, len(data), 10)]
    number = next((n for n in (1, 2) if said == [[n * x for x in row] for row in expected]), 0)
    if path == V2 and answer["model_version"] != str(number):
        return 0
    return number


async def client(number, address, end, tally):
    rng, newest = random.Random(number), 1
    reader, writer = await asyncio.open_connection(*address)
    requests = [good(rng) for _ in range(20)]
    while asyncio.get_running_loop().time() < end:
        chance = rng.random()
        wrong = too_large if chance < 0.01 else bad if chance < 0.1 else None
        *request, expected = wrong(rng) if wrong else rng.choice(requests)
        try:
            status, body = await asyncio.wait_for(ask(reader, writer, *request), 20)
        except (OSError, EOFError, TimeoutError) as error:
            tally[f"lost: {error!r}"] += 1
            reader, writer = await asyncio.open_connection(*address)
            continue
        tally[f"status {status}"] += 1
        if wrong:
            tally["wrong status"] += status != expected
            tally["no sentence"] += not json.loads(body).get("error", "").endswith(".")
        elif status == 200:
            version = version_of(request[0], body, expected)
            tally[f"version {version}"] += 1
            tally["back in time"] += version < newest
            newest = max(newest, version)
    writer.close()


async def main(url, seconds, clients):
    address, tally = (urlsplit(url).hostname, urlsplit(url).port), Counter()
    end = asyncio.get_running_loop().time() + seconds
    await asyncio.gather(*(client(i, address, end, tally) for i in range(clients)))
    print(json.dumps(tally))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))
