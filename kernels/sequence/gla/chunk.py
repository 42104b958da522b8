from drivelab.kernels.sequence.gla import ref

forward = ref.forward
