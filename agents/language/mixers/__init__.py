"""Mamba-2 mixers of mmMamba, MaTVLM and OmniMamba, with their published parameter names.

Each maps tokens and a `MixerState` to outputs and the state behind them; `step` goes one token
further in constant time and memory.
"""

from drivelab.errors import MissingExtra

try:
    from drivelab.agents.language.mixers.losses import heads_mse, layers_l2, logits_kl
    from drivelab.agents.language.mixers.matvlm import MaTVLMConfig, MaTVLMLayer, MaTVLMMixer
    from drivelab.agents.language.mixers.mmmamba import (
        FusedMmMambaMixer,
        MmMambaConfig,
        MmMambaMixer,
        fuse,
    )
    from drivelab.agents.language.mixers.omnimamba import OmniMambaConfig, OmniMambaMixer
    from drivelab.agents.language.mixers.seeding import (
        AttentionWeights,
        seed_matvlm,
        seed_mmmamba,
        unpack,
    )
    from drivelab.agents.language.mixers.state import MixerState
except ModuleNotFoundError as error:
    raise MissingExtra(str(error.name), extra="nn") from error

__all__ = [
    "AttentionWeights",
    "FusedMmMambaMixer",
    "MaTVLMConfig",
    "MaTVLMLayer",
    "MaTVLMMixer",
    "MixerState",
    "MmMambaConfig",
    "MmMambaMixer",
    "OmniMambaConfig",
    "OmniMambaMixer",
    "fuse",
    "heads_mse",
    "layers_l2",
    "logits_kl",
    "seed_matvlm",
    "seed_mmmamba",
    "unpack",
]
