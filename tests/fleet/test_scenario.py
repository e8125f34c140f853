"""The same lesson on one server and on two machines that share no disk; each must come out of it whole."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fleet.forms import Alone, Form, Machines, object_store
from tests.fleet.scenario import BACK_S, whole_lesson
from tests.servers import missing_postgres, postgres, redis_server

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(240)]


@pytest.fixture
def stores() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(params=["alone", "machines"])
async def form(request: pytest.FixtureRequest, tmp_path: Path, stores: ExitStack) -> AsyncIterator[Form]:
    made: Form
    if request.param == "alone":
        made = Alone(tmp_path)
    else:
        if why := missing_postgres():
            pytest.skip(why)
        store = stores.enter_context(object_store())
        database = stores.enter_context(postgres()).database()
        redis = stores.enter_context(redis_server())
        store.ready()
        made = Machines(tmp_path, redis.url, database, store.settings)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


async def test_a_lesson_survives_an_upgrade_and_a_loss_and_its_replay_is_one(form: Form) -> None:
    told = await whole_lesson(form)
    print(
        f"{type(form).__name__}: moved with {told.moved_s:.2f} s of silence, lost with {told.lost_s:.2f} s;"
        f" {told.missing_s:.2f} s before the loss are in no replay"
    )
    assert told.moved_s < form.moved_s
    if len(form.servers) > 1:
        assert told.lost_s < BACK_S
