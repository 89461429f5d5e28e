"""The one list of settings; those of what stays are in config.staying.

Descriptions become docs/reference/settings.md and the comments of `relpred init`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from neo4j_relpred.config.section import Section
from neo4j_relpred.config.staying import DaemonSettings, ServiceSettings
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
    "PromotionSettings",
    "PublishingSettings",
    "ReasonerKind",
    "ServiceSettings",
    "Settings",
    "TextSettings",
    "TrainingSettings",
]

Gnn = Literal["gcn", "sage", "gat", "rgcn", "compgcn"]
Gate = Literal["attention", "fixed"]
ReasonerKind = Literal["mlp", "attention", "transformer"]
Pooling = Literal["mean", "cls", "last"]
Device = Literal["auto", "cpu", "cuda"]
Backend = Literal["torch", "onnx"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
ChangeDetection = Literal["scan", "watermark", "cdc"]

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})


class GraphSettings(Section):
    """Where the graph is, and what of it is read."""

    uri: str = Field("bolt://127.0.0.1:7687", description="Bolt address of the server.")
    user: str = Field("neo4j", description="User name; ignored when the server asks for none.")
    password: SecretStr | None = Field(None, description="Password; better given as RELPRED_GRAPH__PASSWORD.")
    password_file: Path | None = Field(None, description="File that holds the password.")
    writer: str = Field(
        "",
        description="User name for what writes, where reading and writing have a login of their own; empty for one "
        "login. `relpred admin grants` prints what each of them may do.",
    )
    writer_password: SecretStr | None = Field(
        None, description="Its password; better given as RELPRED_GRAPH__WRITER_PASSWORD."
    )
    writer_password_file: Path | None = Field(None, description="File that holds its password.")
    database: str = Field("neo4j", description="Name of the database.")
    labels: tuple[str, ...] = Field((), description="Labels of the nodes to read; empty reads every node.")
    relations: tuple[str, ...] = Field((), description="Relationship types to read; empty reads every type.")
    keys: dict[str, str] = Field(
        default_factory=dict,
        description="Label to property that identifies its nodes for good. Nodes without one go by element id, "
        "and predictions about those do not survive a reload of the store.",
    )
    names: tuple[str, ...] = Field(
        ("name", "title"), description="Properties that name a node, the first one found wins."
    )
    texts: tuple[str, ...] = Field((), description="Further properties that become a node's text, in this order.")
    templates: dict[str, str] = Field(
        default_factory=dict,
        description='Label to the text of its nodes, properties in braces: { Film = "{title}: {tagline}" }. The first '
        "label that a node carries counts; other nodes are told by labels, name and texts.",
    )
    symmetric: tuple[str, ...] = Field(
        (),
        description="Relationship types whose direction says nothing (FRIEND_OF, MARRIED_TO): each holds both ways, "
        "however it is stored.",
    )
    edge_properties: tuple[str, ...] = Field(
        (), description="Properties of relationships to keep in a snapshot: a weight, a time."
    )
    time_property: str = Field(
        "",
        description="Property of relationships that dates them (a time, a number); it is kept as well. Held-out and "
        "test edges are then the newest ones instead of random ones.",
    )
    query: str = Field(
        "",
        description="Cypher that returns the nodes (or relationships, or paths) to read, for a part of the graph. It "
        "runs as a read; one that writes is refused.",
    )
    around: tuple[str, ...] = Field((), description="Ids of nodes to read with what is near them; empty reads all.")
    hops: int = Field(2, ge=0, le=10, description="How far from graph.around.")
    changes: ChangeDetection = Field(
        "scan",
        description="How changes are noticed: scan reads every text again; watermark only those of nodes whose "
        "graph.watermark moved; cdc those that the server's change capture names (Enterprise and Aura).",
    )
    watermark: str = Field(
        "", description='Property that says when a node was changed (updatedAt), for graph.changes = "watermark".'
    )
    prefix: str = Field("PREDICTED_", min_length=1, description="What the types of predicted edges begin with.")
    timeout_seconds: float = Field(30.0, gt=0, description="Deadline for connecting and for each retried transaction.")

    @field_validator("templates")
    @classmethod
    def _templates_that_can_be_filled(cls, templates: dict[str, str]) -> dict[str, str]:
        for label, template in templates.items():
            template_parts(template, label)
        return templates


class TextSettings(Section):
    """How text becomes vectors."""

    encoder: str = Field(
        "sentence-transformers/all-MiniLM-L6-v2", description="Name or folder of a transformers encoder; '' for none."
    )
    pooling: Pooling = Field("mean", description="How token vectors become one: mean, cls or last.")
    max_tokens: int = Field(256, ge=8, description="Longer texts are cut here, by tokens.")
    batch_tokens: int = Field(4096, ge=64, description="Tokens in a batch, padding included.")
    device: Device = Field("auto", description="Where texts are encoded: auto, cpu or cuda. auto takes cuda if it can.")
    prompt: str = Field("", description="Put before each text, for encoders that want one ('query: ').")
    backend: Backend = Field(
        "torch",
        description="What runs the encoder: torch, or onnx (the extra 'onnx': int8, two to three times faster).",
    )
    precision: Precision = Field(
        "auto",
        description="Numbers of the torch encoder: auto (half precision on a GPU, and on a processor that multiplies "
        "in bf16 if the vectors stay the same to a cosine of .999; else fp32), fp32, bf16, or fp16 (GPU only).",
    )


class ModelSettings(Section):
    """The shape of the model. Saved in the checkpoint."""

    gnn: Gnn = Field("compgcn", description="Message passing layer of the tower: gcn, sage, gat, rgcn or compgcn.")
    gnn_layers: int = Field(1, ge=0, le=2, description="Layers of it.")
    neighbors: int = Field(12, ge=1, description="Neighbours sampled per node and layer.")
    hidden: int = Field(192, ge=8, multiple_of=4, description="Width of the tower, a multiple of 4.")
    entity_width: int | None = Field(
        None,
        ge=0,
        description="Width of the entity vectors R_i that the tower learns; 0 leaves them out. Unset takes 32 where "
        "most nodes have no text, and 0 where most have one: the structure member has entity vectors, too.",
    )
    gate: Gate = Field(
        "attention",
        description="How text and entity vector are weighed against each other: attention, or fixed at a half each.",
    )
    unknown_share: float = Field(0.25, ge=0, le=1, description="Training uses in which R_i is the 'unknown' vector.")
    structure_rank: int = Field(128, ge=0, description="Complex rank of the structure member; 0 leaves it out.")
    rule_length: int = Field(2, ge=0, le=2, description="Longest body of a mined rule; 0 leaves rules out.")
    walks: bool = Field(True, description="Whether short random walks from a node propose candidates.")
    reasoner: ReasonerKind = Field("mlp", description="Reasoner over the candidates: mlp, attention or transformer.")
    candidates: int = Field(150, ge=10, description="Candidates that the members hand to the reasoner per query.")


class TrainingSettings(Section):
    """How the model is trained."""

    minutes: float = Field(10.0, gt=0, description="Time budget of a training, all of it, on the wall clock.")
    seed: int = Field(0, description="Seed of everything random.")
    device: Device = Field(
        "auto", description="Where the parts of the model are fitted: auto, cpu or cuda. auto takes cuda if it can."
    )
    threads: int = Field(1, ge=1, description="Torch threads of one process; more than one is often slower.")
    nice: int = Field(
        10, ge=0, le=19, description="How far a training of the daemon or of the service stands back for others (nice)."
    )
    memory_gb: float | None = Field(
        None, gt=0, description="Memory that such a training may take at most; unset for what is free."
    )
    workers: int | None = Field(
        None,
        ge=1,
        description="What a training does at once, and a sweep. Unset: as much as there are cores for, at most 2.",
    )
    holdout_share: float = Field(
        0.06, gt=0, lt=0.5, description="Edges that the members never see; reasoner and calibration are fitted on them."
    )
    max_epochs: int = Field(1000, ge=1, description="Epochs of each member at most, whatever the time left.")
    batch_size: int = Field(1000, ge=8, description="Queries in a batch of a member.")
    selfsupervised_share: float = Field(
        0.15, ge=0, le=0.9, description="Share of the tower's time for masked edges and text-graph contrast."
    )
    refresh_share: float = Field(
        0.3,
        gt=0,
        le=1,
        description="Share of the minutes, and of those of the report, that a refresh takes: a training that goes on "
        "from the live weights.",
    )
    refresh_selfsupervised_share: float = Field(
        0.5, ge=0, le=1, description="The same as selfsupervised_share, for a refresh."
    )
    structure_regularisation: float | None = Field(
        None,
        ge=0,
        description="Weight of N3 in the structure member; unset goes by the number of edges per node and of types.",
    )
    relation_weight: float | None = Field(
        None,
        ge=0,
        description="Weight of the relation softmax in the structure member; unset goes by the number of types.",
    )
    softmax_weight: float = Field(1.0, ge=0, description="Weight of the softmax over candidates in the reasoner.")
    bce_weight: float = Field(0.3, ge=0, description="Weight of binary cross-entropy beside it.")
    contrast_weight: float = Field(
        0.5, ge=0, description="Weight of the contrast of text and neighbourhood in the self-supervised pass."
    )
    base_rate: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Share of the questions that could be asked (a node and a relation in one direction) that are "
        "taken to have a missing answer when triples are scored or a graph is swept; unset measures it on held-out "
        "edges, by type and by what the node has already.",
    )


class EvaluationSettings(Section):
    """How a trained model is judged."""

    test_share: float = Field(0.05, gt=0, lt=0.5, description="Edges kept away from training for the report.")
    test_file: Path | None = Field(
        None, description="Triples for the report instead (head, relation, tail by key; TSV or gzip with a header row)."
    )
    baseline_minutes: float = Field(1.0, ge=0, description="Time for the cheap baselines of the report; 0 for none.")
    minutes: float = Field(
        1.5,
        gt=0,
        description="Time for ranking the report's triples, each against all candidates. When it is over, the report "
        "is about a random part of them and says so.",
    )


class PromotionSettings(Section):
    """How much worse than the live version a new one may be and still take over: what is less may be chance or taste.

    A figure speaks against it only if it is worse by more than its tolerance and its 95 % interval is below zero.
    """

    mrr_tolerance: float = Field(0.02, ge=0, le=1, description="Of the MRR of entity queries.")
    hits_tolerance: float = Field(
        0.02, ge=0, le=1, description="Of the share of relation queries answered right first."
    )
    ece_tolerance: float = Field(
        0.03, ge=0, le=1, description="Of the calibration error of first answers, of entity and of relation queries."
    )
    relation_tolerance: float = Field(0.1, ge=0, le=1, description="Of the MRR of the entity queries of one type.")
    relation_edges: int = Field(
        30, ge=1, description="Test edges that a type must have for its MRR to speak against a version."
    )
    decision_tolerance: float = Field(
        0.02, ge=0, le=1, description="Of the Brier score of triples that people accepted or rejected."
    )
    decisions: int = Field(30, ge=1, description="Decisions that there must be for their Brier score to count.")


class PublishingSettings(Section):
    """What is written into the graph."""

    relations: tuple[str, ...] = Field((), description="Types to publish; empty publishes every trained type.")
    min_probability: float = Field(0.5, ge=0, le=1, description="Less probable triples are not published.")
    precision: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Instead of min_probability: each type publishes its most probable triples, as many as keep their "
        "mean probability from falling below this.",
    )
    top_k: int = Field(5, ge=1, description="Predicted edges per head and type at most.")
    per_tail: int | None = Field(None, ge=1, description="Predicted edges per tail and type at most; unset for any.")
    per_node: int | None = Field(None, ge=1, description="Predicted edges at one node at most, of all types together.")
    per_type: int | None = Field(None, ge=1, description="Predicted edges of one type at most.")
    max_edges: int = Field(100_000, ge=1, description="Predicted edges in all at most, the most probable first.")
    minutes: float = Field(
        3.0,
        gt=0,
        description="Time for scoring what could be published, the most promising questions first. When it is over, "
        "the rest is left out and a warning says so.",
    )
    only_changed: bool = Field(
        False,
        description="Ask only about heads that changed since the last publication (text, labels, edges), and those "
        "that what changed may answer; the others keep their predicted edges. All are asked where that one was of "
        "another model or by other settings. A sync of the daemon always does so.",
    )
    batch_rows: int = Field(2_000, ge=1, description="Edges in one transaction.")
    tolerance: float = Field(0.005, ge=0, description="Changes of a probability below this are not written.")
    shrink_guard: float = Field(
        0.5, ge=0, le=1, description="A set smaller than this share of the present one stops until confirmed."
    )
    lease_seconds: float = Field(
        15.0,
        ge=1,
        description="How long a publication that no longer moves keeps others out of the database.",
    )
    expire_days: float | None = Field(
        None,
        gt=0,
        description="Predicted edges carry `expiresAt`, so many days ahead, for whoever reads them; publishing renews "
        "it when half of the time is over. Unset: they carry none.",
    )
    keep_sets: int = Field(5, ge=1, description="Published sets kept on disk for undo.")
    keep_idle_runs: int = Field(
        100, ge=1, description="Runs kept in the ledger that found nothing to change; the others stay for ever."
    )


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix="RELPRED_", env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    home: Path = Field(Path(".relpred"), description="Folder of snapshots, models, published sets and the text cache.")
    model_name: str = Field(
        "default", pattern=r"^[a-z0-9-]{1,64}$", description="Name of the line of models to train and serve."
    )
    keep_snapshots: int = Field(2, ge=1, description="Snapshots kept on disk, the latest among them.")
    graph: GraphSettings = GraphSettings()
    text: TextSettings = TextSettings()
    model: ModelSettings = ModelSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    promotion: PromotionSettings = PromotionSettings()
    publishing: PublishingSettings = PublishingSettings()
    service: ServiceSettings = ServiceSettings()
    daemon: DaemonSettings = DaemonSettings()

    def refreshing(self) -> Settings:
        """The same for a refresh: its share of the time, and more of it for self-supervision."""
        training, evaluation = self.training, self.evaluation
        share = training.refresh_share
        shorter = {
            "minutes": training.minutes * share,
            "selfsupervised_share": training.refresh_selfsupervised_share,
        }
        judged = {
            "minutes": evaluation.minutes * share,
            "baseline_minutes": evaluation.baseline_minutes * share,
        }
        return self.model_copy(
            update={
                "training": training.model_copy(update=shorter),
                "evaluation": evaluation.model_copy(update=judged),
            }
        )

    @field_validator("service")
    @classmethod
    def _token_off_loopback(cls, service: ServiceSettings) -> ServiceSettings:
        if service.host not in LOOPBACK_HOSTS and service.token_file is None:
            raise ValueError("a host other than loopback needs service.token_file")
        return service

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags over environment over the TOML file that `load_settings` names."""
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls))
