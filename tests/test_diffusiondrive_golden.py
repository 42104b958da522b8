"""DiffusionDrive against the golden numbers: names, forward, losses, gradients, schedule."""

from __future__ import annotations

import json

import golden_models as golden
import pytest
import torch

from drivelab.agents.diffusiondrive import DiffusionDriveConfig
from drivelab.agents.diffusiondrive.bev_attention import GridSampleCrossBEVAttention
from drivelab.agents.diffusiondrive.embeddings import LevelEmbedding, embed_points
from drivelab.agents.diffusiondrive.head import TrajectoryHead
from drivelab.agents.diffusiondrive.losses import focal_loss, mode_loss, nearest_anchor
from drivelab.agents.diffusiondrive.policy import DiffusionDriveNetwork
from drivelab.agents.diffusiondrive.schedule import Schedule, denormalise, normalise
from drivelab.agents.transfuser.losses import agent_loss

pytestmark = [pytest.mark.nn, golden.needed]
two_threads = golden.two_threads

CASES = {"small": golden.SMALL, "full": {}}
NUMBERS = ["small", pytest.param("full", marks=golden.full)]
UNITS = "diffusiondrive_units"


def network(case: str) -> tuple[DiffusionDriveNetwork, dict, dict]:
    name = f"diffusiondrive_{case}"
    weights, inputs = golden.seeds(name)
    config = DiffusionDriveConfig(**CASES[case])
    made = golden.fill(DiffusionDriveNetwork(config), weights)
    rows = int(golden.stored(name)["meta.batch"])
    return (
        made,
        golden.features(inputs, rows, config.camera),
        golden.targets(inputs, rows, config.agents),
    )


def noise_of(case: str) -> tuple[torch.Tensor, torch.Tensor]:
    inputs = golden.seeds(f"diffusiondrive_{case}")[1]
    rows = int(golden.stored(f"diffusiondrive_{case}")["meta.batch"])
    drawn = golden.array(f"i{inputs}/noise", (rows, 20, 8, 2))
    return drawn, golden.levels(f"i{inputs}/timesteps", rows)


class Watched:
    """Outputs of the modules that the golden file names, call by call."""

    def __init__(self, model: DiffusionDriveNetwork) -> None:
        self.calls: dict[str, list[torch.Tensor]] = {}
        head = model._trajectory_head
        named = {
            **{
                name: model.get_submodule(name)
                for name in (
                    "_backbone.lidar_encoder.layer1",
                    "_backbone.image_encoder.layer4",
                    *(f"_backbone.transformers.{index}" for index in range(4)),
                    "_backbone.c5_conv",
                    "_backbone.up_conv4",
                    "_bev_downscale",
                    "_status_encoding",
                    "bev_proj",
                    "_tf_decoder",
                )
            },
            "traj_feature": head.plan_anchor_encoder,
            "time_embed": head.time_mlp[3],
        }
        for index, layer in enumerate(head.diff_decoder.layers):
            named[f"cross_bev_attention.layer{index}"] = layer.cross_bev_attention
            named[f"decoder.layer{index}"] = layer
        for name, module in named.items():
            module.register_forward_hook(self._keep(name))

    def _keep(self, name: str):
        def hook(_module, _inputs, output) -> None:
            if isinstance(output, tuple) and not name.startswith("decoder"):
                output = output[0]
            whole = isinstance(output, tuple)
            copied = tuple(part.clone() for part in output) if whole else output.clone()
            self.calls.setdefault(name, []).append(copied)

        return hook


@pytest.mark.parametrize("case", CASES)
def test_names_and_shapes_are_the_published_ones(case):
    entries = golden.manifest(f"diffusiondrive_{case}")
    with torch.device("meta"):
        made = DiffusionDriveNetwork(DiffusionDriveConfig(**CASES[case]))
    shapes = {name: list(tensor.shape) for name, tensor in made.state_dict().items()}
    assert shapes == entries["entries"]
    assert sum(p.numel() for p in made.parameters()) == entries["params"]
    assert [n for n, p in made.named_parameters() if p.requires_grad] == entries["trainable"]
    assert case != "full" or len(shapes) == 763


