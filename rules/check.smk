"""What can be told of a study before any hour of a GPU: a target of its own, which makes nothing else.

INPUT   the config, the environment, the machine; what is there of results/
OUTPUT  results/logs/check.log
"""


onsuccess:
    tell_checks()


rule check:
    """Check config, secrets, disk, GPUs, models, chat templates and leakage; fetch and run nothing."""
    log:
        "results/logs/check.log",
    localrule: True  # of the machine and the environment that the driver runs in
    conda:
        "../envs/train.yaml"
    params:
        code=code("check.py"),
        config=config,
        presets=PRESETS,
        root=part("."),
        offline=OFFLINE,
    script:
        "../workflow/scripts/check.py"
