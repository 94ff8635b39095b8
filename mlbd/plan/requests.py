"""What a Service asks for: from which class or pools, how many addresses of which families, which ones exactly."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

from mlbd.model.address import IPAddress, parse_address
from mlbd.model.core import IPFamilyPolicy, Service
from mlbd.model.deckhouse import CLASS, CLASS_CONDITION, CLASS_KIND, COUNT, IPS, POOL, SHARED_IP_KEY
from mlbd.model.desired import Refusal
from mlbd.model.reference import Key, Reference
from mlbd.model.status import Problem, Severity
from mlbd.model.wording import shown

from .sharing import Tenant, backend_key

#: More addresses than this for one Service is a slip of the finger, not a wish.
MOST_SLOTS = 1024


@dataclass(frozen=True, slots=True)
class Pin:
    """What a user wrote for one slot; `address` is None where it is none."""

    text: str
    address: IPAddress | None


@dataclass(frozen=True, slots=True)
class Request:
    """`seed` is what addresses and holders are hashed from: Services of one sharing key want the same ones. `origin` is
    the class, or None: the pools. `pins` by slot, None where the plan may choose. `refusal` says why
    the Service can get no address at all, `foreign` that it is another controller's."""

    service: Service
    tenant: Tenant
    seed: str
    origin: Reference | None = None
    pool: str = ""
    count: int = 1
    families: tuple[int, ...] = ()
    pins: tuple[Pin | None, ...] = ()
    refusal: Refusal | None = None
    foreign: bool = False
    problems: tuple[Problem, ...] = ()

    @property
    def requires_both(self) -> bool:
        """Addresses of one family alone are of no use to it (RequireDualStack)."""
        return self.service.ip_family_policy is IPFamilyPolicy.REQUIRE_DUAL_STACK and len(self.families) == 2

    @property
    def primary(self) -> int | None:
        """The family that a Service which only prefers two gets if it gets one; None: whichever there is."""
        return next(iter(self.service.ip_families or self.families), None)

    @property
    def age(self) -> tuple[bool, str, Key]:
        """Older first: who came first keeps what it has. One without a date is taken for new."""
        return not self.service.created, self.service.created, self.service.key


def annotation(service: Service, *names: str) -> str:
    """The first of the names that is there, even when empty; metallb.io names also under their old prefix."""
    return service.annotations.get(_spelled(service, *names), "").strip()


def _spelled(service: Service, *names: str) -> str:
    """The first of the names as the Service has it, "" when it has none."""
    spellings = (spelling for name in names for spelling in _spellings(name))
    return next((spelling for spelling in spellings if spelling in service.annotations), "")


def annotation_present(service: Service, name: str) -> bool:
    return bool(_spelled(service, name))


@cache
def _spellings(name: str) -> tuple[str, ...]:
    deprecated = name.replace("metallb.io/", "metallb.universe.tf/")
    return (name, deprecated) if deprecated != name else (name,)


ADDRESS_POOL = "metallb.io/address-pool"
LOAD_BALANCER_IPS = "metallb.io/loadBalancerIPs"
ALLOW_SHARED_IP = "metallb.io/allow-shared-ip"


def sharing_key(service: Service) -> str:
    return annotation(service, SHARED_IP_KEY, ALLOW_SHARED_IP)


def tenant(service: Service) -> Tenant:
    return Tenant(service.key, frozenset(service.ports), sharing_key(service), backend_key(service))


