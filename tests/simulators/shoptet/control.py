"""Steers the simulated shop from another process: JSON in and out under /_simulator/."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .answers import Json
from .app import ShoptetApi
from .faults import Fault
from .limits import TokenState
from .products import NoSuchProduct
from .state import NoSuchOrder

Command = Callable[[ShoptetApi, Json], Json]


def create(simulated: ShoptetApi, request: Json) -> Json:
    return {"code": simulated.shop.create(request.get("changes"))}


def edit(simulated: ShoptetApi, request: Json) -> Json:
    changed_at = request.get("changed_at")
    simulated.shop.edit(
        request["code"], request["changes"], changed_at=datetime.fromisoformat(changed_at) if changed_at else None
    )
    return {"code": request["code"]}


def cancel(simulated: ShoptetApi, request: Json) -> Json:
    simulated.shop.cancel(request["code"])
    return {"code": request["code"]}


def delete(simulated: ShoptetApi, request: Json) -> Json:
    simulated.shop.delete(request["code"])
    return {"code": request["code"]}


def inject(simulated: ShoptetApi, request: Json) -> Json:
    return {"kind": simulated.faults.add(Fault(**request)).kind}


def clear_faults(simulated: ShoptetApi, _request: Json) -> Json:
    simulated.faults.clear()
    return {}


def set_token(simulated: ShoptetApi, request: Json) -> Json:
    simulated.limits.tokens[request["token"]] = TokenState(request["state"])
    return request


def advance(simulated: ShoptetApi, request: Json) -> Json:
    simulated.shop.clock.advance(request["seconds"])
    return {"now": simulated.shop.clock.now().isoformat()}


def reset(simulated: ShoptetApi, _request: Json) -> Json:
    simulated.reset()
    return {}


def create_product(simulated: ShoptetApi, request: Json) -> Json:
    return {"guid": simulated.shop.products.create(request.get("changes"))}


def edit_product(simulated: ShoptetApi, request: Json) -> Json:
    simulated.shop.products.edit(request["guid"], request["changes"])
    return {"guid": request["guid"]}


def delete_product(simulated: ShoptetApi, request: Json) -> Json:
    simulated.shop.products.delete(request["guid"])
    return {"guid": request["guid"]}


def put_category(simulated: ShoptetApi, request: Json) -> Json:
    return {"guid": simulated.shop.products.put_category(**request)}


COMMANDS: tuple[Command, ...] = (
    *(create, edit, cancel, delete, create_product, edit_product, delete_product, put_category),
    *(inject, clear_faults, set_token, advance, reset),
)


def control_of(simulated: ShoptetApi) -> Starlette:
    """Return the application that answers GET /_simulator/log, GET /_simulator/state and POST /_simulator/<command>.

    A command that cannot be carried out gets 400, or 404 for an order the shop has not, with `error` saying why.
    """

    async def log(request: Request) -> Response:
        return JSONResponse({"requests": simulated.log.as_json(after=int(request.query_params.get("after", 0)))})

    async def state(_request: Request) -> Response:
        return JSONResponse({"orders": len(simulated.shop.orders()), "now": simulated.shop.clock.now().isoformat()})

    commands = [
        Route(f"/_simulator/{command.__name__}", _endpoint(simulated, command), methods=["POST"])
        for command in COMMANDS
    ]
    return Starlette(routes=[Route("/_simulator/log", log), Route("/_simulator/state", state), *commands])


def _endpoint(simulated: ShoptetApi, command: Command) -> Any:
    async def answer(request: Request) -> Response:
        try:
            return JSONResponse(command(simulated, await request.json() if await request.body() else {}))
        except NoSuchOrder as error:
            return JSONResponse({"error": f"no order {error}"}, 404)
        except NoSuchProduct as error:
            return JSONResponse({"error": f"no product {error}"}, 404)
        except (KeyError, TypeError, ValueError) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)

    return answer
