"""User and password for a publisher's server: from the environment or from netrc, and sent to that server alone.

They stand in no config, no command line, no log and no file that we write. Without a word of ours, requests finds netrc
(`~/.netrc`, or the file that `NETRC` names) by itself; the environment goes before it.
"""

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from medpriv.errors import InputError


@dataclass(frozen=True)
class Account:
    """How a server is signed in to.

    Attributes:
        user, password: the environment variables that hold them.
        agent: what a client must call itself to be asked for a password at all; any other gets a bare 403.
    """

    user: str
    password: str
    agent: str


ACCOUNTS = {"physionet.org": Account("PHYSIONET_USER", "PHYSIONET_PASSWORD", "Wget/1.25.0 (compatible; medpriv)")}
_HERE = ("127.0.0.1", "::1", "localhost")


def sign_in(session, address: str) -> None:
    """Give a requests session what the server of an address wants: a name for the client, user and password.

    On a redirect to another host requests takes the password off again.

    Raises:
        InputError: user or password stands alone, or the address would send them (netrc's, too) unencrypted.
    """
    from requests.utils import get_netrc_auth

    url = urlsplit(address)
    account = ACCOUNTS.get(url.hostname)
    login = _from_environment(account) if account else None
    if url.scheme != "https" and url.hostname not in _HERE and (login or get_netrc_auth(address)):
        raise InputError(
            "user and password would be sent unencrypted",
            file=f"{url.scheme}://{url.hostname}",
            remedy="write https in raw.base_url",
        )
    if account:
        session.headers["User-Agent"] = account.agent
    if login:
        session.auth = login


def _from_environment(account: Account) -> tuple[bytes, bytes] | None:
    """Return user and password of an account, None where neither is set."""
    user, password = os.environ.get(account.user), os.environ.get(account.password)
    if not user and not password:
        return None
    if not (user and password):
        there, lacking = (account.user, account.password) if user else (account.password, account.user)
        raise InputError(
            f"{there} is set, {lacking} is not",
            file="the environment",
            remedy="set both, or neither and use ~/.netrc",
        )
    return user.encode(), password.encode()


def how_to_sign_in(address: str) -> str:
    """Return what to do when the server of an address refuses access."""
    account = ACCOUNTS.get(urlsplit(address).hostname)
    place = f"into {account.user} and {account.password} or into ~/.netrc" if account else "into ~/.netrc"
    return f"put user and password for this server {place}, once the publisher has granted access"