def pool_named(service: Service) -> str:
    return annotation(service, POOL, ADDRESS_POOL)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which class: its name, "" for the pools; or why neither."""

    name: str = ""
    refusal: Refusal | None = None
    foreign: bool = False
    unknown: str = ""  # a class that the annotation names and nobody made


def choose_class(service: Service, classes: Collection[str], default: str, pools: Collection[str]) -> Choice:
    """The precedence of objects.md. A class that is bound and gone is not replaced by the default one: the user
    would find the Service at another address with nothing having been asked."""
    wanted = service.load_balancer_class
    if wanted is not None:
        return Choice(wanted) if wanted in classes else Choice(foreign=True, refusal=_foreign(wanted))
    noted = annotation(service, CLASS)
    if noted in classes:
        return Choice(noted)
    bound = service.conditions.get(CLASS_CONDITION)
    if bound is not None and bound.message:
        return Choice(bound.message, None if bound.message in classes else _gone(bound.message), unknown=noted)
    named_pool = pool_named(service)
    if default and named_pool not in pools:
        return Choice(default, unknown=noted)
    if pools or named_pool:
        return Choice(unknown=noted)
    return Choice(refusal=NO_SOURCE, unknown=noted)


NO_SOURCE = Refusal(
    "NoClass",
    "it names no MetalLoadBalancerClass, none is the default one, and there is no IPAddressPool: "
    f"set spec.loadBalancerClass or the annotation {CLASS}",
)


def _foreign(name: str) -> Refusal:
    return Refusal("ForeignClass", f"spec.loadBalancerClass {name} is no MetalLoadBalancerClass: another controller's")


def _gone(name: str) -> Refusal:
    return Refusal(
        "ClassNotFound",
        f"it is bound to MetalLoadBalancerClass {name}, which does not exist: make it again, or name another one in "
        f"the annotation {CLASS}",
    )


def count_wanted(service: Service) -> tuple[int, str]:
    """How many addresses a family, and what is wrong with the annotation ("" when nothing)."""
    text = annotation(service, COUNT)
    if not text:
        return 1, ""
    if text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MOST_SLOTS:
        return int(text), ""
    return 1, f"cannot read {shown(text)} as a number of addresses, 1 is taken: write a number from 1 to {MOST_SLOTS}"


def families_wanted(service: Service) -> tuple[int, ...]:
    """From its cluster IPs, else from ipFamilies and ipFamilyPolicy; empty: whatever the pool has."""
    families = []
    for text in service.cluster_ips:
        try:
            families.append(parse_address(text).version)
        except ValueError:  # "None", or text that the API server would never have let in: no family to learn from it
            continue
    chosen = tuple(dict.fromkeys(families or service.ip_families))
    if not families and service.ip_family_policy is not IPFamilyPolicy.SINGLE_STACK:
        first = chosen[0] if chosen else 4
        return first, 10 - first
    return chosen if families else chosen[:1]


def pins_of(service: Service) -> tuple[Pin | None, ...]:
    """The addresses that the Service pins, in their order; an empty place between two commas is left to the plan."""
    text = annotation(service, IPS, LOAD_BALANCER_IPS) or service.load_balancer_ip or ""
    return _pins(text)


def _pins(text: str) -> tuple[Pin | None, ...]:
    return tuple(_pin(part.strip()) for part in text.split(",")) if text.strip() else ()


def _meant(text: str) -> list[IPAddress | str]:
    return [(pin.address or pin.text) if pin else "" for pin in _pins(text)]


def _pinned_twice(service: Service) -> Refusal | None:
    """The field and the annotation are two ways to say one thing: which of two was meant nobody can tell."""
    field, noted = service.load_balancer_ip, annotation(service, IPS, LOAD_BALANCER_IPS)
    if not field or not noted or _meant(field) == _meant(noted):
        return None
    name = _spelled(service, IPS, LOAD_BALANCER_IPS)
    return Refusal(
        "ContradictoryAddresses",
        f"cannot tell which address it wants, spec.loadBalancerIP says {field} and the annotation {name} says {noted}: "
        "take one of the two out",
    )


def _pin(text: str) -> Pin | None:
    if not text:
        return None
    try:
        return Pin(text, parse_address(text))
    except ValueError:
        return Pin(text, None)


def request(service: Service, choice: Choice, class_refused: Refusal | None = None) -> Request:
    """What becomes of the Service's wishes under the class chosen for it, which may itself be refused."""
    count, trouble = count_wanted(service)
    pins = pins_of(service)
    problems = []
    if trouble:
        problems.append(_warning(service, "InvalidCount", trouble, COUNT))
    if choice.unknown:
        told = f"cannot find MetalLoadBalancerClass {choice.unknown}, the annotation is ignored: name one that exists"
        problems.append(_warning(service, "ClassNotFound", told, CLASS))
    families = families_wanted(service)
    if len(pins) > count * max(1, len(families)):
        told = (
            f"cannot use all of the {len(pins)} addresses pinned, {count} are asked for: raise the annotation {COUNT}"
        )
        problems.append(_warning(service, "TooManyAddresses", told, IPS))
    user = tenant(service)
    return Request(
        service,
        user,
        f"shared:{user.sharing_key}" if user.sharing_key else str(service.key),
        Reference(CLASS_KIND, Key("", choice.name)) if choice.name else None,
        pool_named(service),
        count,
        families,
        pins,
        choice.refusal
        or (_class_refused(choice.name, class_refused) if class_refused else None)
        or _pinned_twice(service),
        choice.foreign,
        tuple(problems),
    )


def _class_refused(name: str, refusal: Refusal) -> Refusal:
    return Refusal(refusal.reason, f"its MetalLoadBalancerClass {name} is refused: {refusal.message}")


def _warning(service: Service, reason: str, message: str, name: str) -> Problem:
    where = f"metadata.annotations[{name}]"
    return Problem(Severity.WARNING, str(Reference("Service", service.key)), reason, message, where)
