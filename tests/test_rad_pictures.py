"""RAD from pictures: what the cameras of batched worlds show, and a network that sees by them."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")

from rad_clips import VALID, clip, thing  # noqa: E402

from drivelab.agents.rad.actions import choose  # noqa: E402
from drivelab.agents.rad.config import RadConfig  # noqa: E402
from drivelab.agents.rad.image_encoder import OWN  # noqa: E402
from drivelab.agents.rad.policy import RadNetwork  # noqa: E402
from drivelab.agents.rad.sight import AGO, brightness  # noqa: E402
from drivelab.agents.rad.vector_encoder import place_of  # noqa: E402
from drivelab.agents.rad.weights import open_rad, save_rad  # noqa: E402
from drivelab.errors import ConfigError, DataError  # noqa: E402
from drivelab.kernels.world.observe_ego import EGO_FLOATS  # noqa: E402
from drivelab.sim.envs.core import EnvOptions  # noqa: E402
from drivelab.sim.envs.splat_view import FRONT  # noqa: E402
from drivelab.training.rollouts.pictures import Pictures  # noqa: E402
from drivelab.training.rollouts.seen import DrawnCore  # noqa: E402

pytestmark = pytest.mark.nn
AHEAD = np.array([[30, 10]])  # bins of the expert's 5 m/s straight on
TINY = RadConfig(
    width=8, hidden=8, layers=1, heads=2, value_width=8, encoder="image", cameras=FRONT,
    pixels=(24, 12), rig="rad_small", image_widths=(4, 6),
)  # fmt: skip


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("streets"))


def worlds(source, environments: int = 1, keep: str = "", scale: float = 0.25) -> DrawnCore:
    options = EnvOptions(episodes=source, action="rad", reward="rad")
    return Pictures(scale=scale, keep=keep).core(options, environments)


def features_of(rows: int, seed: int = 0) -> dict[str, torch.Tensor]:
    draw = np.random.default_rng(seed)
    return {
        "images": torch.from_numpy(draw.integers(0, 256, (rows, 3, 12, 24, 4), np.uint8)),
        "vector": torch.from_numpy(draw.normal(size=(rows, EGO_FLOATS)).astype(np.float32)),
    }


@pytest.mark.parametrize("name", ["slim", "resnet", "vig_h"])
def test_any_of_the_encoders_makes_the_tokens(name: str):
    config = RadConfig.preset(
        "mini", encoder="image", image_encoder=name, cameras=FRONT, pixels=(96, 48), rig="rad_small"
    )
    torch.manual_seed(0)
    network = RadNetwork(config).eval()
    draw = np.random.default_rng(0)
    features = {
        "images": torch.from_numpy(draw.integers(0, 256, (2, 3, 48, 96, 4), np.uint8)),
        "vector": torch.zeros(2, EGO_FLOATS),
    }
    cells = {"slim": 12 * 6, "resnet": 6 * 3, "vig_h": 6 * 3}[name]
    assert network.encoder(features).tokens.shape == (2, 3 * cells, 64)
    found = network(features)
    found["longitudinal"].sum().backward()
    silent = [k for k, v in network.encoder.maps.named_parameters() if v.grad is None]
    assert not silent
    features["images"][0, ..., 3] = 0  # what was seen before counts, too
    assert not torch.equal(network(features)["longitudinal"][0], found["longitudinal"][0])
    assert torch.equal(network(features)["longitudinal"][1], found["longitudinal"][1])


def test_encoders_that_cannot_be_are_refused():
    for changes, told in (
        ({"image_encoder": "vig"}, "did you mean 'vig_h'"),
        ({"image_encoder": "resnet", "image_depths": (1,)}, "expected 3 of each"),
        ({"image_encoder": "resnet", "pixels": (12, 12)}, "takes 16 pixels and more a side"),
    ):
        given = {"cameras": FRONT, "pixels": (96, 48), "rig": "rad_small", **changes}
        with pytest.raises(ConfigError, match=told):
            RadConfig.preset("mini", encoder="image", **given)


class TestWorlds:
    def test_show_the_brightness_of_three_steps_before(self, streets: str):
        core = worlds(lambda seed: clip(thing(60.0)), keep=streets)
        core.reset({0: 0})
        seen = core.observations["images"]
        assert seen.shape == (1, 1, 3, 12, 24, 4)
        shown = [seen[0, 0].copy()]
        for _ in range(AGO + 2):
            core.step(AHEAD)
            shown.append(seen[0, 0].copy())
        bright = [brightness(picture[..., :3]) for picture in shown]
        assert not np.array_equal(bright[0], bright[AGO])
        for step, picture in enumerate(shown):
            np.testing.assert_array_equal(picture[..., 3], bright[max(step - AGO, 0)])
        core.reset({0: 1})  # another clip remembers nothing of this one
        np.testing.assert_array_equal(seen[0, 0, ..., 3], brightness(seen[0, 0, ..., :3]))

    def test_show_who_stands_ahead(self, streets: str):
        empty, full = (worlds(lambda seed, who=who: clip(*who), keep=streets, scale=0.5)
                       for who in ((), (thing(35.0),)))  # fmt: skip
        for core in (empty, full):
            core.reset({0: 0})
        left, ahead, right = (
            (empty.observations["images"][0, 0, n] != full.observations["images"][0, 0, n]).any(-1)
            for n in range(3)
        )
        assert ahead.sum() > 20
        assert not left.any()
        assert not right.any()
        columns = np.flatnonzero(ahead.any(0))
        assert abs(columns.mean() - 23.5) < 1.0  # in the middle: it stands on the ego's lane

    def test_draw_only_clips_that_go_on(self, streets: str):
        # A car at 30 m is hit after 8 steps, one at 60 m not in 12.
        core = worlds(lambda seed: clip(thing(30.0 + 30.0 * seed), name=f"c{seed}"), 2, streets)
        core.reset({0: 0, 1: 1})
        drawn = []
        draw = core.view.draw
        core.view.draw = lambda world, e, arrays: (drawn.append(e), draw(world, e, arrays))
        over = 0
        for _ in range(12):
            core.step(np.tile(AHEAD, (2, 1)))
            over += int(core.over[0, 0])
        assert over > 1
        assert drawn.count(1) == 12
        assert drawn.count(0) == 12 - over + 1  # the step that ended it was still drawn
        assert core.view.seconds > 0.0

    def test_are_the_same_from_streets_that_were_kept(self, streets: str, caplog):
        built = worlds(lambda seed: clip())
        built.reset({0: 0})
        wanted = built.observations["images"].copy()
        folder = Path(streets) / "own"
        for damage in (False, True):
            if damage:
                (file,) = folder.glob("*.safetensors")
                file.write_bytes(file.read_bytes()[:5000])
            from drivelab.sim.sensors import stage

            stage._streets.clear()  # as another process begins
            core = worlds(lambda seed: clip(), keep=str(folder))
            with caplog.at_level(logging.WARNING):
                core.reset({0: 0})
            assert ("built anew" in caplog.text) == damage
            np.testing.assert_array_equal(core.observations["images"], wanted)
            assert len(list(folder.glob("*"))) == 1

    def test_of_what_cannot_be_are_refused(self):
        with pytest.raises(ConfigError, match=r"pictures\.weather=dya: .*did you mean 'day'"):
            Pictures(weather="dya")
        with pytest.raises(ConfigError, match="there is no rig 'rad_smal'"):
            _ = Pictures(rig="rad_smal").shape
        with pytest.raises(ConfigError, match="CAM_FRONT_LEFT"):
            _ = Pictures(rig="labmini_mini").shape


class TestNetwork:
    def test_reads_pictures_route_and_own_motion_and_nothing_else(self):
        torch.manual_seed(0)
        network = RadNetwork(TINY).double()
        for part in network.parameters():  # layers that begin at 0 let nothing through
            torch.nn.init.normal_(part, std=0.3)
        given = {**features_of(2), "vector": features_of(2)["vector"].double().requires_grad_()}
        sum(out.square().sum() for out in network(given).values()).backward()
        moved = given["vector"].grad.abs().sum(0) > 0
        allowed = torch.zeros(EGO_FLOATS, dtype=torch.bool)
        for part in ("way", "progress"):
            allowed[place_of(part)] = True
        allowed[place_of("ego").start : place_of("ego").start + OWN] = True
        assert torch.equal(moved, allowed)
        before = network(given)["lateral"]
        for at in ((0, 2, 5, 5, 0), (0, 0, 11, 23, 3)):
            other = given["images"].clone()
            other[at] = 255 - other[at]
            after = network({**given, "images": other})["lateral"]
            assert not torch.equal(after[0], before[0])
            torch.testing.assert_close(after[1], before[1], rtol=0, atol=1e-12)

    def test_every_parameter_learns(self):
        torch.manual_seed(0)
        network = RadNetwork(TINY)
        for block in network.encoder.maps.blocks:
            torch.nn.init.normal_(block.conv2.weight, std=0.1)
        outputs = network(features_of(3))
        sum(out.square().sum() + out.sum() for out in outputs.values()).backward()
        still = [name for name, part in network.named_parameters() if not part.grad.abs().any()]
        # The value heads begin with weights of 0, behind which nothing moves yet.
        assert [name for name in still if "_value.0" not in name] == [
            name for name in still if name.endswith("in_proj_bias")
        ]
        assert bool(
            VALID[choose(outputs, VALID).bins[:, 1], choose(outputs, VALID).bins[:, 0]].all()
        )

    @pytest.mark.parametrize("pixels", [(24, 12), (23, 13), (4, 4)])
    def test_takes_pictures_of_odd_sizes(self, pixels: tuple[int, int]):
        network = RadNetwork(replace(TINY, pixels=pixels))
        given = features_of(2) | {"images": torch.zeros(2, 3, *pixels[::-1], 4, dtype=torch.uint8)}
        assert network(given)["lateral"].shape == (2, 61)

    def test_of_a_batch_sees_each_row_by_itself(self):
        torch.manual_seed(0)
        network, given = RadNetwork(TINY).eval(), features_of(3)
        together = network(given)
        for row in range(3):
            alone = network({name: values[row : row + 1] for name, values in given.items()})
            for name, values in alone.items():
                torch.testing.assert_close(values[0], together[name][row], rtol=1e-4, atol=1e-5)

    def test_wrong_pictures_are_refused(self):
        network = RadNetwork(TINY)
        with pytest.raises(DataError, match="no feature 'images'"):
            network({"vector": features_of(1)["vector"]})
        with pytest.raises(DataError, match=r"shape \(1, 3, 12, 24, 3\), expected"):
            network({**features_of(1), "images": features_of(1)["images"][..., :3]})

    def test_sizes_that_make_no_sense_are_refused(self):
        with pytest.raises(ConfigError, match="encoder='picture': expected one of vector, image"):
            RadConfig(encoder="picture")
        with pytest.raises(ConfigError, match="expected names of cameras"):
            RadConfig(encoder="image")
        with pytest.raises(ConfigError, match="2 times of half the resolution, takes 4 pixels"):
            replace(TINY, pixels=(3, 12))
        sized = {"cameras": FRONT, "pixels": (96, 48)}
        assert RadConfig.preset("mini", encoder="image", **sized).image_widths == (16, 24, 48)
        assert RadConfig.preset("full", encoder="image", **sized).image_widths == (64, 128, 256)
        assert RadConfig.preset("mini").image_widths == ()

    def test_survives_its_file(self, tmp_path: Path):
        torch.manual_seed(0)
        network, given = RadNetwork(TINY).eval(), features_of(2)
        save_rad(network, tmp_path / "tiny.safetensors")
        found = open_rad(tmp_path / "tiny.safetensors")
        assert found.config == TINY
        for name, values in network(given).items():
            torch.testing.assert_close(found(given)[name], values, rtol=0, atol=0)
