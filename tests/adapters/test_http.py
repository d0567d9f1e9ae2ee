"""Served models: the protocol, and one clear line for each way in which a server can fail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from adapters import http_transport
from adapters.http_adapter import HttpAdapter
from adapters.http_transport import ServerError, Transport
from adapters.oip_model import OipModel
from harness.errors import BadSetting
from harness.models import Adapter, capabilities
from harness.plugins import load_registry
from harness.sources import Opens, Source
from tests.adapters.conftest import NETWORKS, random_set
from tests.adapters.oip_server import Manners, serving

WEIGHT = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
INPUTS = random_set(size=10).inputs


def predict(inputs: Any) -> Any:
    """Return logits of an affine model."""
    return inputs.reshape(len(inputs), 64).astype(np.float32) @ WEIGHT


def opened(url: str, timeout: float = 5.0, **changes: Any) -> OipModel:
    """Return the served model, asked without waiting between attempts."""
    source = Source(**{"uri": url, "input_shape": (1, 8, 8), "num_classes": 4, "timeout": timeout, **changes})
    return OipModel(Transport(url, timeout, sleep=lambda seconds: None), source)


@pytest.fixture
def manners() -> Manners:
    """Return a polite server that reads JSON only."""
    return Manners(predict=predict)


@pytest.fixture
def url(manners: Manners) -> Iterator[str]:
    """Return the URL of its model."""
    with serving(manners) as found:
        yield found


def test_the_adapter_fulfils_its_contract(url: str) -> None:
    model = HttpAdapter().open(Source(uri=url, input_shape=(1, 8, 8), num_classes=4))

    assert isinstance(HttpAdapter(), Adapter)
    assert isinstance(HttpAdapter(), Opens)
    assert capabilities(model) == HttpAdapter.capabilities
    assert load_registry(installed=False).adapters["https"] is HttpAdapter
    with pytest.raises(BadSetting, match="adapter 'http' asks served models and cannot train any"):
        HttpAdapter().factory(NETWORKS["mlp"], (1, 8, 8), 4, {}, "cpu")


@pytest.mark.parametrize("binary", [False, True], ids=["JSON", "binary tensors"])
@pytest.mark.parametrize("datatype", ["FP32", "FP64"])
def test_logits_are_the_servers(binary: bool, datatype: str, manners: Manners, url: str) -> None:
    manners.binary, manners.datatype = binary, datatype

    model = opened(url)

    assert model.binary == binary
    np.testing.assert_allclose(model.logits(INPUTS), predict(INPUTS), atol=1e-5)  # float32 sums
    assert model.logits(INPUTS[:0]).shape == (0, 4)


def test_many_inputs_are_asked_in_batches_and_come_back_in_order(manners: Manners, url: str) -> None:
    many = random_set(size=600).inputs

    np.testing.assert_allclose(opened(url).logits(many), predict(many), atol=1e-5)

    assert [rows for method, _, rows in manners.seen if method == "POST"][-3:] == [256, 256, 88]


def test_large_inputs_make_small_batches(manners: Manners, url: str) -> None:
    manners.shape = [-1, 3, 224, 224]
    manners.predict = lambda inputs: inputs.reshape(len(inputs), -1)[:, :4]

    opened(url, input_shape=(3, 224, 224)).logits(np.zeros((3, 3, 224, 224), np.float32))

    # 150528 numbers of 22 bytes each fill 4 MiB with one image.
    assert [rows for method, _, rows in manners.seen if method == "POST"][-3:] == [1, 1, 1]


@pytest.mark.parametrize("shape", [None, [-1, 64], [16, -1, -1, -1]], ids=["unknown", "flat", "free"])
def test_metadata_may_say_little(shape: list[int] | None, manners: Manners, url: str) -> None:
    manners.shape = shape

    np.testing.assert_allclose(opened(url).logits(INPUTS), predict(INPUTS), atol=1e-5)


def test_probabilities_become_logits(manners: Manners, url: str) -> None:
    def softmax(inputs: Any) -> Any:
        powers = np.exp(predict(inputs))
        return powers / powers.sum(axis=1, keepdims=True)

    manners.predict = softmax

    expected = predict(INPUTS) - predict(INPUTS).mean(axis=1, keepdims=True)
    np.testing.assert_allclose(opened(url).logits(INPUTS), expected, atol=1e-3)  # logarithms of float32


def test_what_passes_is_tried_again_and_waited_for_longer_each_time(manners: Manners, url: str) -> None:
    model = opened(url)
    waits: list[float] = []
    model._transport._sleep = waits.append
    manners.failures = [503, 429, 504]

    np.testing.assert_allclose(model.logits(INPUTS), predict(INPUTS), atol=1e-5)
    assert waits == [0.5, 1.0, 2.0]

    manners.failures, manners.retry_after = [503], "7"
    model.logits(INPUTS)
    assert waits[3:] == [7.0]


def test_a_server_that_stays_away_is_told_with_its_last_words(manners: Manners, url: str) -> None:
    model = opened(url)
    manners.failures = [503] * 4

    with pytest.raises(ServerError, match=r"answers 503 Service Unavailable: not \[31mnow \[0m \(4 attempts\)"):
        model.logits(INPUTS)


def test_an_error_of_the_model_is_not_tried_again(manners: Manners, url: str) -> None:
    model = opened(url)
    before = len(manners.seen)
    manners.failures = [500]

    with pytest.raises(ServerError, match="answers 500 Internal Server Error"):
        model.logits(INPUTS)
    assert len(manners.seen) == before + 1


@pytest.mark.parametrize("how", [{"hangs": 0.6}, {"drips": 0.01}], ids=["hangs", "drips"])
def test_a_server_that_hangs_or_drips_is_left_after_two_attempts(how: dict[str, float], manners: Manners,
                                                                 url: str) -> None:
    model = opened(url, timeout=0.3)
    for name, value in how.items():
        setattr(manners, name, value)

    with pytest.raises(ServerError, match=r"server http://127.0.0.1:\d+ does not answer within 0.3 s \(2 attempts\)"):
        model.logits(INPUTS)


@pytest.mark.parametrize(("answer", "message"), [
    (b"<html>hello</html>", "answers with something that is no JSON: <html>hello"),
    (b"[1, 2]", "something that is no JSON object"),
    (b"{}", "do not follow the Open Inference Protocol: KeyError: 'outputs'"),
    (json.dumps({"outputs": [{"name": "y", "datatype": "FP32", "shape": [10, 4], "data": [1, 2]}]}).encode(),
     "do not follow the Open Inference Protocol: ValueError: cannot reshape"),
    (json.dumps({"outputs": [{"name": "y", "datatype": "FP32", "shape": [1], "data": {"a": 1}}]}).encode(),
     "do not follow the Open Inference Protocol: TypeError"),
    (json.dumps({"outputs": [{"name": "z", "datatype": "FP32", "shape": [1], "data": [1]}]}).encode(),
     r"answers 10 inputs with no such output for 'y', expected \(10, 4\)"),
    (json.dumps({"outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}).encode(),
     r"answers 10 inputs with shape \(1, 4\) for 'y', expected \(10, 4\)"),
])
def test_nonsense_is_told_in_one_line(answer: bytes, message: str, manners: Manners, url: str) -> None:
    model = opened(url)
    manners.body = answer

    with pytest.raises(ServerError, match=message) as caught:
        model.logits(INPUTS)
    assert "\n" not in str(caught.value)


def test_an_endless_answer_is_cut(manners: Manners, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = opened(url)
    monkeypatch.setattr(http_transport, "LARGEST_ANSWER", 2**20)
    manners.body = b" " * (2**20 + 1)

    with pytest.raises(ServerError, match="answers with more than 1 MiB"):
        model.logits(INPUTS)


@pytest.mark.parametrize(("change", "message"), [
    ({"shape": [-1, 3, 32, 32]}, r"takes inputs of shape \(3, 32, 32\), the data have \(1, 8, 8\)"),
    ({"datatype": "BYTES"}, "takes BYTES; expected FP16, FP32 or FP64"),
    ({"predict": lambda inputs: np.ones((len(inputs), 7))}, r"answers 4 inputs with 'y' float32 \(4, 7\); expected"),
])
def test_models_that_do_not_fit_are_refused_at_once(change: dict[str, Any], message: str, manners: Manners,
                                                    url: str) -> None:
    for name, value in change.items():
        setattr(manners, name, value)

    with pytest.raises(BadSetting, match=message):
        opened(url)


def test_a_missing_model_and_a_missing_server_are_named(url: str) -> None:
    with pytest.raises(ServerError, match=r"/v2/models/other answers 404 Not Found: .*no such model"):
        opened(url.replace("digits", "other"))
    with pytest.raises(ServerError, match=r"server http://127.0.0.1:1 cannot be talked to: Connection refused"):
        opened("http://127.0.0.1:1/v2/models/digits")


def test_the_token_comes_from_the_environment(manners: Manners, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    manners.token = "secret"
    with pytest.raises(ServerError, match=r"answers 401 .*: no such model; give a token in the environment"):
        opened(url)

    monkeypatch.setenv("UNLEARN_HTTP_TOKEN", "secret")

    np.testing.assert_allclose(opened(url).logits(INPUTS), predict(INPUTS), atol=1e-5)


def test_the_token_never_travels_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNLEARN_HTTP_TOKEN", "secret")

    with pytest.raises(BadSetting, match="the token in UNLEARN_HTTP_TOKEN would be sent unencrypted; use https"):
        Transport("http://models.example/v2/models/digits", 1)
    assert Transport("https://models.example/v2/models/digits", 1).url.scheme == "https"


@pytest.mark.parametrize(("address", "message"), [
    ("ftp://host/v2/models/m", r"expected http\(s\)://HOST"), ("http:///v2/models/m", r"expected http\(s\)://HOST"),
    ("http://host:99999/v2/models/m", "Port out of range"), ("http://[::1/v2/models/m", "Invalid IPv6 URL"),
    ("http://me:word@host/v2/models/m", "http://host: no user, query or fragment belongs in the URL"),
    ("http://127.0.0.1:1/v1/models/m", "the Open Inference Protocol of KServe, Triton and MLServer"),
    ("http://127.0.0.1:1/v2/models/", "the Open Inference Protocol of KServe, Triton and MLServer"),
])
def test_urls_that_name_no_model_are_refused(address: str, message: str) -> None:
    with pytest.raises(BadSetting, match=message) as caught:
        opened(address)
    assert "word" not in str(caught.value)


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Any) -> None:
    import ssl
    import threading
    from http.server import HTTPServer, SimpleHTTPRequestHandler

    certificate, key = self_signed(tmp_path)
    server = HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(ServerError, match=r"its certificate is not valid: self.signed certificate"):
            opened(f"https://127.0.0.1:{server.server_address[1]}/v2/models/digits")
    finally:
        server.shutdown()
        server.server_close()


def self_signed(folder: Any) -> tuple[str, str]:
    """Return the files of a certificate that openssl has signed with its own key."""
    import shutil
    import subprocess

    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    certificate, key = str(folder / "cert.pem"), str(folder / "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-out", certificate, "-subj", "/CN=127.0.0.1", "-days", "2"],
                   check=True, capture_output=True)
    return certificate, key
