"""Prepare the large networks: ``python -m fewbit.study.zoo``, see ``networks``."""

from .networks import main

raise SystemExit(main())
