"""`drivelab export`: files that give what their networks give, and nothing kept that does not."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from drivelab.agents.diffusiondrive.config import DiffusionDriveConfig  # noqa: E402
from drivelab.agents.diffusiondrive.policy import DiffusionDriveNetwork  # noqa: E402
from drivelab.agents.diffusiondrive.sampled_cells import BevCells, SampledAttention  # noqa: E402
from drivelab.agents.ego_mlp.config import EgoMlpConfig  # noqa: E402
from drivelab.agents.ego_mlp.policy import EgoMlpNetwork  # noqa: E402
from drivelab.agents.learned.checkpoint import save_network  # noqa: E402
from drivelab.agents.transfuser.config import TransfuserConfig  # noqa: E402
from drivelab.agents.transfuser.policy import TransfuserNetwork  # noqa: E402
from drivelab.bridges.export import formats, parity, subjects, write  # noqa: E402
from drivelab.bridges.export.traced import TracedAttention  # noqa: E402
from drivelab.cli import main  # noqa: E402
from drivelab.cli.export_run import real_features  # noqa: E402
from drivelab.errors import ConfigError, MissingExtra  # noqa: E402

pytestmark = pytest.mark.nn
SMALL = {
    "image_widths": (8, 16, 32, 64),
    "image_depths": (1, 1, 1, 1),
    "lidar_widths": (8, 16, 32, 64),
    "width": 32,
    "hidden": 32,
    "decoder_layers": 1,
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(3)
    planner = DiffusionDriveNetwork(DiffusionDriveConfig.preset("mini", head_layers=1, **SMALL))
    steps = torch.rand(20, 8, 2) * torch.tensor([6.0, 2.0]) - torch.tensor([0.0, 1.0])
    planner._trajectory_head.set_anchors(steps.cumsum(1))
    blind = TransfuserConfig.preset("mini", latent=True, **SMALL)
    networks = {
        "diffusiondrive": planner,
        "transfuser": TransfuserNetwork(blind),
        "ego_mlp": EgoMlpNetwork(EgoMlpConfig(width=16)),
    }
    files = {name: folder / f"{name}.safetensors" for name in networks}
    for name, network in networks.items():
        save_network(network, files[name])
    return files


def export(agent: str, weights: Mapping[str, Path], out: str, *words: str) -> int:
    form = "onnx" if out.endswith("onnx") else "pt2"
    given = [f"agent={agent}", f"checkpoint={weights[agent]}", f"out={out}", f"format={form}"]
    return main(["export", *given, *words])


def nothing_was_written(folder: Path) -> bool:
    return not list(folder.iterdir())


def sidecar(out: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(Path(f"{out}.json").read_text())
    return told


def test_diffusiondrive_as_onnx_plans_as_the_network_does(
    weights: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    assert export("diffusiondrive", weights, "plan.onnx", "scenes=1", "preset=mini") == 2
    assert "is not of preset=mini" in capsys.readouterr().err
    assert export("diffusiondrive", weights, "plan.onnx", "scenes=0") == 0
    assert "NOT held against real features" in capsys.readouterr().out
    told = sidecar("plan.onnx")
    session = runtime.InferenceSession("plan.onnx", providers=["CPUExecutionProvider"])
    for side, found in (("inputs", session.get_inputs()), ("outputs", session.get_outputs())):
        assert [(t.name, list(t.shape)) for t in found] == [
            (note["name"], note["shape"]) for note in told[side]
        ]
    assert [note["name"] for note in told["outputs"]] == ["trajectory", "modes", "mode_scores"]
    assert max(told["parity"]["differences"].values()) <= told["parity"]["limit"] == 1e-4
    assert told["inputs"][-1]["name"] == "noise"
    assert "standard deviation 0.3;" in str(told["inputs"][-1])
    subject = subjects.load_subject(
        "diffusiondrive", checkpoint=weights["diffusiondrive"], preset=None
    )
    features = parity.random_features(subjects.inputs_of(subject, 1), 99)
    features["noise"] = np.array(told["noise_default"], np.float32)[None]
    found = session.run(None, features)[0]
    del features["noise"]  # the network's own is the one that the JSON holds
    with torch.no_grad():
        wanted = subject.network({n: torch.from_numpy(a) for n, a in features.items()})
    np.testing.assert_allclose(found, wanted["trajectory"].numpy(), rtol=0, atol=1e-4)


def test_transfuser_without_lidar_as_a_program_of_torch(weights: dict[str, Path]) -> None:
    assert export("transfuser", weights, "plan.pt2", "scenes=0", "batch=2") == 0
    told = sidecar("plan.pt2")
    assert [note["name"] for note in told["inputs"]] == ["camera_feature", "status_feature"]
    assert told["inputs"][0]["shape"][0] == told["outputs"][0]["shape"][0] == 2
    assert "noise_default" not in told
    subject = subjects.load_subject("transfuser", checkpoint=weights["transfuser"], preset=None)
    features = parity.random_features(subjects.inputs_of(subject, 2), 5)
    found = formats.open_pt2(Path("plan.pt2"))(features)[0]
    with torch.no_grad():
        wanted = subject.network({n: torch.from_numpy(a) for n, a in features.items()})
    np.testing.assert_allclose(found, wanted["trajectory"].numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("out", ["plan.onnx", "plan.pt2"])
def test_ego_mlp_in_both_formats(
    out: str, weights: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    if out.endswith("onnx"):
        pytest.importorskip("onnxruntime")
    assert export("ego_mlp", weights, out, "scenes=3") == 0
    assert "over 4 random and 3 real batches" in capsys.readouterr().out
    assert sidecar(out)["parity"]["real_batches"] == 3
    assert sidecar(out)["weights"]["file"] == "ego_mlp.safetensors"
    assert export("ego_mlp", weights, out) == 2
    assert "is there already" in capsys.readouterr().err


def test_real_features_fit_the_inputs_of_the_file(weights: dict[str, Path]) -> None:
    subject = subjects.load_subject(
        "diffusiondrive", checkpoint=weights["diffusiondrive"], preset=None
    )
    (features,) = real_features(subject, batch=2, scenes=1)
    wanted = {note.name: note.shape for note in subjects.inputs_of(subject, 2)}
    assert {**{n: a.shape for n, a in features.items()}, "noise": wanted["noise"]} == wanted
    assert {array.dtype for array in features.values()} == {np.dtype(np.float32)}
    assert features["lidar_feature"].any()


@pytest.mark.parametrize("off", [2e-4, np.nan])
def test_a_file_that_differs_is_not_kept(
    off: float,
    weights: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def shifted(file: Path) -> formats.Run:
        run = formats.open_pt2(file)
        return lambda inputs: [array + np.float32(off) for array in run(inputs)]

    monkeypatch.setitem(write.OPENERS, "pt2", shifted)
    assert export("ego_mlp", weights, "plan.pt2", "scenes=0") == 2
    told = capsys.readouterr().err
    assert "differs from the network: trajectory by" in told
    assert "nothing was kept" in told
    assert nothing_was_written(tmp_path)


def test_published_checkpoints_say_their_preset(tmp_path: Path, weights: dict[str, Path]) -> None:
    network = TransfuserNetwork(TransfuserConfig.preset("mini"))
    named = {f"agent._transfuser_model.{n}": t for n, t in network.state_dict().items()}
    torch.save({"state_dict": named}, tmp_path / "epoch.ckpt")
    found = subjects.load_subject("transfuser", checkpoint=tmp_path / "epoch.ckpt", preset="mini")
    torch.testing.assert_close(found.network.state_dict(), network.state_dict())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("agent=ego_mlp",), "export needs format=, out="),
        (("agent=ego_mlp", "format=onx", "out=a.onnx"), "did you mean 'onnx'"),
        (("agent=ego_mlp", "format=pt2", "out=a.onnx"), "ends in .pt2"),
        (("agent=ego_mlp", "format=pt2", "out=no/a.pt2"), "no folder no"),
        (("agent=ego_mlp", "format=pt2", "out=a.pt2", "batch=0"), "batch=0"),
        (("agent=ego_mlp", "format=pt2", "out=a.pt2", "scenes=²"), "scenes=²: expected a whole"),
        (("agent=ego_mlp", "format=pt2", "out=a.pt2", "preset=tiny"), "has one size only"),
        (("agent=idm", "format=pt2", "out=a.pt2"), "no network to export"),
        (("agent=ego_mlp", "format=pt2", "out=a.pt2", "checkpoint=b"), "no such file of weights"),
        (("agent=ego_mlp", "format=pt2", "out=a.pt2", "chekpoint=b"), "did you mean 'checkpoint'"),
    ],
)
def test_what_cannot_be_exported_is_told(
    words: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", *words]) == 2
    assert message in capsys.readouterr().err
    assert nothing_was_written(tmp_path)


def test_weights_that_do_not_fit_are_told(
    weights: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["agent=transfuser", f"checkpoint={weights['diffusiondrive']}"]
    assert main(["export", *words, "format=pt2", "out=a.pt2"]) == 2
    assert "holds a diffusiondrive, not a transfuser" in capsys.readouterr().err
    assert export("transfuser", weights, "a.pt2", "agent.preset=tiny") == 2
    assert "there are: full, mini" in capsys.readouterr().err
    monkeypatch.setattr("drivelab.agents.learned.weights.files", lambda package: tmp_path)
    assert main(["export", "agent=ego_mlp", "format=pt2", "out=a.pt2"]) == 2
    assert "no weights ship for agent=ego_mlp" in capsys.readouterr().err
    assert nothing_was_written(tmp_path)


def test_networks_on_kernels_of_ours_are_refused(tmp_path: Path) -> None:
    config = TransfuserConfig.preset("mini", image_encoder="vig_h")
    save_network(TransfuserNetwork(config), tmp_path / "vig.safetensors")
    with pytest.raises(ConfigError, match="export a network with image_encoder=resnet"):
        subjects.load_subject("transfuser", checkpoint=tmp_path / "vig.safetensors", preset=None)


def test_a_missing_package_is_named_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtra, match=r"drivelab\[export\]"):
        formats.require("onnx")
    formats.require("pt2")


def test_cells_evaluated_one_by_one_give_the_same() -> None:
    torch.manual_seed(0)
    from drivelab.agents.diffusiondrive.bev_attention import GridSampleCrossBEVAttention

    plain = GridSampleCrossBEVAttention(16, 4, 8.0, dropout=0.0).eval()
    cells = BevCells((8, 8), 8.0)
    sampled = SampledAttention(plain, cells)
    channels = plain.value_proj[0].in_channels
    queries, points = torch.randn(2, 3, 16), 6 * torch.randn(2, 3, 4, 2)  # some lie outside
    points[0, 1] = points[0, 0]  # two modes at the same place
    frame = sampled.look(cells.bordered(torch.randn(2, 8, 8, channels)))
    with torch.no_grad():
        found = TracedAttention(sampled)(queries, points, frame)
        torch.testing.assert_close(found, sampled(queries, points, frame), rtol=0, atol=1e-5)
