"""The loop of a reconstruction: one picture a step, Adam, checkpoints that go on bit by bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError

from drivelab.errors import RunError
from drivelab.kernels.splat import Cameras, Gaussians, Pictures, Trace, render
from drivelab.training.checkpoint import load_facts, load_weights, save_checkpoint
from drivelab.training.reconstruction import densify, mcmc
from drivelab.training.reconstruction.losses import entropy, loss, roughness, slenderness
from drivelab.training.reconstruction.model import Beside, Model, optimizer_of
from drivelab.training.reconstruction.moment import at_view, moved, moving
from drivelab.training.reconstruction.points import on_image
from drivelab.training.reconstruction.quality import Quality, judged
from drivelab.training.reconstruction.settings import ReconstructionSettings
from drivelab.training.reconstruction.sky import sky_picture
from drivelab.training.reconstruction.views import Views, split, threes

SELDOM = 10  # steps between two looks at the shapes of all Gaussians, as in DriveStudio
RECOLOUR = 250  # steps after which what no view saw takes the colours of its neighbours


class Reconstruction:
    """A scene that is being learned.

    Attributes:
        model: its numbers.
        step: steps that are done.
        device: of the numbers, "cpu" or "cuda"; there gsplat draws.
    """

    def __init__(
        self, views: Views, model: Model, settings: ReconstructionSettings, device: str = "cpu"
    ) -> None:
        self.views, self.settings = views, settings
        self.model, self.device = model.to(device), device
        self.step, self._extent = 0, views.extent
        self._learned, self._held = split(views, settings.hold_out)
        if not len(self._learned):
            raise ValueError(f"{len(views)} views, none to learn from; hand over more")
        self._rows = torch.as_tensor(threes(views, self._learned), device=device)
        self._optimizer = optimizer_of(model, settings.rates, self._extent)

    @property
    def degree(self) -> int:
        """Of the harmonics that are learned now."""
        return min(self.step // self.settings.degree_every, self.settings.degree)

    def advance(self) -> float:
        """Do a step; returns its loss.

        Raises:
            RunError: numbers or loss are not finite; nothing has been changed by this step.
        """
        how, trace = self.settings, Trace()
        number = self._next()
        self._set_rate()
        try:
            pictures, seen = self._seen(number, trace, learned=True)
        except ValueError as error:  # the renderer takes finite numbers only
            raise self._astray(number, str(error)) from error
        total = loss(seen, pictures, *self._given(number), how.weights)
        if how.strategy == "mcmc":
            total = total + mcmc.burden(self.model, how.mcmc)
        total = total + self._restraint(number)
        if not torch.isfinite(total):
            raise self._astray(number, f"its loss is {float(total.detach())}")
        total.backward()
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._change(trace)
        self.step += 1
        return float(total.detach())

    def judge(self) -> Quality:
        """The views that were held out."""
        return judged(self.views, self._held.tolist(), self.picture)

    def picture(self, number: int) -> torch.Tensor:
        """A view as the scene has it now (h, w, 3), colours held to 0..1."""
        with torch.no_grad():
            return self._seen(number, None, learned=False)[1].clamp(0, 1).cpu()

    def gaussians(self) -> Gaussians:
        """The scene as it is now, as arrays."""
        with torch.no_grad():
            scene = self.model.gaussians(self.degree)
        names = ("means", "quats", "scales", "opacities", "sh")
        return Gaussians(*(getattr(scene, name).detach().cpu().numpy() for name in names))

    def save(self, folder: Path) -> None:
        """Write a checkpoint; a broken write leaves the old one.

        Raises:
            RunError: it cannot be written.
        """
        facts = {"step": self.step, "count": len(self.model), "settings": asdict(self.settings),
                 "views": self.views.digest}  # fmt: skip
        try:
            save_checkpoint(folder, self.model, facts, self._optimizer)
        except (SafetensorError, OSError) as error:
            raise RunError(
                f"{folder}: the checkpoint of step {self.step} cannot be written ({error}); the "
                "one before it is whole: free some space and type the command again"
            ) from error

    @staticmethod
    def load(
        folder: Path, views: Views, settings: ReconstructionSettings, device: str = "cpu"
    ) -> Reconstruction:
        """Go on from a checkpoint.

        Raises:
            RunError: there is none, it is damaged, or it was made with other settings or views.
        """
        facts = load_facts(folder)
        if facts is None:
            raise RunError(f"{folder} holds no checkpoint of a reconstruction; begin anew")
        if (other := _other(facts["settings"], asdict(settings))) is not None:
            raise RunError(
                f"{folder} was made with other settings ({other}); go on with those, or choose "
                "another folder"
            )
        if facts.get("views", views.digest) != views.digest:  # older runs noted none
            raise RunError(
                f"{folder} was made of other pictures, poses or tracks than the source has now: "
                "bring those back, or choose another folder"
            )
        model = Model(int(facts["count"]), beside_of(views, settings))
        found = Reconstruction(views, model, settings, device)
        load_weights(folder, found.model, found._optimizer)
        found.step = int(facts["step"])
        return found

    def _seen(
        self, number: int, trace: Trace | None, *, learned: bool
    ) -> tuple[Pictures, torch.Tensor]:
        """Pictures of a view, and its colours: the sky behind them, as its camera exposes them."""
        model, camera = self.model, self.views.camera(number)
        scene = model.gaussians(self.degree)
        if self.views.nodes is not None:
            scene = at_view(scene, model, self.views.nodes, number)
        taken = self._taken(number) if learned else camera
        pictures = render(scene, taken, settings=self.settings.render, trace=trace)
        seen = torch.as_tensor(pictures.rgb[0])
        if model.sky.numel():
            light = 1.0 - torch.as_tensor(pictures.alpha[0])
            seen = seen + light[..., None] * sky_picture(model.sky, taken, 0)
        if model.exposure.numel() and self.views.groups is not None:
            own = model.exposure[int(self.views.groups[number])]
            seen = seen * (own - model.exposure.mean(0)).exp()
        return pictures, seen

    def _taken(self, number: int) -> Cameras:
        """The camera of a view, where it turned out to be if poses are learned."""
        camera, twists = self.views.camera(number), self.model.twists
        return moved(camera, twists[number]) if twists.numel() else camera

    def _restraint(self, number: int) -> torch.Tensor:
        """What keeps Gaussians and poses as things are, beside the pictures; weighted."""
        model, weights = self.model, self.settings.weights
        total = model.means.new_zeros(())
        if weights.slenderness > 0 and self.step % SELDOM == 0:
            total = total + weights.slenderness * slenderness(model.scales)
        if weights.roughness > 0 and model.twists.numel() and len(self._rows):
            total = total + weights.roughness * roughness(model.twists, self._rows)
        if (
            weights.entropy > 0
            and self.views.nodes is not None
            and self.step >= self.settings.settled
        ):
            there = moving(model.gaussians(0), model, self.views.nodes, number)
            if len(there):
                cover = render(there, self._taken(number), settings=self.settings.render)
                total = total + weights.entropy * entropy(torch.as_tensor(cover.alpha[0]))
        return total

    def _astray(self, number: int, problem: str) -> RunError:
        return RunError(
            f"step {self.step + 1:,}, view {number}: {problem}; what is learned has gone astray. "
            "The last checkpoint is whole; begin anew with lower rates (rates.means is "
            f"{self.settings.rates.means:g}), or look at that view"
        )

    def _next(self) -> int:
        """The view of this step: all of them in a random order, again and again."""
        turn, place = divmod(self.step, len(self._learned))
        order = np.random.default_rng([self.settings.seed, turn]).permutation(self._learned)
        return int(order[place])

    def _given(self, number: int) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """Picture, depths and sky of a view."""
        depths, sky, to = self.views.depths, self.views.sky, self.device
        return (
            torch.as_tensor(self.views.images[number], device=to),
            None if depths is None else torch.as_tensor(depths[number], device=to),
            None if sky is None else torch.as_tensor(sky[number], device=to),
        )

    def _rate(self) -> float:
        """Of the means, in this step."""
        rates = self.settings.rates
        fallen = rates.means_fall ** (self.step / self.settings.steps)
        return float(rates.means * self._extent * fallen)

    def _set_rate(self) -> None:
        (group,) = (g for g in self._optimizer.param_groups if g["name"] == "means")
        group["lr"] = self._rate()

    def _inside(self) -> np.ndarray:
        """(n,) whether the middle of each lies on the picture of a view that is learned from."""
        model, views = self.model, self.views
        means, nodes = model.means.detach().double().cpu().numpy(), model.nodes.cpu().numpy()
        found = np.zeros(len(means), bool)
        for number in self._learned.tolist():
            which = np.arange(len(means))
            places = means
            if views.nodes is not None:
                poses = np.concatenate([np.eye(4)[None], views.nodes.poses[:, number]])[nodes]
                valid = np.concatenate([[True], views.nodes.valid[:, number]])[nodes]
                places = np.einsum("nij,nj->ni", poses[:, :3, :3], means) + poses[:, :3, 3]
                which, places = which[valid], places[valid]
            found[which[on_image(places, views.cameras, number)[0]]] = True
        return found

    def _change(self, trace: Trace) -> None:
        """Add, move and remove Gaussians where it is time to."""
        model, optimizer, how = self.model, self._optimizer, self.settings
        # By the step, so that a run that goes on draws what it would have drawn
        chance = torch.Generator().manual_seed(how.seed * 1_000_003 + self.step)
        densify.gather(model, trace)
        if how.strategy == "mcmc":
            if mcmc.due(self.step, how.mcmc):
                mcmc.turn(model, optimizer, how.mcmc, chance)
            mcmc.shake(model, how.mcmc, self._rate(), chance)
        else:
            if densify.due(self.step, how.density):
                densify.grow(model, optimizer, how.density, self._extent, chance)
                densify.prune(model, optimizer, how.density, self._extent, self.step)
            if densify.fades(self.step, how.density):
                densify.fade(model, optimizer, how.density)
        done = self.step + 1
        if done % RECOLOUR == 0 or done == how.steps:
            densify.colour_unseen(model, self._inside())


def reconstruct(
    views: Views,
    points: np.ndarray,
    colours: np.ndarray,
    settings: ReconstructionSettings,
    folder: Path,
    *,
    nodes: np.ndarray | None = None,
    device: str = "cpu",
    look: Callable[[Reconstruction, float], bool] = lambda run, loss: True,
) -> Reconstruction:
    """Learn a scene from pictures; goes on from the checkpoint of the folder, if there is one.

    Args:
        views: the pictures.
        points: (n, 3) where Gaussians begin, in the scene's frame [m].
        colours: (n, 3) 0..1.
        settings: how.
        folder: of the checkpoint.
        nodes: (n,) in whose frame each point lies, see `Capture.seeds`.
        device: that learns.
        look: is shown the run after every step, with the step's loss; where it answers False a
            checkpoint is written and the run pauses.
    """
    if load_facts(folder) is not None:
        found = Reconstruction.load(folder, views, settings, device)
    else:
        beside = beside_of(views, settings)
        model = Model.of_points(points, colours, settings.opacity, nodes=nodes, beside=beside)
        found = Reconstruction(views, model, settings, device)
    while found.step < settings.steps:
        goes_on = look(found, found.advance())
        over = found.step == settings.steps or not goes_on
        if over or found.step % settings.save_every == 0:
            found.save(folder)
        if not goes_on:
            break
    return found


def beside_of(views: Views, settings: ReconstructionSettings) -> Beside:
    """What else learns: exposures where there are several cameras, poses where they have a rate."""
    cameras = 0 if views.groups is None else int(views.groups.max()) + 1
    rates = settings.rates
    return Beside(
        settings.texels,
        cameras if cameras > 1 and rates.exposure > 0 else 0,
        len(views) if rates.twists > 0 else 0,
    )


def _other(one: Any, two: Any, name: str = "") -> str | None:
    """The first setting in which two differ, or None."""
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        for key in two:
            if (found := _other(one.get(key), two[key], f"{name}.{key}".lstrip("."))) is not None:
                return found
        return None
    two = list(two) if isinstance(two, tuple) else two  # as JSON has them
    return None if one == two else f"{name}: {one} there, {two} now"
