"""Certificates for one private server, signed by an authority that exists for nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: What clients trust, and what the server shows; the authority's own key is never written anywhere.
AUTHORITY: Final = "ca.pem"
CERTIFICATE: Final = "server.pem"
KEY: Final = "server.key"


def certificates(*names: str) -> Mapping[str, str]:
    """The files of a server that is reached under these names and addresses.

    >>> sorted(certificates("localhost", "127.0.0.1"))
    ['ca.pem', 'server.key', 'server.pem']
    """
    from trustme import CA

    authority = CA()
    shown = authority.issue_cert(*names)
    chain = b"".join(pem.bytes() for pem in shown.cert_chain_pems)
    files = {
        AUTHORITY: authority.cert_pem.bytes(),
        CERTIFICATE: chain,
        KEY: shown.private_key_pem.bytes(),
    }
    return {name: content.decode("ascii") for name, content in files.items()}
