"""How events look to collectors, one module a format; ``outputs/registry.py`` lists them."""
