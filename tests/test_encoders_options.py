"""Options that would build another network than the one meant are refused."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from drivelab.agents.encoders import build_encoder, encoder_flops
from drivelab.agents.encoders.diffusion import build_backbone
from drivelab.agents.language.mixers import MaTVLMConfig, MmMambaConfig, OmniMambaConfig
from drivelab.errors import ConfigError

pytestmark = pytest.mark.nn

ENCODERS = [
    ("vig_t", {"backend": "nunba"}, r"backend='nunba': expected .*did you mean 'numba'"),
    ("vig_t", {"heads": 5}, "width=192, heads=5: expected heads to divide half the width"),
    ("vig_t", {"heads": 64}, "width=192, heads=64: expected heads to divide half the width"),
    ("vig_t", {"depth": 0}, "ViG with depth=0: expected whole numbers from 1 on"),
    ("vig_t", {"patch": 15, "image_size": 225}, "patch=15: expected an even patch"),
    ("vig_t", {"image_size": 200}, "image_size=200, patch=16: expected an even patch that divides"),
    ("vig_t", {"classes": -1}, "classes=-1: expected whole numbers from 0 on"),
    ("vig_t", {"drop_path": 1.0}, "drop_path=1.0: expected a number from 0 to 1, below 1"),
    ("vig_h_t", {"heads": (3, 6, 12)}, "one number for each of 4 stages"),
    ("vig_h_t", {"depths": (2, 2, 0, 2)}, r"depths=\(2, 2, 0, 2\): expected whole numbers"),
    ("vig_h_t", {"heads": (3, 6, 12, 5)}, r"the widths are \(96, 192, 384, 768\)"),
    ("vig_h_t", {"backend": "cuda"}, "ViGH with backend='cuda': expected one of 'auto', "),
    ("vit_t", {"heads": 5}, "width=192, heads=5: expected heads to divide width"),
    ("vit_t", {"depth": True}, "depth=True: expected whole numbers"),
    ("vit_t", {"patch": 15}, "expected patch to divide image_size"),
    ("resnet18", {"depths": (2, 2, 0, 2)}, "expected whole numbers from 1 on"),
]


@pytest.mark.parametrize(("name", "changes", "told"), ENCODERS)
def test_an_encoder_that_cannot_be_meant_is_refused(name, changes, told):
    with pytest.raises(ConfigError, match=told):
        build_encoder(name, **changes)
    with pytest.raises(ConfigError, match=told):
        encoder_flops(name, 224, 224, **changes)


BACKBONES = [
    ("dig_s_2", {"backend": "gpu"}, "DiG with backend='gpu': expected one of 'auto'"),
    ("dig_s_2", {"heads": 128}, "expected heads to divide half the width"),
    ("dig_s_2", {"depth": 0}, "depth=0: expected whole numbers from 1 on"),
    ("dig_s_2", {"latent": 31}, "latent=31, patch=2: expected patch to divide latent"),
    ("dit_s_2", {"latent": 31}, "DiT with latent=31, patch=2: expected patch to divide latent"),
    ("dit_s_2", {"heads": 5}, "width=384, heads=5: expected heads to divide width"),
    ("dit_s_2", {"width": 390}, "width=390, heads=6: expected .*4, the parts of its table"),
    ("dit_s_2", {"classes": 0}, "classes=0: expected whole numbers from 1 on"),
    ("dit_s_2", {"class_dropout": 1.5}, "class_dropout=1.5: expected a number from 0 to 1"),
]


@pytest.mark.parametrize(("name", "changes", "told"), BACKBONES)
def test_a_backbone_that_cannot_be_meant_is_refused(name, changes, told):
    with pytest.raises(ConfigError, match=told):
        build_backbone(name, **changes)


@pytest.mark.parametrize("config", [MmMambaConfig, MaTVLMConfig, OmniMambaConfig])
def test_a_mixer_that_cannot_be_meant_is_refused(config):
    with pytest.raises(ConfigError, match="backend='nunba': expected one of 'auto', "):
        config(backend="nunba")
    for field in ("width", "taps"):
        with pytest.raises(ConfigError, match=f"{field}=0: expected whole numbers from 1 on"):
            config(**{field: 0})


# (room, builder, name, options, what is told)
MISTYPED = [
    (
        "",
        "encoder",
        "vig_t",
        "compat='bogus'",
        "ViG with compat='bogus': expected one of 'paper', ",
    ),
    (
        "",
        "encoder",
        "vit_t",
        "attention='flash'",
        "ViT with attention='flash': expected one of 'sd",
    ),
    ("", "encoder", "vit_t", "heads=3.0", "heads=3.0: expected whole numbers from 1 on"),
    ("", "encoder", "resnet18", "depths=(2, 2, 2)", "expected one number for each of 4 stages"),
    (".diffusion", "backbone", "dig_s_2", "skip='zer'", "DiG with skip='zer': expected one of 'no"),
    (".diffusion", "backbone", "dig_s_2", "skip='zer'", "did you mean 'zero'"),
    (".diffusion", "backbone", "dig_s_2", "skip=None", "skip=None: expected one of 'none', 'linea"),
    (".diffusion", "backbone", "dit_s_2", "attention='flash'", "DiT with attention='flash': expec"),
]
BUILD = """
import json
from drivelab.errors import ConfigError
told = []
for line in {lines}:
    try: exec(line)
    except ConfigError as error: told.append(str(error))
    else: told.append("built")
print(json.dumps(told))
"""


def test_values_of_another_type_are_refused_too():
    """In a process of its own: this one checks types at each call, before the configurations do."""
    lines = [
        f"from drivelab.agents.encoders{room} import *; build_{builder}({name!r}, {options})"
        for room, builder, name, options, _ in MISTYPED
    ]
    code = BUILD.format(lines=lines)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    messages = json.loads(done.stdout)
    for message, (*_, told) in zip(messages, MISTYPED, strict=True):
        assert told in message
