"""Stock vLLM and ours, in turn, on one GPU. README.md says how to run it where there is one."""
