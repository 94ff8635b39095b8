"""The answer to `mlbctl why`: for whatever has the name that was asked for, the chain of causes in sentences. Pure: it
follows from World, Desired and Status, so it cannot disagree with what is done.

services   a Service: its file, its class or pool, its count, its nodes
addresses  an address: who asked, how it was found, what this node does
holders    an address: who holds it, why not the first in its order, who comes after
over_bgp   a Service or an address: who announces it over BGP, and what peers hear
peers      a BGP peer: its session, what it hears
places     a node, a link, a class or pool
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mlbd.model.desired import Desired
from mlbd.model.explanation import Explanation, Section
from mlbd.model.reference import Reference
from mlbd.model.status import Status
from mlbd.model.world import World

from .addresses import explain_address
from .peers import explain_peer
from .places import explain_link, explain_node, explain_source
from .scene import Question, Scene
from .services import explain_service


def explain(
    text: str, world: World, desired: Desired, status: Status, origin: Callable[[Reference], str] = lambda _: ""
) -> Explanation | None:
    """`text` names a thing as a user would: "shop/web", "Service shop/web", "web", "192.0.2.10", "node-1", "eth0". Of
    one name there may be several things, and all are explained; None when there is nothing.

    `origin` gives the file that an object was read from, "" when it is not known.
    """
    scene = Scene(world, desired, status, origin)
    question = Question.parse(text)
    sections = tuple(_sections(scene, question)) or tuple(_unusable(scene, question))
    return Explanation(text, sections) if sections else None


def _sections(scene: Scene, question: Question) -> Iterator[Section]:
    for explainer in (explain_service, explain_address, explain_node, explain_source, explain_peer, explain_link):
        yield from explainer(scene, question)


def _unusable(scene: Scene, question: Question) -> Iterator[Section]:
    """What is known only by what is wrong with it: an object that could not be read, a file."""
    for subject in dict.fromkeys(problem.object for problem in scene.status.problems):
        kind, _, name = subject.rpartition(" ")
        if question.kind in ("", kind) and question.name in (subject, name, name.rpartition("/")[2]):
            yield Section(subject, tuple(scene.problems_of(subject)))
