from drivelab.kernels.sequence.simple_gla import ref

forward = ref.forward
