"""The ring of packets."""

from hypothesis import given
from hypothesis import strategies as st

from liveclass.rtp.cache import PacketCache


@given(st.lists(st.integers(0, 200), max_size=300), st.integers(1, 40))
def test_the_newest_packets_are_kept_and_each_is_taken_once(seqs: list[int], size: int) -> None:
    cache: PacketCache[int] = PacketCache(size)
    taken: list[int] = []
    for seq in seqs:
        if cache.put(seq, seq):
            taken.append(seq)
        assert cache.get(seq) in {seq, None}
    assert len(taken) == len(set(taken))
    if taken:
        newest = max(taken)
        kept = {seq for seq in range(201) if cache.get(seq) is not None}
        assert newest in kept
        assert len(kept) <= size
        assert {seq for seq in taken if seq > newest - size} <= kept


def test_what_never_came_is_not_found() -> None:
    cache: PacketCache[bytes] = PacketCache(8)
    assert cache.get(3) is None
    assert cache.put(3, b"a")
    assert cache.get(11) is None
    assert cache.put(11, b"b")
    assert not cache.put(3, b"a")
    assert cache.get(3) is None
