"""``/ledger`` and ``/faults``: how another process reads and controls the stand-in. They need no credentials."""

import msgspec
from aiohttp import web
from pydantic import ValidationError

from forwarder.simulator.faults import Faults
from forwarder.simulator.ledger import Ledger
from forwarder.simulator.problems import problems
from forwarder.simulator.script import Script

PATHS = frozenset({"/ledger", "/faults"})

_CHUNK_BYTES = 64 * 1024


async def control(request: web.BaseRequest, ledger: Ledger, script: Script) -> web.StreamResponse:
    """Answers a request to one of :data:`PATHS`.

    ``GET /ledger`` streams NDJSON, ``GET /ledger?summary=1`` gives totals, ``DELETE /ledger`` forgets everything.
    ``GET /faults`` shows the present faults, ``PUT /faults`` replaces them; 400 says what is wrong with the new ones.
    """
    match request.method, request.path:
        case "GET", "/ledger" if request.query.get("summary") == "1":
            return _json(msgspec.json.encode(ledger.summary()))
        case "GET", "/ledger":
            return await _stream(request, ledger)
        case "DELETE", "/ledger":
            ledger.clear()
            return _json(b"{}")
        case "PUT", "/faults":
            return _load(await request.content.read(), script)
        case "GET", "/faults":
            return _show(script)
        case _:
            return _json(b"{}", status=405)


async def _stream(request: web.BaseRequest, ledger: Ledger) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    chunk = bytearray()
    for line in ledger.lines():
        chunk += line
        if len(chunk) >= _CHUNK_BYTES:
            await response.write(bytes(chunk))
            chunk.clear()
    await response.write(bytes(chunk))
    await response.write_eof()
    return response


def _load(body: bytes, script: Script) -> web.Response:
    try:
        script.load(Faults.model_validate_json(body))
    except ValidationError as error:
        return _json(msgspec.json.encode({"problems": problems(error)}), status=400)
    return _show(script)


def _show(script: Script) -> web.Response:
    return _json(script.faults.model_dump_json(by_alias=True).encode())


def _json(body: bytes, status: int = 200) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")
