"""Convolutions of a residual network on the CPU, for maps that hold their channels side by side.

`winograd` multiplies a fourth as often as a 3 x 3 convolution does, `stem` is the first convolution
together with the pooling behind it. What is here runs as jobs: a compiled function takes the
address of a record and may run in any number of threads at once; each takes the next piece of work
until none is left. Whose threads these are is up to the caller.
"""
