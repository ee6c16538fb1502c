"""What may be found, as data: one file a finding, registered in ``registry.py``."""
