"""Hidden forget sets: a suite commits to the seeds that draw them, and shows them when submissions are closed.

Whoever runs a suite of known seeds can tune on its forget sets. A sealed suite says no more than the SHA-256 of its
seeds and a salt; methods are fixed, then seeds and salt are published and anybody can check that they are those of the
commitment. The salt is there because seeds alone might be guessed.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from attrs import field, frozen, validators

from harness.digests import digest_json

_LARGEST_SEED = 2**53


@frozen(kw_only=True)
class Seal:
    """A commitment, and what it commits to once that is revealed.

    Attributes:
        digest: the `commitment`.
        salt, seeds: what it is made from; both empty while it is sealed.
    """

    digest: str = field(validator=validators.matches_re(r"[0-9a-f]{64}"))
    salt: str = ""
    seeds: tuple[int, ...] = ()

    def __attrs_post_init__(self) -> None:
        if (self.salt or self.seeds) and commitment(self.salt, self.seeds) != self.digest:
            raise ValueError(f"seal: the revealed seeds and salt have commitment "
                             f"{commitment(self.salt, self.seeds)[:12]}, the suite committed to {self.digest[:12]}; "
                             "they are not the ones that were sealed")

    def check(self, generator: str, count: int) -> None:
        """Check that it fits how forget sets are made.

        Raises:
            ValueError: if seeds decide nothing, or there are not as many of them as forget sets.
        """
        if generator != "random":
            raise ValueError(f"seal: forget sets of generator '{generator}' do not depend on a seed; only 'random' "
                             "ones can be hidden")
        if self.seeds and len(self.seeds) != count:
            raise ValueError(f"seal: {len(self.seeds)} seeds for {count} forget sets; expected one each")


def commitment(salt: str, seeds: Sequence[int]) -> str:
    """Return the SHA-256 of the canonical JSON ``[salt, seeds]``."""
    return digest_json([salt, list(seeds)])


def draw_seal(count: int) -> Seal:
    """Return an open seal over ``count`` new seeds from the operating system's source of randomness."""
    salt, seeds = secrets.token_hex(32), tuple(secrets.randbelow(_LARGEST_SEED) for _ in range(count))
    return Seal(digest=commitment(salt, seeds), salt=salt, seeds=seeds)
