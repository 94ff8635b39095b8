"""What a file says: its documents as objects of the model, and what is wrong with the others.

One bad object never takes another with it. What is said of each object that cannot be used is enough for the caller
to keep the last good one in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from . import parse_core, parse_deckhouse, parse_metallb
from .deckhouse import CLASS_KIND
from .documents import Unreadable, read_documents
from .fields import Fields, Invalid
from .problems import FileProblems
from .reference import Key, Reference
from .status import Problem, Severity
from .wording import closest, shown
from .world import Object

#: A longer file is not read: it would hold up everything else.
MAX_FILE_SIZE = 16 << 20


def is_manifest(name: str) -> bool:
    """Names that begin with a dot are temporary ones of editors, rsync and Kubernetes."""
    return name.endswith((".yaml", ".yml", ".json")) and not name.startswith(".")


class Kind(NamedTuple):
    """A kind of object: the World's mapping that holds it and its parsers, by the versions that are read.

    In the API server's own groups a field that we do not read is somebody else's; in a strict kind it is a mistake."""

    world_field: str
    parsers: Mapping[str, Callable[[Fields], Object]]
    namespaced: bool = True
    strict: bool = True


_SECRET = "Secret"
_METALLB = "metallb.io"
_DECKHOUSE = "network.deckhouse.io"

#: By API group and kind.
KINDS: Mapping[tuple[str, str], Kind] = {
    ("", "Service"): Kind("services", {"v1": parse_core.parse_service}, strict=False),
    ("", "Node"): Kind("nodes", {"v1": parse_core.parse_node}, namespaced=False, strict=False),
    ("", "Namespace"): Kind("namespaces", {"v1": parse_core.parse_namespace}, namespaced=False, strict=False),
    ("", _SECRET): Kind("secrets", {"v1": parse_core.parse_secret}, strict=False),
    ("discovery.k8s.io", "EndpointSlice"): Kind(
        "endpoint_slices", {"v1": parse_core.parse_endpoint_slice}, strict=False
    ),
    (_METALLB, "IPAddressPool"): Kind("address_pools", {"v1beta1": parse_metallb.parse_address_pool}),
    (_METALLB, "L2Advertisement"): Kind("l2_advertisements", {"v1beta1": parse_metallb.parse_l2_advertisement}),
    (_METALLB, "BGPAdvertisement"): Kind("bgp_advertisements", {"v1beta1": parse_metallb.parse_bgp_advertisement}),
    (_METALLB, "BGPPeer"): Kind(
        "bgp_peers", {"v1beta1": parse_metallb.parse_bgp_peer_v1beta1, "v1beta2": parse_metallb.parse_bgp_peer}
    ),
    (_METALLB, "BFDProfile"): Kind("bfd_profiles", {"v1beta1": parse_metallb.parse_bfd_profile}),
    (_METALLB, "Community"): Kind("communities", {"v1beta1": parse_metallb.parse_community_aliases}),
    (_DECKHOUSE, CLASS_KIND): Kind("classes", {"v1alpha1": parse_deckhouse.parse_class}, namespaced=False),
    (_DECKHOUSE, "MetalLoadBalancerPool"): Kind(
        "load_balancer_pools", {"v1alpha1": parse_deckhouse.parse_pool}, namespaced=False
    ),
    (_DECKHOUSE, "MetalLoadBalancerBGPPeer"): Kind(
        "load_balancer_peers", {"v1alpha1": parse_deckhouse.parse_peer}, namespaced=False
    ),
    (_DECKHOUSE, "MetalLoadBalancerConfiguration"): Kind(
        "load_balancer_configurations", {"v1alpha1": parse_deckhouse.parse_configuration}, namespaced=False
    ),
}


#: By kind alone: no two groups have kinds of one name.
WORLD_FIELDS: Mapping[str, str] = {name: kind.world_field for (_, name), kind in KINDS.items()}


class Foreign(Exception):
    """An object of a kind that mlbd has no use for: some other program's."""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(api_version, kind)
        self.api_version = api_version
        self.kind = kind

    def __str__(self) -> str:
        advice = f": did you mean {close}?" if (close := _closest_kind(self.kind)) else ""
        return f"mlbd has no use for {shown(self.kind)} of {shown(self.api_version)}, nothing else is affected{advice}"


class Identity(NamedTuple):
    """Which object of a World: the name of the mapping that holds it, and its key there."""

    world_field: str
    key: Key


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds. `refused` are objects that are in it but cannot be used as they are. When the file is not
    `complete`, part of it could not even be named: what it held before and now seems gone may only be misspelt."""

    objects: Mapping[Identity, Object] = field(default_factory=dict)
    refused: frozenset[Identity] = frozenset()
    problems: tuple[Problem, ...] = ()
    complete: bool = True


def parse(document: Mapping[Any, Any]) -> Object:
    """The object of one document. Raises Invalid for a field that cannot be used, Foreign for other people's kinds."""
    kind, version, fields = _open(document)
    found = kind.parsers[version](fields)
    if kind.strict:
        fields.value("status")  # anybody may have written it
        fields.refuse_unread()
    return found


