"""`drivelab bench`: how fast the kernels and encoders run on this machine."""

from __future__ import annotations

from collections.abc import Sequence

USAGE = """usage: drivelab bench kernels  [ops=gla,ssd,...] [lengths=196,1024,...]
                               [heads=4] [width=64]
       drivelab bench encoders [pixels=224,512,1024] [encoders=vig_t,vit_t,...]
       both: [device=cpu|cuda] [dtype=float32|bfloat16] [threads=1] [out=DIR]

Times every op or encoder beside attention or torch's own function, where there is one, and beside
fla and mamba-ssm where they are installed and a GPU is there; memory and, for the ops, the largest
difference from the definition. width is that of a head; ops without heads get heads x width
channels. out=DIR also gets bench-kernels.json and .png (the first op), or bench-encoders.json and
.png. Ctrl-C keeps the rows so far."""


def run(words: Sequence[str]) -> int:
    """Run the verb."""
    from drivelab.cli.words import choose_action

    actions = {"kernels": _kernels, "encoders": _encoders}
    return choose_action("bench", words, actions)(words[1:])


def _kernels(words: Sequence[str]) -> int:
    from drivelab.cli.speed_run import bench_kernels

    return bench_kernels(words)


def _encoders(words: Sequence[str]) -> int:
    from drivelab.cli.speed_run import bench_encoders

    return bench_encoders(words)
