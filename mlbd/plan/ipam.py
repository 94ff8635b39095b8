"""Addresses from files: every node gives the same ones with no memory and no talk.

The address of a (Service, slot) is a hash into the pool, and on a collision the next free one. Older Services choose
first, so that a Service that is added takes nothing from one that was there. What users pinned is set aside before
anything is chosen; then what a status says and is still legal is kept; then the rest is chosen.

Every allotment notes the addresses that it depended on. After a change the Services take their turns again, but who
depended on none of the addresses that changed hands only takes what it took before.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from mlbd.model.address import IPAddress, parse_address
from mlbd.model.core import IPFamilyPolicy
from mlbd.model.desired import Refusal, Slot
from mlbd.model.reference import Key
from mlbd.model.wording import shown

from .placement import digest
from .pool_choice import automatic_pools
from .requests import Pin, Request
from .sharing import Ledger
from .sources import Free, Source

#: More Services than this that change at once are likely to meet one another's addresses.
_FEW = 16


@dataclass(frozen=True, slots=True)
class Allotment:
    """What one Service gets, slot by slot. `source` is None when nothing could even be tried.

    `given` are its addresses by the step that gave them. `seen` are the addresses, its own among them, and the sharing
    key whose users decided on it; with `saw_all` it was all users of its sources.
    """

    request: Request
    source: Source | None
    slots: tuple[Slot, ...]
    given: tuple[tuple[IPAddress, ...], ...]
    addresses: frozenset[IPAddress]
    seen: frozenset[IPAddress | str]
    saw_all: bool

    @property
    def key(self) -> Key:
        return self.request.service.key

    @property
    def touches(self) -> frozenset[IPAddress | str]:
        """What others may see of it."""
        sharing_key = self.request.tenant.sharing_key
        return self.addresses | {sharing_key} if sharing_key else self.addresses


def allot(
    requests: Iterable[Request], sources: Mapping[str, Source], before: Sequence[Allotment] = ()
) -> list[Allotment]:
    """Addresses for Services that draw from the same sources: one class, or all pools. The result does not depend on
    the order of the requests, and is in the order of their age.

    `before` is an earlier result with the same sources. It saves work, and what is the same stays the same object.
    """
    wanted = {request.service.key: request for request in requests}
    earlier = {each.key: each for each in before if wanted.get(each.key) is each.request}
    if len(earlier) == len(wanted) == len(before):
        return list(before)
    if (beside := _beside_the_others(wanted, earlier, before, sources)) is not None:
        return beside
    wanted = {key: each.request for key, each in earlier.items()} | wanted  # all but in order: sorted sooner
    by_age = sorted(wanted.values(), key=lambda request: request.age)
    touched = frozenset[IPAddress | str]().union(*(each.touches for each in before if each.key not in earlier))
    settled = _untouched(earlier, touched)
    while True:
        result = _serve(by_age, settled, sources)
        touched = touched.union(*(_touched(each, earlier.get(each.key)) for each in result if each.key not in settled))
        untouched = _untouched(settled, touched)
        if len(untouched) == len(settled):
            return [earlier[each.key] if earlier.get(each.key) == each else each for each in result]
        settled = untouched


def _beside_the_others(
    wanted: Mapping[Key, Request],
    earlier: Mapping[Key, Allotment],
    before: Sequence[Allotment],
    sources: Mapping[str, Source],
) -> list[Allotment] | None:
    """The result where those who changed meet nobody: nobody else has or looked at what they had or get, served as if
    they were alone. Then every turn of the others would come out as it did, and none is taken. None where they do, or
    where it matters how much others have."""
    if len(wanted) - len(earlier) > _FEW or not earlier:
        return None
    newcomers = sorted((wanted[key] for key in wanted.keys() - earlier.keys()), key=lambda request: request.age)
    served = _serve(newcomers, {}, sources)
    gone = [each for each in before if each.key not in earlier]
    touched = frozenset[IPAddress | str]().union(*(each.touches for each in (*gone, *served)))
    if any(each.saw_all for each in served) or len(_untouched(earlier, touched)) < len(earlier):
        return None
    result = list(earlier.values())
    for each in served:
        insort(result, each, key=lambda one: one.request.age)
    return result


def _touched(after: Allotment, before: Allotment | None) -> frozenset[IPAddress | str]:
    if before is None:
        return after.touches
    return frozenset() if before.given == after.given else before.touches | after.touches


def _untouched(allotments: Mapping[Key, Allotment], touched: frozenset[IPAddress | str]) -> Mapping[Key, Allotment]:
    if not touched:
        return allotments
    return {key: each for key, each in allotments.items() if not each.saw_all and each.seen.isdisjoint(touched)}


def _serve(
    by_age: Iterable[Request], settled: Mapping[Key, Allotment], sources: Mapping[str, Source]
) -> list[Allotment]:
    """In the turns of those who are settled they take what they took before."""
    turns = [settled.get(request.service.key) or _Draft(request) for request in by_age]
    desk = _Desk(sources)
    for number, step in enumerate((desk.set_pins_aside, desk.keep, desk.choose)):
        for turn in turns:
            if isinstance(turn, Allotment):
                desk.repeat(turn, number)
            else:
                turn.given.append([])
                if turn.request.refusal is None:
                    step(turn)
    return [turn if isinstance(turn, Allotment) else turn.finished() for turn in turns]


class _Draft:
    """An allotment in the making. Addresses and refusals are by (index, family)."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.source: Source | None = None
        self.pins: dict[tuple[int, int], Pin] = {}
        self.addresses: dict[tuple[int, int], IPAddress] = {}
        self.refusals: dict[tuple[int, int], Refusal] = {}
        self.given: list[list[IPAddress]] = []
        self.seen: set[IPAddress | str] = {request.tenant.sharing_key} if request.tenant.sharing_key else set()
        self.saw_all = False

    @property
    def families(self) -> tuple[int, ...]:
        """IPv4 first, as MetalLB gives them. A family that is only preferred is not missed where a pool has none."""
        wanted = self.request.families
        spans = self.source.spans if self.source else {4: None}
        if not wanted:
            return (4,) if 4 in spans else (6,)
        if self.request.service.ip_family_policy is IPFamilyPolicy.PREFER_DUAL_STACK:
            wanted = tuple(family for family in wanted if family in spans) or wanted
        return tuple(sorted(wanted))

    def places(self) -> Iterator[tuple[int, int]]:
        return product(range(self.request.count), self.families)

    def open_slots(self) -> list[tuple[int, int]]:
        return [place for place in self.places() if place not in self.addresses and place not in self.refusals]

    def finished(self) -> Allotment:
        return Allotment(
            self.request,
            self.source,
            tuple(map(self._slot, self.places())),
            tuple(map(tuple, self.given)),
            frozenset(self.addresses.values()),
            frozenset(self.seen),
            self.saw_all,
        )

    def _slot(self, place: tuple[int, int]) -> Slot:
        refusal = self.request.refusal or self.refusals.get(place)
        return Slot(*place, self.addresses.get(place), place in self.pins, refusal)


