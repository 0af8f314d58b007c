"""Knocks at a server over TLS and prints what comes back, or how it was refused:
knock.py HOST PORT PROTOCOL CERT WORDS. PROTOCOL is tls, or postgres for its way of
beginning TLS, or cert to print the server's certificate and end. CERT is the path of a
certificate without .crt, or "-". WORDS are sent as they are, escapes understood."""

import socket
import ssl
import sys

host, port, protocol, cert, words = sys.argv[1:6]
context = ssl.create_default_context(cafile="/s/ca/ca.crt")
context.check_hostname = False
if cert != "-":
    context.load_cert_chain(cert + ".crt", cert + ".key")
try:
    plain = socket.create_connection((host, int(port)), timeout=5)
    if protocol.startswith("postgres"):
        plain.sendall(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")  # SSLRequest
        plain.recv(1)
    with context.wrap_socket(plain) as conn:
        if protocol.endswith("cert"):
            print(ssl.DER_cert_to_PEM_cert(conn.getpeercert(binary_form=True)))
            sys.exit()
        conn.sendall(words.encode().decode("unicode_escape").encode("latin-1"))
        conn.settimeout(3)
        while True:
            answer = conn.recv(4096)
            if not answer:
                break
            print(answer.decode("latin-1"), flush=True)
except (OSError, ssl.SSLError) as error:
    print("refused:", error)
