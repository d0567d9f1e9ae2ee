import hashlib

import numpy as np
import pytest

from harness.digests import canonical_json, derive_seed, digest_arrays, digest_json


def test_canonical_json_does_not_depend_on_the_order_of_keys():
    assert canonical_json({"b": 1, "a": [1.0, None]}) == b'{"a":[1,null],"b":1}'


def test_canonical_json_refuses_what_json_cannot_say():
    with pytest.raises(ValueError, match="canonical JSON"):
        canonical_json({"a": float("nan")})
    with pytest.raises(ValueError, match="canonical JSON"):
        canonical_json([2**60])


def test_digest_of_json_is_the_sha256_of_its_canonical_form():
    assert digest_json([1, "x"]) == hashlib.sha256(b'[1,"x"]').hexdigest()


def test_digest_of_arrays_sees_values_type_shape_and_order():
    base = np.arange(6, dtype=np.int32)
    others = [base.astype(np.int64), base.reshape(2, 3), base[::-1], base + 1]
    assert len({digest_arrays(array) for array in [base, *others]}) == 5
    assert digest_arrays(base) == digest_arrays(base.copy())
    assert digest_arrays(base, base) != digest_arrays(base)


def test_digest_of_arrays_ignores_memory_layout_and_byte_order():
    base = np.arange(6, dtype="<f4").reshape(2, 3)
    assert digest_arrays(np.asfortranarray(base)) == digest_arrays(base)
    assert digest_arrays(base.astype(">f4")) == digest_arrays(base)


def test_seeds_depend_on_every_part_of_the_name():
    seeds = {derive_seed(0, "train", 0), derive_seed(1, "train", 0), derive_seed(0, "retrain", 0),
             derive_seed(0, "train", 1), derive_seed(0, "train", 0, 0), derive_seed(0, "train", "0")}
    assert len(seeds) == 6
    assert all(0 <= seed < 2**53 for seed in seeds)


def test_seeds_are_the_same_everywhere_and_always():
    assert derive_seed(0, "train", 0) == int(hashlib.sha256(b'[0,"train",0]').hexdigest()[:16], 16) >> 11
