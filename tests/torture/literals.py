"""The project's own messages: what real phones send, and a base for the fuzzer."""

from __future__ import annotations

from typing import Final


def wire(text: str, body: bytes = b"") -> bytes:
    """`text`, one header a line, as it goes on the wire, an empty line and `body` behind it."""
    return text.strip("\n").replace("\n", "\r\n").encode() + b"\r\n\r\n" + body


SDP: Final = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    b"m=audio 6000 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
)

INVITE: Final = wire(
    """
INVITE sip:2001@example.com SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK-524287-1---d8754z;rport
Via: SIP/2.0/TCP [2001:db8::9:1];branch=z9hG4bKas3-111;received=2001:db8::9:255
Max-Forwards: 70
Route: <sip:192.0.2.10;lr>, "Edge, west" <sip:192.0.2.11:5062;lr;transport=tcp>
Record-Route: <sip:192.0.2.12;lr;ftag=8f7e>
Contact: <sip:1001@192.0.2.1:5070;transport=udp>;+sip.instance="<urn:uuid:0-1>";reg-id=1
To: <sip:2001@example.com>
From: "Alice \\"A.\\" Liddell" <sip:1001@example.com>;tag=8f7e6d5c
Call-ID: 89nhQ3mQdF5ZCgm3@192.0.2.1
CSeq: 1 INVITE
Supported: replaces, outbound, gruu
Session-ID: ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000
Content-Type: application/sdp
Content-Length: 123
""",
    SDP,
)

REGISTER: Final = wire(
    """
REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/TLS 192.0.2.7:49152;alias;branch=z9hG4bK.4Ua~KsVQd;rport
From: <sip:1002@example.com>;tag=hw-BJ3Xdk
To: sip:1002@example.com
CSeq: 20 REGISTER
Call-ID: nXq2PR0fr~
Max-Forwards: 70
Supported: replaces, outbound, gruu, path
Accept: application/sdp
Accept: text/plain
Path: <sip:edge.example.com;lr;ob>
Contact: "Bob" <sip:1002@192.0.2.7:49152;transport=tls\
;pn-provider=apns;pn-prid=51f0a:voip&79c2b:remote\
;pn-param=TEAM.org.example.phone.voip%26remote>\
;+sip.instance="<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>"\
;+sip.instance="<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>";expires=3600
Expires: 3600
Authorization:  Digest username="1002", realm="example.com"\
, nonce="n1,x", uri="sip:example.com"\
, response="6629fae49393a05397450978507c4ef1"\
, algorithm="MD5", qop=auth, nc=00000001, cnonce="0a4f113b"
Feature-Caps: *;+sip.pns="apns"
"""
)

UNREGISTER: Final = wire(
    """
REGISTER sip:example.com SIP/2.0
v: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKnashds7
f: <sip:1002@example.com>;tag=a73kszlfl
t: <sip:1002@example.com>
i: 1j9FpLxk3uxtm8tn@192.0.2.7
CSeq: 2 REGISTER
m: *
Expires: 0
l: 0
"""
)

RINGING: Final = wire(
    """
SIP/2.0 180 Ringing
Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK776,
 SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK775;received=192.0.2.1;rport=5070
To: <sip:2001@example.com>;tag=a6c85cf
From: <sip:1001@example.com>;tag=1928301774
Call-ID: a84b4c76e66710
CSeq: 314159 INVITE
Contact: <sip:2001@192.0.2.4>
Reason: SIP;cause=200;text="Call completed elsewhere", Q.850;cause=16
Content-Length: 0
"""
)

CHALLENGED: Final = wire(
    """
SIP/2.0 401 Unauthorized
Via: SIP/2.0/TCP 192.0.2.7:49152;branch=z9hG4bK1;rport=49152;received=198.51.100.2
To: <sip:1002@example.com>;tag=1
From: <sip:1002@example.com>;tag=2
Call-ID: c1
CSeq: 1 REGISTER
WWW-Authenticate: Digest realm="example.com", nonce="84a4cc6f3082121f"\
, qop="auth,auth-int", algorithm=MD5\
, Digest realm="example.com", nonce="b", algorithm=SHA-256
Content-Length: 0
"""
)

BYE: Final = wire(
    """
BYE sip:1001@192.0.2.1:5070;gr=urn%3Auuid%3A0-1 SIP/2.0
Via: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK056
Max-Forwards: 70
Route: <sip:192.0.2.10;lr>
To: "Ali\tce" <sip:1001@example.com>;tag=8f7e6d5c
From: Bob Smith <sip:2001@example.com;user=phone>;x="a;tag=9";tag=a6c85cf
Call-ID: 89nhQ3mQdF5ZCgm3@192.0.2.1
CSeq: 231 BYE
Content-Length: 0
"""
)

MESSAGES: Final = (INVITE, REGISTER, UNREGISTER, RINGING, CHALLENGED, BYE)
