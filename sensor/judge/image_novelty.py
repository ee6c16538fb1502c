"""What is new about the image of a start, and about the program that it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.judge.assessment import Novelty, fact_of, novelty
from sensor.judge.comparison import NODE, WORKLOAD
from sensor.judge.entry_point import runs_scripts
from sensor.judge.feature import LOCAL_REGISTRY, Feature
from sensor.model.vocabulary import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.judge.comparison import Comparison
    from sensor.judge.profile import Profile

GENERATED = "*"
"""In the key of a workload: a part of its name is another one each time."""
VARIED = 3
"""Repositories from which on a workload, such as a CI job, runs images of all kinds."""


def of_image(look: Comparison) -> Iterator[Novelty]:
    """Yield what is new about repository, registry and tag."""
    features, at = look.features, look.at
    repository, organisation = features.repository, features.organisation
    if repository is None or organisation is None:
        return
    foreign = not look.node_knows(Feature.ORGANISATION, organisation)
    local = Finding.LOCAL_IMAGE if look.plain(organisation).startswith(LOCAL_REGISTRY) else None
    if look.instance is None:
        if foreign:
            yield _foreign(look, organisation, local)
        if look.owner is not None and not look.node_knows(Feature.REPOSITORY, repository):
            known = look.owner.values(Feature.REPOSITORY, at)
            terms = look.terms(Feature.REPOSITORY, repository)
            yield novelty(Feature.REPOSITORY, known, repository, NODE, terms, strong=False)
        return
    past = look.instance
    known = past.values(Feature.REPOSITORY, at)
    if not known:
        return
    if repository in known:
        yield from _moved_tag(look, past)
        return
    terms = look.terms(Feature.REPOSITORY, repository)
    same_name = any(one.rpartition("/")[2] == features.base for one in known)
    if same_name and not past.knows(Feature.ORGANISATION, organisation, at):
        also = look.terms(Feature.ORGANISATION, organisation)
        yield Novelty(
            fact_of(Feature.REPOSITORY, known, repository, WORKLOAD, strong=True),
            organisation,
            terms + also,
            Finding.CHANGED_REGISTRY,
        )
        return
    yield novelty(Feature.REPOSITORY, known, repository, WORKLOAD, terms, strong=False)
    if foreign:
        yield _foreign(look, organisation, local)


def _foreign(look: Comparison, organisation: str, finding: Finding | None) -> Novelty:
    known = look.baseline.node.values(Feature.ORGANISATION, look.at)
    terms = look.terms(Feature.ORGANISATION, organisation)
    return novelty(Feature.ORGANISATION, known, organisation, NODE, terms, finding, strong=False)


def _moved_tag(look: Comparison, past: Profile) -> Iterator[Novelty]:
    tag = look.features.tag
    if tag is None or past.knows(Feature.TAG, tag, look.at):
        return
    name = tag.partition("@")[0]
    earlier = [one for one in past.values(Feature.TAG, look.at) if one.partition("@")[0] == name]
    if earlier:
        yield novelty(
            Feature.TAG,
            tuple(earlier),
            tag,
            WORKLOAD,
            look.terms(Feature.TAG, tag),
            strong=False,
        )


def of_entrypoint(look: Comparison) -> Iterator[Novelty]:
    """Yield what is new about the program that runs."""
    features, past, at = look.features, look.instance, look.at
    entry = features.entrypoint
    if entry is None or past is None or features.repository is None:
        return
    known = past.values(Feature.ENTRYPOINT, at)
    if not known or entry in known:
        return
    if not past.knows(Feature.REPOSITORY, features.repository, at):
        yield from _other_program(look, past, known, entry)
        return
    named_by_image = look.plain(features.workload).startswith("image/")
    shell = runs_scripts(entry) and not any(runs_scripts(one) for one in known)
    strong = shell and not named_by_image
    finding = Finding.NEW_ENTRYPOINT if shell else None
    terms = look.terms(Feature.ENTRYPOINT, entry)
    yield novelty(Feature.ENTRYPOINT, known, entry, WORKLOAD, terms, finding, strong=strong)


def _other_program(
    look: Comparison, past: Profile, known: tuple[str, ...], entry: str
) -> Iterator[Novelty]:
    """Of another image another program is natural, unless a service had one image only.

    A miner in the place of a service is both at once. Jobs with generated names are left out.
    """
    usual = look.image is not None and look.image.knows(Feature.ENTRYPOINT, entry, look.at)
    job = GENERATED in look.plain(look.features.workload)
    if usual or job or len(past.values(Feature.REPOSITORY, look.at)) >= VARIED:
        return
    terms = look.terms(Feature.ENTRYPOINT, entry)
    yield novelty(Feature.ENTRYPOINT, known, entry, WORKLOAD, terms, strong=False)