def _open(document: Mapping[Any, Any]) -> tuple[Kind, str, Fields]:
    fields = Fields(document, secret=document.get("kind") == _SECRET)
    fields.require("apiVersion", "kind")
    api_version, name = fields.text("apiVersion"), fields.text("kind")
    group, _, version = api_version.rpartition("/")
    kind = KINDS.get((group, name))
    if kind is None:
        raise _unknown_kind(group, api_version, name)
    if version not in kind.parsers:
        known = " or ".join(f"{group}/{version}".lstrip("/") for version in kind.parsers)
        raise Invalid("apiVersion", f"is {shown(api_version)}: write {known} for a {name}")
    return kind, version, fields


def _unknown_kind(group: str, api_version: str, name: str) -> Exception:
    """In MetalLB's and Deckhouse's groups it is a mistake."""
    if group in (_METALLB, _DECKHOUSE):
        return Invalid("kind", partial(_no_such_kind, group, name))
    return Foreign(api_version, name)


def _no_such_kind(group: str, name: str) -> str:
    close = _closest_kind(name)
    advice = f"did you mean {close}?" if close else "take the object out"
    return f"is {shown(name)}, which {group} does not have: {advice}"


def _closest_kind(name: str) -> str:
    close = closest(name, (known for _, known in KINDS))
    return close if close != name else ""


def identify(document: Mapping[Any, Any]) -> Identity:
    """Which object a document is about, whether or not the rest of it can be used. Raises as parse does."""
    kind, _, fields = _open(document)
    return Identity(kind.world_field, parse_core.parse_key(fields.metadata(), kind.namespaced))


def read(data: bytes, source: str) -> Contents:
    """The objects in the octets of a file; `source` is what its Problems call it. Raises nothing."""
    try:
        documents = read_documents(data)
    except Unreadable as error:
        message = f"cannot read {source}: {error}"
        return Contents(problems=(Problem(Severity.ERROR, source, "BrokenFile", message, file=source),), complete=False)
    reader = _Reader(source)
    for document in documents:
        for place, value in _members(document.value, f"line {document.line}"):
            reader.add(value, place, document.line)
    return reader.contents()


def _members(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """The document itself, or the items of a list."""
    items = value.get("items") if isinstance(value, dict) else None
    implied = _implied(value) if isinstance(items, list) else None
    if implied is None:
        yield place, value
        return
    for index, item in enumerate(items or ()):
        yield f"{place}, items[{index}]", {**implied, **item} if isinstance(item, dict) else item


def _implied(document: Mapping[Any, Any]) -> Mapping[str, str] | None:
    """What the items of a list need not say: nothing of a `kind: List` as kubectl writes one, version and kind of a
    ServiceList and its like as the API server does. None: the document is no list."""
    api_version, kind = document.get("apiVersion"), document.get("kind")
    if (api_version, kind) == ("v1", "List"):
        return {}
    if not isinstance(api_version, str) or not isinstance(kind, str) or not kind.endswith("List"):
        return None
    member = kind.removesuffix("List")
    known = (api_version.rpartition("/")[0], member) in KINDS
    return {"apiVersion": api_version, "kind": member} if known else None


class _Reader:
    """Gathers the contents of one file, document by document."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._line = 0
        self._objects: dict[Identity, Object] = {}
        self._refused: set[Identity] = set()
        self._places: dict[Identity, str] = {}
        self._problems = FileProblems(source)
        self._complete = True

    def contents(self) -> Contents:
        refused = frozenset(self._refused - self._objects.keys())
        return Contents(self._objects, refused, self._problems.all(), self._complete)

    def add(self, document: Any, place: str, line: int) -> None:
        """`place` is where in the file the document stands, `line` where the one it is part of starts."""
        self._line = line
        if not isinstance(document, dict):
            self._unnamed(place, Invalid("", "is not an object: write a mapping with apiVersion, kind and metadata"))
            return
        try:
            identity = identify(document)
        except Foreign as reason:
            failure = f"cannot use the object in {place} of {self._source}"
            self._problems.add(Severity.WARNING, self._source, "ForeignKind", failure, reason, line)
        except Invalid as invalid:
            self._unnamed(place, invalid)
        else:
            self._parse(document, identity, place)

    def _parse(self, document: Mapping[Any, Any], identity: Identity, place: str) -> None:
        reference = str(Reference(document["kind"], identity.key))
        first = self._places.setdefault(identity, place)
        if first is not place:
            why = f"it stands in {first} of the same file too, take one out"
            self._error(reference, "DuplicateObject", f"cannot use {reference} in {place}", why)
            return
        try:
            self._objects[identity] = parse(document)
        except Invalid as invalid:
            self._refused.add(identity)
            self._error(reference, "InvalidObject", f"cannot use {reference}", invalid)

    def _unnamed(self, place: str, invalid: Invalid) -> None:
        """A document of which not even the name can be told."""
        self._complete = False
        failure = f"cannot use the document in {place} of {self._source}"
        self._error(self._source, "InvalidDocument", failure, invalid)

    def _error(self, about: str, reason: str, failure: str, why: object) -> None:
        self._problems.add(Severity.ERROR, about, reason, failure, why, self._line)
