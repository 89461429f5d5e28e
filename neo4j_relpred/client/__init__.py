"""The service asked from Python, over HTTP: no model, no driver and no tensor on this side."""

from neo4j_relpred.client.answer import Answer, Prediction
from neo4j_relpred.client.client import Client, Reviews
from neo4j_relpred.client.connection import ServiceRefused, ServiceUnavailable

__all__ = ["Answer", "Client", "Prediction", "Reviews", "ServiceRefused", "ServiceUnavailable"]
