"""The ``http`` adapter: served models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from adapters.unbuildable import refuse_to_build
from harness.models import Architecture, Model, ModelFactory
from harness.sources import Source


class HttpAdapter:
    """Served models: ``http(s)://HOST[:PORT]/v2/models/NAME``, the Open Inference Protocol of KServe, Triton, MLServer.

    A bearer token is read from the environment variable UNLEARN_HTTP_TOKEN and sent over TLS only, or to this machine.
    Certificates are verified; SSL_CERT_FILE names those of an authority of your own. A server may answer each query as
    it likes, so what an audit finds holds for its answers, not for a model.
    """

    name: ClassVar[str] = "http"
    aliases: ClassVar[tuple[str, ...]] = ("https",)
    version: ClassVar[str] = "1"
    capabilities: ClassVar[frozenset[str]] = frozenset({"logits"})

    def factory(self, architecture: Architecture, input_shape: tuple[int, ...], num_classes: int,
                settings: Mapping[str, Any], device: str) -> ModelFactory:
        """Raise BadSetting: a served model is trained."""
        refuse_to_build(self.name, "asks served models")

    def open(self, source: Source) -> Model:
        """Return the model at the URL ``source.uri``.

        Raises:
            BadSetting: if the URL names no model, or it does not fit the data.
            ServerError: if the server cannot be reached or answers nonsense.
        """
        from adapters.http_transport import Transport
        from adapters.oip_model import OipModel

        return OipModel(Transport(source.uri, source.timeout), source)
