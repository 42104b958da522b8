"""`drivelab reconstruct`: posed pictures become a scene of Gaussians to drive in."""

from __future__ import annotations

from collections.abc import Sequence

USAGE = """usage: drivelab reconstruct source=SOURCE [out=FOLDER] [key=value ...]

SOURCE is one of
  radlab:CLIP          a drive of radlab along an empty street (radlab:test-0003-lane_drop), seen
                       and scanned by drive.rig; drive.cameras=NAME,NAME drive.scale=0.5
                       drive.poses=40 drive.weather=day drive.traffic=true (road users learned,
                       each in its tracked box)
  av2:LOG              a log folder of the Argoverse 2 sensor data set, with sensors/cameras
  nuscenes:ROOT:SCENE  a scene (scene-0061) of the nuScenes data below ROOT; one scene: no name
  navsim:LOG.pkl       a log of NAVSIM, ROOT/navsim_logs/SPLIT/LOG.pkl with its sensor_blobs
                       logs: log.cameras=NAME,NAME log.frames=40 log.begin=0 log.seconds=10
                       photos.width=480; road users are learned, each in its tracked box
  colmap:DIR           a COLMAP model (sparse/0, .bin or .txt) and its photographs in DIR/images;
                       photos.images=images_4 photos.width=480
  nerfstudio:DIR       transforms.json with ply_file_path; photos.width=480
  stereo:DIR           a rectified pair of Argoverse 1: the left picture and its disparities are
                       learned, the right one is held out

  steps=2500           one view each                 minutes=N        pause after N minutes
  points=50000         Gaussians to begin with       hold_out=8       every 8th is not learned
  degree=1             of the harmonics              texels=64        of the sky; 0: none
  strategy=default|mcmc                              how their number is decided on
  rates.KEY= weights.KEY= density.KEY= mcmc.KEY=     learning rates, losses, growth
  seed=0 threads=0 quiet=true

The folder holds scene.splats.safetensors (for `splat render`, `splat view`, `drivelab/Splat-v0`),
previews/ (held-out views as taken, above, and as learned), progress.jsonl, curve.png, checkpoint/
(to go on from) and summary.json with PSNR and SSIM of held-out views beside those of copying the
nearest learned view. The same command with the same out= goes on where it was broken off. Needs
the extra nn. Exit codes: 0 done, 2 usage or data error, 130 interrupted."""


def run(words: Sequence[str]) -> int:
    """Run the verb."""
    from drivelab.cli.compose import compose, sweep
    from drivelab.cli.overrides import read_request
    from drivelab.cli.reconstruct_run import reconstruct_config

    request = read_request("reconstruct", words)
    if request.flags:
        return sweep("reconstruct", request, reconstruct_config)
    return reconstruct_config(compose("reconstruct", request))