@pytest.mark.parametrize("case", NUMBERS)
def test_plans_as_published(case):
    file = golden.stored(f"diffusiondrive_{case}")
    model, features, _ = network(case)
    watched = Watched(model.eval())
    with torch.no_grad():
        out = model(features, noise=noise_of(case)[0])
    golden.close(out["trajectory"], file["eval.out.trajectory"])
    golden.close(out["agent_states"], file["eval.out.agent_states"], atol=5e-4)
    golden.close(out["agent_labels"], file["eval.out.agent_labels"])
    golden.close(out["bev_semantic_map"][..., ::8, ::8], file["eval.out.bev_semantic_map.stride8"])
    compared = 0
    for name, calls in watched.calls.items():
        for turn, output in enumerate(calls):
            if name.startswith("decoder."):
                at = f"step{turn}.{name.removeprefix('decoder.')}"
                golden.close(output[0], file[f"eval.poses_reg.{at}"])
                golden.close(output[1], file[f"eval.poses_cls.{at}"])
            else:
                golden.close_part(output, file, f"eval.{name}" + (f"#{turn}" if turn else ""))
            compared += 1
    assert compared == 12 + 4 + 8


@pytest.mark.parametrize("case", NUMBERS)
def test_noise_goes_the_published_way(case):
    file = golden.stored(f"diffusiondrive_{case}")
    head = network(case)[0]._trajectory_head
    sample = head.start(noise_of(case)[0])
    golden.close(sample, file["eval.noisy_norm"])
    for step, level in enumerate(head.levels()):
        poses = torch.from_numpy(file[f"eval.poses_reg.step{step}.layer1"])
        sample = head.schedule.step(sample, normalise(poses[..., :2]), level)
        golden.close(sample, file[f"eval.ddim_prev.step{step}"])


@pytest.mark.parametrize("case", NUMBERS)
def test_learns_as_published(case):
    file = golden.stored(f"diffusiondrive_{case}")
    order = json.loads((golden.ROOT / f"diffusiondrive_{case}.grad_names.json").read_text())
    model, features, targets = network(case)
    golden.still(model)
    noise, timesteps = noise_of(case)
    losses = model.loss(features, targets, noise=noise, timesteps=timesteps)
    losses["loss"].backward()
    named = [
        key.removeprefix("train.") for key in file if key.endswith(("loss", "loss_0", "loss_1"))
    ]
    for key in named:
        if key != "diffusion_loss":
            golden.close(losses[key], file[f"train.{key}"], atol=0)
    golden.close(losses["trajectory"], file["train.out.trajectory"])
    parameters = dict(model.named_parameters())
    golden.close_gradients(parameters, order["grad_norm_order"], file["train.grad_norm"])
    assert all(parameters[name].grad is None for name in order["no_grad_params"])
    norm = model._backbone.image_encoder.bn1
    golden.close(norm.running_mean, file["train.bn1_image_running_mean_after"])
    golden.close(norm.running_var, file["train.bn1_image_running_var_after"])


def test_attention_to_the_map():
    weights, inputs = golden.seeds(UNITS)
    file, at = golden.stored(UNITS), f"i{inputs}/gs"
    entries = golden.manifest("gridsample_bev_attention")
    attention = golden.fill(GridSampleCrossBEVAttention(256, 8, 32.0), weights).eval()
    shapes = {name: list(tensor.shape) for name, tensor in attention.state_dict().items()}
    assert shapes == entries["entries"]
    queries = golden.array(f"{at}/queries", (2, 20, 256)).requires_grad_()
    points = golden.array(f"{at}/traj_points", (2, 20, 8, 2), 20.0)
    out = attention(queries, points, golden.array(f"{at}/bev", (2, 256, 64, 64)))
    out.square().mean().backward()
    golden.close(out, file["gs.out"])
    golden.close(queries.grad, file["gs.grad_queries"], atol=1e-8)
    parameters = dict(attention.named_parameters())
    golden.close_gradients(parameters, entries["grad_order"], file["gs.grad_norms"])
    inside = (points.abs() <= 32).all(-1).float().mean()
    assert float(inside) == pytest.approx(float(file["gs.inside_fraction"]))


