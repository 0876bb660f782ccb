"""An emulated CI: gives clusters the access tokens that they push with.

`POST /idb/oauth2/v1/access_token` with the form of RFC 6749 §6, `GET /ping`, `GET /block-list`.
Source: CLOUD-01, CLOUD-03, CLOUD-07, CLOUD-12, OP-14; RFC 6749 §2.3, §5 and §6.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Any, Final
from urllib.parse import parse_qs, unquote_plus

from callctl.cloud.http import HeaderList, HttpAnswer, HttpRequest, json_answer
from callctl.cloud.json_service import JsonService, Refusal
from callctl.cloud.machine_accounts import GrantRefused, MachineAccounts
from callctl.cloud.reachability import BLOCK_LIST_PATH, BLOCKED, PING_PATH, BlockList, ping_answer
from callctl.push.machine_grant import CLIENT_ID, GRANT_TYPE
from sipstack.entropy import Entropy
from sipstack.timing import Instant

TOKEN_PATH: Final = "/idb/oauth2/v1/access_token"
FORM_TYPE: Final = "application/x-www-form-urlencoded"
BODY_MAX: Final = 16_384  # octets
FIELDS_MAX: Final = 10

NO_STORE: Final[HeaderList] = (("cache-control", "no-store"),)


class Ci(JsonService):
    """The three routes. FOS and Push REST, and tests, reach into `accounts` and `block_list`."""

    def __init__(
        self,
        entropy: Entropy,
        clients: tuple[str, ...] = (CLIENT_ID,),
        block_list: BlockList | None = None,
    ) -> None:
        """`block_list`: that of the whole cloud, if Push REST is to have the same."""
        super().__init__(entropy)
        self.accounts = MachineAccounts(entropy)
        self.block_list = BlockList() if block_list is None else block_list
        self._clients = frozenset(clients)

    def granted(self, request: HttpRequest, now: Instant) -> tuple[HttpAnswer, tuple[object, ...]]:
        """Raises: Refusal."""
        if request.path == BLOCK_LIST_PATH and request.method == "GET":
            return self.block_list.answer(request), ()
        if self.block_list.refuses(request):
            raise Refusal(403, BLOCKED)
        if request.path == PING_PATH and request.method == "GET":
            return ping_answer("CI"), ()
        if request.path != TOKEN_PATH:
            raise Refusal(404, "not_found")
        if request.method != "POST":
            raise Refusal(405, "method_not_allowed", (("allow", "POST"),))
        return json_answer(200, self._token(request, now), NO_STORE), ()

    def _token(self, request: HttpRequest, now: Instant) -> dict[str, Any]:
        """Raises: Refusal, in the words of RFC 6749 §5.2."""
        form = _form(request)
        self._authenticate(request, form)
        grant_type, refresh_token = form.get("grant_type"), form.get("refresh_token")
        if grant_type not in (None, GRANT_TYPE):
            raise Refusal(400, "unsupported_grant_type", NO_STORE)
        if grant_type is None or refresh_token is None:
            raise Refusal(400, "invalid_request", NO_STORE)
        try:
            granted = self.accounts.grant(refresh_token, now)
        except GrantRefused as refused:
            raise Refusal(400, str(refused), NO_STORE) from refused
        fields: dict[str, Any] = {
            "access_token": granted.access_token,
            "token_type": "Bearer",
            "expires_in": granted.lifetime_s,
        }
        if granted.refresh_token is not None:
            fields["refresh_token"] = granted.refresh_token
        return fields

    def _authenticate(self, request: HttpRequest, form: dict[str, str]) -> None:
        """Raises: Refusal; 401 for a client that tried by a header (RFC 6749 §5.2)."""
        credentials, client_id = request.header("authorization"), form.get("client_id")
        if (credentials is None) == (client_id is None):
            raise Refusal(400, "invalid_request", NO_STORE)  # one way, and not two at once
        if credentials is None and client_id not in self._clients:
            raise Refusal(400, "invalid_client", NO_STORE)
        if credentials is not None and _basic_user(credentials) not in self._clients:
            asked = (("www-authenticate", 'Basic realm="CI"'),)
            raise Refusal(401, "invalid_client", (*NO_STORE, *asked))


def _basic_user(credentials: str) -> str | None:
    """The client identifier of RFC 6749 §2.3.1; None if the header holds none."""
    scheme, _, given = credentials.partition(" ")
    try:
        user = b64decode(given.strip(), validate=True).decode().partition(":")[0]
    except (binascii.Error, ValueError):
        return None
    return unquote_plus(user) if scheme.lower() == "basic" else None


def _form(request: HttpRequest) -> dict[str, str]:
    """The fields of the form, each given once. Raises: Refusal."""
    content_type = (request.header("content-type") or "").partition(";")[0].strip().lower()
    try:
        if content_type != FORM_TYPE or len(request.body) > BODY_MAX:
            raise ValueError("no form, or one that is too long")
        text = request.body.decode("ascii")
        fields = parse_qs(text, strict_parsing=True, max_num_fields=FIELDS_MAX)
        if any(len(values) != 1 for values in fields.values()):
            raise ValueError("a field is given twice")
    except ValueError as error:  # UnicodeDecodeError is one
        raise Refusal(400, "invalid_request", NO_STORE) from error
    return {name: values[0] for name, values in fields.items()}
