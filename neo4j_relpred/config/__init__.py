"""The settings: one list of them, read once.

Nothing is read at import: a face calls `load_settings` and hands each room its own section.
"""

from neo4j_relpred.config.loading import as_overrides, load_settings
from neo4j_relpred.config.sections import (
    LOOPBACK_HOSTS,
    Backend,
    ChangeDetection,
    DaemonSettings,
    Device,
    EvaluationSettings,
    Gate,
    Gnn,
    GraphSettings,
    ModelSettings,
    Pooling,
    Precision,
    PublishingSettings,
    ReasonerKind,
    ServiceSettings,
    Settings,
    TextSettings,
    TrainingSettings,
)
from neo4j_relpred.config.shown import shown_settings
from neo4j_relpred.config.templates import template_parts

__all__ = [
    "LOOPBACK_HOSTS",
    "Backend",
    "ChangeDetection",
    "DaemonSettings",
    "Device",
    "EvaluationSettings",
    "Gate",
    "Gnn",
    "GraphSettings",
    "ModelSettings",
    "Pooling",
    "Precision",
    "PublishingSettings",
    "ReasonerKind",
    "ServiceSettings",
    "Settings",
    "TextSettings",
    "TrainingSettings",
    "as_overrides",
    "load_settings",
    "shown_settings",
    "template_parts",
]
