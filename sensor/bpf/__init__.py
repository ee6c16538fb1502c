"""The probes in the kernel: build, load, pin and read them."""
