"""Whatever comes in, the stack raises nothing, and what it sends back can be read."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.sip_text import INVITE, OPTIONS, TCP, UDP, octets, request, response
from sipstack.message.message import Response
from sipstack.message.parser import parse_message
from sipstack.stack import Stack, StackOutput
from sipstack.timing import SECOND, Instant
from sipstack.transport.flow import BytesReceived, Flow, FlowClosed, Send
from sipstack.transport.stun import is_stun

SEEDS = [
    octets(OPTIONS),
    octets(INVITE),
    octets(INVITE).replace(b"INVITE sip", b"ACK sip").replace(b"1 INVITE", b"1 ACK"),
    octets(INVITE).replace(b"INVITE sip", b"CANCEL sip").replace(b"1 INVITE", b"1 CANCEL"),
    octets(OPTIONS).replace(b"Via: ", b"v:\r\n ").replace(b";branch", b";rport;branch"),
    response(request(INVITE), 180).to_bytes(),
    bytes.fromhex("000100002112a442") + bytes(12),
    b"\r\n\r\n",
]
SPICE = [b"", b"\r\n", b"\n", b"\0", b":", b";", b",", b'"', b"<", b" ", b"\xff", b"9" * 25, b"%00"]

edits = st.lists(
    st.tuples(
        st.integers(0, 700), st.integers(0, 12), st.sampled_from(SPICE) | st.binary(max_size=4)
    ),
    max_size=5,
)
messages = st.builds(
    lambda seed, changes: _edited(seed, changes), st.sampled_from(SEEDS), edits
) | st.binary(max_size=80)


def _edited(data: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for at, length, new in changes:
        at %= len(data) + 1
        data = data[:at] + new + data[at + length :]
    return data


@given(st.lists(messages, max_size=5), st.sampled_from([UDP, TCP]))
@settings(max_examples=300, deadline=None)
def test_stack_survives_anything_and_answers_readably(parts: list[bytes], flow: Flow) -> None:
    stack = Stack()
    outputs: list[StackOutput] = []
    for second, data in enumerate(parts):
        outputs += stack.receive(BytesReceived(flow, data), Instant(second * SECOND))
    outputs += stack.receive(FlowClosed(flow, "end"), Instant(6 * SECOND))
    for output in outputs:
        if isinstance(output, Send) and output.data != b"\r\n" and not is_stun(output.data):
            assert isinstance(parse_message(output.data), Response)
    assert stack.counts()["streams"] == 0
    assert stack.counts()["unfinished_messages"] == 0
