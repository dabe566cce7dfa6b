"""The NTM's twin for GPUs, in Triton: several members at once, a program a sequence. Imported only where it runs."""
