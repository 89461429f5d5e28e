"""Which property names the nodes of a label. One list serves all labels, so its order matters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from neo4j_relpred.graph.facts import GraphSchema, PropertyInfo
from neo4j_relpred.graph.wording import Wording, wording_of

__all__ = ["is_part_of_a_name", "naming_properties", "ordered_names", "plain"]

# What people call a name, by how surely they mean it; then what may as well be a form of address or a job.
NAME_WORDS = tuple(
    "name fullname displayname preferredname preflabel commonname 姓名 名称 名稱 名字 全名 中文名 名前 氏名 이름 имя "
    "название наименование nombre nom nome naam navn namn bezeichnung nazwa isim nimi".split()
)
TITLE_WORDS = tuple(
    "title label caption headline subject 标题 標題 题目 书名 片名 titre titel titulo título titolo "
    "заголовок заглавие".split()
)
NAME_ENDINGS = tuple("name title label 名称 名稱 姓名 名字 名 标题".split())
PART_WORDS = frozenset(
    "surname lastname familyname firstname givenname forename middlename nickname alias 姓 姓氏 字 号 别名 apellido "
    "nachname vorname prenom prénom cognome sobrenome".split()
)
# Names of somebody else, or of something that is not the node.
FOREIGN_WORDS = tuple("user file contact ship class type table column path host domain".split())
LEAST_FILL = 0.3
LEAST_DISTINCT = 0.5
DISTINCT_FALLBACK, FILL_FALLBACK, LONGEST_FALLBACK = 0.8, 0.9, 80


def naming_properties(schema: GraphSchema) -> dict[str, str]:
    """Label to the property that names its nodes; labels without one are left out."""
    return {label: best for label in schema.label_names if (best := _best(label, schema.properties_of(label).values()))}


def is_part_of_a_name(name: str) -> bool:
    """Whether the property holds a part of a person's name, which tells families."""
    return plain(name) in PART_WORDS


def plain(name: str) -> str:
    """The name without case and what joins words."""
    return re.sub(r"[\s_.\-:]", "", name).casefold()


def ordered_names(schema: GraphSchema, chosen: Mapping[str, str]) -> tuple[str, ...]:
    """The chosen properties in one list: each label's own before any other that its nodes have as well.

    Where two labels want it in opposite orders, the label of more nodes wins.
    """
    left = list(dict.fromkeys(chosen[label] for label in sorted(chosen, key=lambda label: -schema.count_of(label))))
    left.sort(key=lambda name: min(_rank(label, name) for label, mine in chosen.items() if mine == name))
    held = {label: set(schema.properties_of(label)) for label in chosen}
    ordered: list[str] = []
    while left:
        # Whoever stands before `name` must not be what a label with another choice has too.
        free = [
            name
            for name in left
            if not any(mine in left and mine != name and name in held[label] for label, mine in chosen.items())
        ]
        ordered.append((free or left)[0])
        left.remove(ordered[-1])
    return tuple(ordered)


def _best(label: str, properties: Iterable[PropertyInfo]) -> str | None:
    looked = [(info, wording_of(info.examples)) for info in properties]
    able = [
        (_rank(label, info.name), -info.distinct, info.name)
        for info, wording in looked
        if _can_name(label, info, wording)
    ]
    if able:
        return min(able)[2]
    # No name says so: then the short text that differs most, words before codes.
    short = [
        (wording.words < LEAST_DISTINCT, -info.distinct, info.mean_length, info.name)
        for info, wording in looked
        if info.kind == "string"
        and info.distinct >= DISTINCT_FALLBACK
        and info.fill * wording.filled >= FILL_FALLBACK
        and info.mean_length <= LONGEST_FALLBACK
        and wording.look not in ("digest", "date", "nothing")
    ]
    if short:
        return min(short)[3]
    counted = (info for info, _ in looked if info.kind == "integer" and plain(info.name) == plain(label))
    return next((info.name for info in counted if info.fill >= LEAST_FILL), None)  # (:Port {port: 8080})


def _can_name(label: str, info: PropertyInfo, wording: Wording) -> bool:
    word = plain(info.name)
    if info.kind != "string" or info.fill * wording.filled < LEAST_FILL or wording.look in ("link", "digest", "date"):
        return False
    if word in NAME_WORDS:
        return True
    if word in TITLE_WORDS or word in PART_WORDS:
        return info.distinct >= LEAST_DISTINCT
    return _rank(label, info.name) < len(NAME_WORDS) + len(TITLE_WORDS) + 4 and info.distinct >= LEAST_DISTINCT


def _rank(label: str, name: str) -> int:
    """How surely a property is the name of nodes of a label; smaller is surer."""
    word, owner = plain(name), plain(label)
    if word in NAME_WORDS:
        return NAME_WORDS.index(word)
    first = len(NAME_WORDS)
    if word == owner or (word.startswith(owner) and word[len(owner) :] in (*NAME_ENDINGS, *NAME_WORDS)):
        return first
    if word in TITLE_WORDS:
        return first + 1 + TITLE_WORDS.index(word)
    last = first + 1 + len(TITLE_WORDS)
    foreign = any(word.startswith(other) and not owner.startswith(other) for other in FOREIGN_WORDS)
    if word in PART_WORDS:
        return last + 2
    if word.endswith(NAME_ENDINGS) and not foreign:
        return last
    return last + 3 if word.endswith(NAME_ENDINGS) and word.startswith(("user", "contact")) else last + 9
