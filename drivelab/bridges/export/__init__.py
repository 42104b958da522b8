"""Networks of the learned agents as ONNX files or PyTorch programs, held against the originals."""