class _Desk:
    """Gives addresses out, one Service after the other."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources
        self._ledger = Ledger()
        self._free = {
            source.reference: {family: Free(source, family) for family in source.spans} for source in sources.values()
        }

    def set_pins_aside(self, draft: _Draft) -> None:
        request = draft.request
        addresses = [pin.address for pin in request.pins if pin is not None and pin.address is not None]
        draft.source = self._home(request, addresses)
        lacking = self._lacking(draft, draft.source, {address.version for address in addresses})
        used = dict.fromkeys((4, 6), 0)
        for pin in request.pins:
            family = self._family_of(pin, draft)
            place = (used[family], family)
            used[family] += 1
            if pin is None or place[0] >= request.count:
                continue
            draft.pins[place] = pin
            refusal = lacking or self._pin_refusal(pin, draft)
            if refusal is None and pin.address is not None and draft.source is not None:
                self._give(draft, place, pin.address)
            elif refusal is not None:
                draft.refusals[place] = refusal

    def keep(self, draft: _Draft) -> None:
        """Addresses of the status that are still legal stay, in their order."""
        held = [address for text in draft.request.service.ingress if (address := _address(text)) is not None]
        families = {address.version for address in (*held, *draft.addresses.values())}
        for address in held:
            if address in draft.addresses.values():
                continue
            source = draft.source or self._home(draft.request, [address])
            if source is None or self._refusal(address, draft, source) or self._lacking(draft, source, families):
                continue
            draft.source = source
            place = next((place for place in draft.open_slots() if place[1] == address.version), None)
            if place is not None:
                self._give(draft, place, address)

    def choose(self, draft: _Draft) -> None:
        if draft.source is None and not draft.request.pool and draft.open_slots():
            draft.source = self._most_generous(draft)
        families = {address.version for address in draft.addresses.values()}
        if lacking := self._lacking(draft, draft.source, families):
            draft.refusals |= dict.fromkeys(draft.open_slots(), lacking)
        for place in draft.open_slots():
            address = self._next(draft, *place)
            if isinstance(address, Refusal):
                draft.refusals[place] = address
            else:
                self._give(draft, place, address)

    def repeat(self, allotment: Allotment, step: int) -> None:
        """What the step gave it before, which is known to come out the same."""
        if allotment.source is not None and (addresses := allotment.given[step]):
            self._take(addresses, allotment.request, allotment.source)

    def _home(self, request: Request, addresses: list[IPAddress]) -> Source | None:
        """The source that a class, a pool's name or an address decides on; None when the plan may choose a pool."""
        if request.origin is not None:
            return self._sources.get(request.origin.key.name)
        if request.pool:
            return self._sources.get(request.pool)
        for address in addresses:
            for source in self._sources.values():
                if address in source and self._admits(source, request):
                    return source
        return None

    def _admits(self, source: Source, request: Request) -> bool:
        return source.admits(request.service.key.namespace, request.service.labels)

    def _family_of(self, pin: Pin | None, draft: _Draft) -> int:
        """Whose turn a pin takes: with one family every entry is for the next slot, of two each is for its own."""
        families = draft.families
        if pin is not None and pin.address is not None and pin.address.version in families:
            return pin.address.version
        return families[0]

    def _pin_refusal(self, pin: Pin, draft: _Draft) -> Refusal | None:
        if pin.address is None:
            return Refusal(
                "InvalidAddress", f"cannot give {shown(pin.text)}, it is not an IP address: correct the annotation"
            )
        if pin.address.version not in draft.families:
            family, want = pin.address.version, " and ".join(f"IPv{family}" for family in draft.families)
            return Refusal(
                "WrongFamily", f"cannot give {pin.address}, it is IPv{family} and the Service wants {want}: correct it"
            )
        if draft.source is None:
            told = (
                f"cannot give {pin.address}, no pool that the Service may use has it: correct it, or add it to a pool"
            )
            return Refusal("AddressOutsidePool", told)
        return self._refusal(pin.address, draft, draft.source)

    def _refusal(self, address: IPAddress, draft: _Draft, source: Source) -> Refusal | None:
        if not source.wrote(address):
            return Refusal(
                "AddressOutsidePool",
                f"cannot give {address}, it is not among the addresses of {source.reference}: "
                "correct it, or add it there",
            )
        if not self._admits(source, draft.request):
            return Refusal("PoolNotAllowed", f"cannot give {address}, {source.reference} is kept for other Services")
        if why := source.withheld(address):
            return Refusal("AddressReserved", f"cannot give {address}, it is {why}: ask for another one")
        if address in draft.addresses.values():
            return Refusal(
                "AddressTaken", f"cannot give {address}, another slot of this Service has it: ask for another one"
            )
        draft.seen.add(address)
        return self._ledger.refusal(address, draft.request.tenant)

    def _lacking(self, draft: _Draft, source: Source | None, families: Collection[int]) -> Refusal | None:
        """Why a Service that requires two families gets nothing, with addresses of `families` in view. A class that is
        out of one family still gives the other."""
        request = draft.request
        if source is None or not request.requires_both:
            return None
        if missing := [family for family in request.families if family not in source.spans]:
            return _one_family(f"{source.reference} has no IPv{missing[0]} addresses")
        missing = [family for family in request.families if family not in families]
        if request.origin is not None or not missing:
            return None
        draft.saw_all = True
        offer, refused = self._offer(source, request), {family for _, family in draft.refusals}
        for family in missing:
            if not offer[family] or (family in refused and request.count == 1):
                return _one_family(f"{source.reference} has no IPv{family} address for it")
        return None

    def _most_generous(self, draft: _Draft) -> Source | None:
        """The first pool that has all that is wanted, else one with both families, else with the primary one; among
        such the one that has most."""
        service, request = draft.request.service, draft.request
        pools = automatic_pools(self._sources.values(), service.key.namespace, service.labels)
        all_of_it = request.count * max(1, len(request.families))
        if len(pools) > 1 and self._offer(pools[0], request).total() < all_of_it:
            draft.saw_all = True  # with all of it in the first pool, the addresses that it gets there tell enough

        def rank(pool: Source) -> tuple[int, bool, int]:
            offer = self._offer(pool, request)
            return len(+offer), bool(offer[request.primary]), offer.total()

        return max(pools, key=rank, default=None)

    def _offer(self, pool: Source, request: Request) -> Counter[int | None]:
        """How many addresses of each family it could give, up to the count wanted."""
        free = self._free[pool.reference]
        shared: Counter[int] = Counter(
            address.version for address in self._ledger.shared_by(request.tenant.sharing_key) if address in pool
        )
        wanted = request.families or tuple(free)[:1]
        return Counter(
            {family: min(request.count, free[family].left + shared[family]) for family in wanted if family in free}
        )

    def _next(self, draft: _Draft, index: int, family: int) -> IPAddress | Refusal:
        source, request = draft.source, draft.request
        if source is None:
            return _no_source(request)
        if not self._admits(source, request):
            return Refusal("PoolNotAllowed", f"cannot draw from {source.reference}, it is kept for other Services")
        free = self._free[source.reference].get(family)
        if free is None:
            return Refusal("NoAddressOfFamily", f"{source.reference} has no IPv{family} addresses: add some to it")
        for address in self._ledger.shared_by(request.tenant.sharing_key):
            if address.version == family and self._refusal(address, draft, source) is None:
                return address
        start = digest(f"{request.seed}#{index}/{family}")
        found = free.find(start)
        passed = None if found is None else free.passed(start, found)
        if passed is None:
            draft.saw_all = True
        else:
            draft.seen.update(passed)
        if found is None:
            total = source.capacity[family]
            told = f"{source.reference} has no free IPv{family} address, all {total} are given out: add some to it"
            return Refusal("PoolExhausted", told)
        return found

    def _give(self, draft: _Draft, place: tuple[int, int], address: IPAddress) -> None:
        assert draft.source is not None, "an address is given from a source"
        draft.addresses[place] = address
        draft.given[-1].append(address)
        self._take((address,), draft.request, draft.source)

    def _take(self, addresses: Iterable[IPAddress], request: Request, source: Source) -> None:
        self._ledger.take(addresses, request.tenant)
        free = self._free[source.reference]
        for address in addresses:
            free[address.version].take(address)


def _address(text: str) -> IPAddress | None:
    try:
        return parse_address(text)
    except ValueError:
        return None


def _one_family(why: str) -> Refusal:
    told = f"cannot give it any address, its ipFamilyPolicy is RequireDualStack and {why}"
    return Refusal("NotDualStack", f"{told}: add some there, or set PreferDualStack")


def _no_source(request: Request) -> Refusal:
    if request.pool:
        return Refusal("PoolNotFound", f"cannot draw from pool {request.pool}, there is no valid one: check its name")
    return Refusal("NoPool", "no pool gives addresses to this Service by itself: name one, or set autoAssign on one")
