"""The passwords of BGP sessions (TCP MD5, RFC 2385), "" for none. No message ever has one."""

from __future__ import annotations

from mlbd.model.core import Secret
from mlbd.model.deckhouse import PASSWORD_LABEL
from mlbd.model.desired import Refusal
from mlbd.model.metallb import BGPPeer
from mlbd.model.reference import Key
from mlbd.model.world import World

BASIC_AUTH = "kubernetes.io/basic-auth"
_KEY = "password"
#: Octets that the kernel takes (TCP_MD5SIG_MAXKEYLEN).
_LONGEST = 80


def password_of(peer: BGPPeer, world: World) -> str | Refusal:
    """What the object has itself, or its Secret, which is of the type that MetalLB asks for."""
    if peer.password_secret is None:
        return _short_enough(peer.password, "spec.password")
    secret = _found(peer.password_secret, world)
    if isinstance(secret, Secret) and secret.type != BASIC_AUTH:
        return _unusable(secret.key, f"its type is not {BASIC_AUTH}: make one of that type")
    return _read(secret) if isinstance(secret, Secret) else secret


def opened_password(key: Key | None, world: World) -> str | Refusal:
    """Of a Secret of any namespace, whose owner allows it by a label."""
    if key is None:
        return ""
    secret = _found(key, world)
    if isinstance(secret, Secret) and PASSWORD_LABEL not in secret.labels:
        return _unusable(key, f"it lacks the label {PASSWORD_LABEL}: add it")
    return _read(secret) if isinstance(secret, Secret) else secret


def _found(key: Key, world: World) -> Secret | Refusal:
    secret = world.secrets.get(key)
    told = f"cannot read the password, there is no Secret {key}: make it"
    return Refusal("SecretNotFound", told) if secret is None else secret


def _read(secret: Secret) -> str | Refusal:
    if not secret.data.get(_KEY):
        return _unusable(secret.key, f"it has no key `{_KEY}`: add it")
    try:
        return _short_enough(secret.data[_KEY].decode(), f"Secret {secret.key}")
    except UnicodeDecodeError:
        return _unusable(secret.key, "it is no UTF-8 text: take letters and digits")


def _unusable(key: Key, why: str) -> Refusal:
    return Refusal("SecretUnusable", f"cannot read the password of Secret {key}, {why}")


def _short_enough(password: str, where: str) -> str | Refusal:
    if len(password.encode()) <= _LONGEST:
        return password
    told = f"cannot use the password of {where}, it is longer than {_LONGEST} octets: take a shorter one"
    return Refusal("PasswordTooLong", told)
