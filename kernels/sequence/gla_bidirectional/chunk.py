from drivelab.kernels.sequence.gla_bidirectional import ref

forward = ref.forward
