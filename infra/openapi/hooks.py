"""Who asks, and for what: callers with sessions of their own, names of things that are there, and a check of our own."""

import json
import os
import urllib.request
import uuid

import schemathesis

SHOP = os.environ["SHOP_URL"]
ADMIN = {"email": os.environ["ADMIN_EMAIL"], "password": os.environ["ADMIN_PASSWORD"]}


def ask(method, path, body=None, token=None):
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None
    if body is not None:
        headers["Content-Type"] = "application/json"
        data = json.dumps(body).encode()
    request = urllib.request.Request(SHOP + path, data=data, headers=headers, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def guest():
    return ask("POST", "/sessions/guest")["token"]


admin = ask("POST", "/sessions", ADMIN)["token"]
customer = ask(
    "POST", "/users", {"email": "ann@example.com", "password": "correct horse battery", "name": "Ann"}
)["token"]
address = ask(
    "POST",
    "/users/me/addresses",
    {"recipient": "Ann", "line1": "1 Harbour Street", "city": "Bristol", "country": "GB"},
    customer,
)["addressId"]
ask("POST", "/cart/items", {"productId": "mug-blue", "quantity": 2}, customer)
order = ask("POST", "/orders", {"payment": {"token": "tok_visa"}, "shippingAddressId": address}, customer)["orderId"]
ask("POST", "/cart/items", {"productId": "mug-blue", "quantity": 1}, customer)

THERE = {"productId": "mug-blue", "orderId": order, "addressId": address, "provider": "local"}

# What ends the session that it is sent with.
ENDS_SESSION = {"logOut", "endAllSessions", "endSession", "refreshSession"}


# Asked for every request: the token is by the operation.
@schemathesis.auth(refresh_interval=None)
class Session:
    """The token that a route is for: staff's, a customer's, or a guest's where the session ends by it."""

    def get(self, case, context):
        definition = case.operation.definition.raw
        if any("admin" in requirement for requirement in definition.get("security", [])):
            return admin
        return guest() if definition["operationId"] in ENDS_SESSION else customer

    def set(self, case, data, context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Of the names that could be there, some are: then more of a route is reached than that it finds nothing."""
    for name, value in (path_parameters or {}).items():
        if name in THERE and isinstance(value, str) and len(value) % 2 == 0:
            path_parameters[name] = THERE[name]
    return path_parameters


# By its code: why a request that keeps to the document is malformed nevertheless.
MALFORMED = {
    "cursor_invalid": "a cursor is sealed by the shop; none can be made up",
    "if_match_invalid": "schemathesis also sends 0 as a valid one, which the pattern does not allow",
    "search_invalid": "orders are looked for by one thing at a time",
    "day_invalid": "a state with open work lists orders of all days",
    "price_range_invalid": "minPrice is at most maxPrice",
    "query_invalid": "an integer in a query is written without a fraction",
    "event_refused": "an event is signed by the payment provider",
    "event_malformed": "an event is the payment provider's",
}


@schemathesis.check
def a_valid_request_is_well_formed(context, response, case):
    if response.status_code != 400 or not case.meta or not case.meta.generation.mode.is_positive:
        return
    problem = response.json()
    # JSON Schema counts 1.0 as an integer; here a number of units or an amount has no fraction.
    is_fraction = problem["code"] == "body_invalid" and "must be a whole number" in problem["detail"]
    assert is_fraction or problem["code"] in MALFORMED, f"{problem['code']}: {problem['detail']}"
