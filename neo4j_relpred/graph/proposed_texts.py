"""Which properties tell an encoder something: descriptions, titles, categories in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from neo4j_relpred.graph.facts import GraphSchema, PropertyInfo
from neo4j_relpred.graph.proposed_names import is_part_of_a_name, plain
from neo4j_relpred.graph.wording import Wording, wording_of

__all__ = ["TextChoice", "choose_texts", "says_where"]

# Never shown to a model, whatever they hold.
SECRET_WORDS = tuple("password passwd pwd secret token apikey salt ssn iban 密码 密碼 口令".split())
# Words, but about where or how to reach somebody, not about what the node is.
REACH_WORDS = tuple(
    "address addr street phone fax mail url uri homepage website link href image photo picture icon path filename "
    "地址 住址 电话 邮箱 网址 图片 adresse strasse straße telefon direccion dirección indirizzo адрес телефон".split()
)
TEXT_WORDS = frozenset(
    "description summary abstract text content body comment bio plot note review 描述 简介 摘要 内容 说明 介绍 正文 "
    "备注 beschreibung resumen описание".split()
)
MOSTLY_EMPTY = "mostly empty"
IS_KEY = "is a key"
LEAST_WORDS = 0.6  # share of the values that are words
LEAST_FILLED = 0.5  # share of the values that are not 'NULL', '-' and the like
LEAST_FILL = 0.01  # of the nodes of a label: fewer say nothing about the label
MOST_TEXTS = 10  # a label with more of them is a table; the longest texts say most
DESCRIBING = 4.0  # words on average, from which on a value describes and does not only name


@dataclass(frozen=True, slots=True)
class TextChoice:
    """The texts, in order: short ones first, since what comes behind a long one may be cut off.

    left_out: properties that hold strings and are no text, with the reason.
    """

    texts: tuple[str, ...]
    left_out: Mapping[str, str]


def choose_texts(schema: GraphSchema, naming: Mapping[str, str], keys: Mapping[str, str]) -> TextChoice:
    """Judges each property of each label; one that is a text for any label is read for all that have it."""
    chosen: dict[str, list[PropertyInfo]] = {}
    reasons: dict[str, str] = {}
    for label in schema.label_names:
        infos = [
            info for info in schema.properties_of(label).values() if info.examples and info.name != naming.get(label)
        ]
        found: list[PropertyInfo] = []
        for info in infos:
            reason = _why_not(schema, info, wording_of(info.examples), keys.get(label) == info.name)
            if reason:
                if reason == IS_KEY or info.name not in reasons:
                    reasons[info.name] = reason
            else:
                found.append(info)
        found.sort(key=lambda info: -info.mean_length)
        for info in found[:MOST_TEXTS]:
            chosen.setdefault(info.name, []).append(info)
        for info in found[MOST_TEXTS:]:
            reasons.setdefault(info.name, f"{label} has {MOST_TEXTS} longer texts")
    for name, infos in list(chosen.items()):
        longer = {info.repeated_in for info in infos}
        if len(longer) == 1 and (other := longer.pop()) in chosen:
            del chosen[name]
            reasons[name] = f"{other} says the same and more"
    for name in [name for name in chosen if _filled(schema, name) < LEAST_FILLED]:
        del chosen[name]
        reasons[name] = MOSTLY_EMPTY
    ordered = sorted(chosen, key=lambda name: (max(info.text_length for info in chosen[name]), name))
    return TextChoice(tuple(ordered), {name: reasons[name] for name in sorted(reasons) if name not in chosen})


def says_where(name: str) -> bool:
    """Whether a property is an address of any kind, or a secret, by its name."""
    return any(part in plain(name) for part in (*REACH_WORDS, *SECRET_WORDS))


def _why_not(schema: GraphSchema, info: PropertyInfo, wording: Wording, is_key: bool) -> str:
    """Why a property is no text; '' for one that is."""
    word = plain(info.name)
    if any(part in word for part in SECRET_WORDS):
        return "may be secret"
    if is_key:
        return IS_KEY
    if (info.label, info.name) in schema.copies and not is_part_of_a_name(info.name):
        return f"says what {schema.copies[info.label, info.name]} says"
    describes = wording.length >= DESCRIBING or word in TEXT_WORDS
    if not describes and says_where(info.name):
        return "says where to find something, not what it is"
    if wording.filled < LEAST_FILLED:
        return MOSTLY_EMPTY
    if wording.words < LEAST_WORDS:
        return {"link": "addresses", "date": "dates", "digest": "digests"}.get(wording.look, "codes or numbers")
    if wording.different < 2:
        return "one and the same value everywhere"
    if info.fill < LEAST_FILL:
        return "hardly any node has it"
    if not describes and _names_another(word, info):
        return "names something else"
    return ""


def _filled(schema: GraphSchema, name: str) -> float:
    """Share of all nodes with the property for which it says anything: a text is read for every label that has it."""
    owners = schema.owners_of(name)
    nodes = [info.fill * schema.count_of(info.label) for info in owners]
    saying = sum(number * wording_of(info.examples).filled for number, info in zip(nodes, owners, strict=True))
    return saying / max(1.0, sum(nodes))


def _names_another(word: str, info: PropertyInfo) -> bool:
    """contactName, shipName: as different as names are, and not of the node itself."""
    return word.endswith(("name", "姓名", "名称")) and info.distinct >= 0.1 and not is_part_of_a_name(info.name)