def test_head_alone():
    weights, inputs = golden.seeds(UNITS)
    file, at = golden.stored(UNITS), f"i{inputs}/th"
    entries = golden.manifest("trajectory_head")
    head = golden.fill(TrajectoryHead(DiffusionDriveConfig()), weights).eval()
    assert {n: list(t.shape) for n, t in head.state_dict().items()} == entries["entries"]
    scene = (
        golden.array(f"{at}/bev", (2, 256, 64, 64)),
        golden.array(f"{at}/ego_query", (2, 1, 256)),
        golden.array(f"{at}/agents_query", (2, 30, 256)),
    )
    noise = golden.array(f"{at}/noise", (2, 20, 8, 2))
    target = golden.array(f"{at}/target", (2, 8, 3), 3.0)
    target[..., 0] += 3.0 * torch.arange(1, 9)
    with torch.no_grad():
        golden.close(head(scene, noise)["trajectory"], file["th.trajectory"])
    golden.still(head)
    found = head.loss(scene, target, noise=noise, timesteps=golden.levels(f"{at}/timesteps", 2))
    found["trajectory_loss"].backward()
    golden.close(found["trajectory"], file["th.train_trajectory"])
    for key in ("trajectory_loss", "trajectory_loss_0", "trajectory_loss_1"):
        golden.close(found[key], file[f"th.{key}"], atol=0)
    parameters = dict(head.named_parameters())
    golden.close_gradients(parameters, entries["grad_order"], file["th.grad_norms"])


def test_ranges_and_embeddings():
    inputs = golden.seeds(UNITS)[1]
    file = golden.stored(UNITS)
    metres = golden.array(f"i{inputs}/odo", (5, 8, 3), 10.0)
    shares = golden.array(f"i{inputs}/odo2", (5, 8, 3), 0.5)
    golden.close(normalise(metres[..., :2]), file["odo.norm"][..., :2])
    golden.close(denormalise(shares[..., :2]), file["odo.denorm"][..., :2])
    points = golden.array(f"i{inputs}/sine", (3, 8, 2), 10.0)
    golden.close(embed_points(points), file["sine_pos64"])
    golden.close(LevelEmbedding(256)(torch.tensor([0, 8, 10, 49])), file["sine_time256"])


def test_schedule():
    inputs = golden.seeds(UNITS)[1]
    file, schedule = golden.stored(UNITS), Schedule()
    clean, noise, predicted = (
        golden.array(f"i{inputs}/ddim/{name}", (2, 20, 8, 2), scale)
        for name, scale in (("x0", 0.8), ("noise", 1.0), ("pred", 0.8))
    )
    golden.close(schedule.kept[:60], file["ddim.alphas_cumprod_0_60"], rtol=1e-6, atol=1e-7)
    golden.close(schedule.kept[999], file["ddim.alphas_cumprod_999"], atol=0)
    noisy = schedule.add_noise(clean, noise, torch.tensor([8, 8]))
    golden.close(noisy, file["ddim.add_noise_t8"])
    both = schedule.add_noise(clean, noise, torch.tensor([0, 49]))
    golden.close(both, file["ddim.add_noise_t0_49"])
    golden.close(schedule.step(noisy, predicted, 10), file["ddim.step_t10"])
    golden.close(schedule.step(noisy, predicted, 0), file["ddim.step_t0"])


def test_loss_of_modes():
    inputs = golden.seeds(UNITS)[1]
    file, at = golden.stored(UNITS), f"i{inputs}/lc"
    poses = golden.array(f"{at}/reg", (3, 20, 8, 3), 5.0)
    scores = golden.array(f"{at}/cls", (3, 20), 2.0)
    target = golden.array(f"{at}/target", (3, 8, 3), 4.0)
    positive = nearest_anchor(golden.anchors(), target)
    golden.close(mode_loss(poses, scores, target, positive), file["lc.loss"], atol=0)
    golden.close(focal_loss(scores, torch.tensor([3, 5, 7])), file["lc.focal_mean"], atol=0)


@pytest.mark.parametrize("prefix", ["", "empty_"])
def test_loss_of_road_users(prefix):
    inputs = golden.seeds(UNITS)[1]
    file, at = golden.stored(UNITS), f"i{inputs}/al"
    counts = torch.from_numpy(file["al.counts"])
    labels = torch.arange(30)[None] < (counts if not prefix else 0 * counts)[:, None]
    entropy, distance = agent_loss(
        golden.array(f"{at}/pred_states", (3, 30, 5), 8.0),
        golden.array(f"{at}/pred_logits", (3, 30), 2.0),
        golden.array(f"{at}/gt_states", (3, 30, 5), 8.0),
        labels,
    )
    golden.close(entropy, file[f"al.{prefix}ce"], atol=0)
    golden.close(distance, file[f"al.{prefix}l1"], atol=0)
